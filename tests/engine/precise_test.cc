// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// EngineOptions::precise: a model of quantised weights says what float arithmetic says.
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>

#include "devices/cpu/isa.h"
#include "engine/engine_test_util.h"

namespace tandem {
namespace {

// The level of instructions of the engines that are made meanwhile.
class Level {
 public:
  explicit Level(cpu::Isa isa) {
    if (const char* old = std::getenv(kName)) old_ = old;
    setenv(kName, std::string(cpu::IsaName(isa)).c_str(), 1);
  }
  ~Level() {
    if (old_) {
      setenv(kName, old_->c_str(), 1);
    } else {
      unsetenv(kName);
    }
  }
  Level(const Level&) = delete;
  Level& operator=(const Level&) = delete;

 private:
  static constexpr const char* kName = "TANDEM_CPU_ISA";
  std::optional<std::string> old_;
};

Floats LogitsOf(cpu::Isa isa, bool precise, int64_t chunk, const Ids& ids) {
  const Level level(isa);
  EngineOptions options = Options(chunk, 2, KvType::kF32);
  options.precise = precise;
  Engine engine(Fable(), options);
  EXPECT_EQ(engine.Description().find("precise") != std::string::npos, precise);
  return Fresh(engine, ids);
}

double Distance(const Floats& a, const Floats& b) {
  double squares = 0;
  for (size_t i = 0; i < a.size(); ++i) squares += std::pow(static_cast<double>(a[i]) - b[i], 2);
  return std::sqrt(squares / static_cast<double>(a.size()));
}

TEST(PreciseEngine, LogitsAreThoseOfFloatArithmeticOnEveryLevel) {
  const Ids ids = RandomIds(40, 3, 2438);
  const Floats exact = LogitsOf(cpu::Isa::kReference, false, 64, ids);
  for (const cpu::Isa isa : cpu::AvailableIsas()) {
    if (isa == cpu::Isa::kReference) continue;
    SCOPED_TRACE(cpu::IsaName(isa));
    const double coarse = Distance(LogitsOf(isa, false, 64, ids), exact);
    const Floats precise = LogitsOf(isa, true, 64, ids);
    EXPECT_GT(coarse, 0);
    EXPECT_LT(Distance(precise, exact) * 20, coarse);
    EXPECT_TRUE(SameBits(precise, LogitsOf(isa, true, 7, ids))) << "chunks change the result";
  }
}

}  // namespace
}  // namespace tandem
