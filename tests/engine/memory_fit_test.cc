// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/memory_fit.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "engine/convert.h"
#include "engine/engine_test_util.h"
#include "support/gguf_patch.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

constexpr uint64_t kMega = 1000000;
const MemoryNeed kNeed = {4000 * kMega, 3000 * kMega, 500 * kMega, 100 * kMega};

TEST(MemoryFit, EachLimitAloneDecides) {
  const MemoryFit free = FitMemory(kNeed, {});
  EXPECT_TRUE(free.working && free.weights);
  const std::function<MemoryLimits(uint64_t)> kinds[] = {
      [](uint64_t bytes) {
        return MemoryLimits{bytes, {}, {}};
      },
      [](uint64_t bytes) {
        return MemoryLimits{9000 * kMega, bytes, {}};
      },
      [](uint64_t bytes) {
        return MemoryLimits{9000 * kMega, 8000 * kMega, bytes};
      }};
  for (size_t kind = 0; kind < std::size(kinds); ++kind) {
    const auto fit = [&](uint64_t bytes) { return FitMemory(kNeed, kinds[kind](bytes)); };
    EXPECT_FALSE(fit(0).working);
    EXPECT_FALSE(fit(600 * kMega - 1).working);
    EXPECT_TRUE(fit(600 * kMega).working);
    if (kind == 2) {
      EXPECT_TRUE(fit(600 * kMega).weights) << "weights are mapped already";
    } else {
      EXPECT_FALSE(fit(3600 * kMega - 1).weights);
      EXPECT_TRUE(fit(3600 * kMega - 1).working);
      EXPECT_TRUE(fit(3600 * kMega).weights);
    }
  }
}

TEST(MemoryFit, TextsHaveTheNumbers) {
  EXPECT_EQ(LimitsText({1200 * kMega, 300 * kMega, 50 * kMega}),
            "1200.0 MB are available on this machine, 300.0 MB in its control group, 50.0 MB of "
            "address space");
  EXPECT_EQ(LimitsText({1200 * kMega, {}, {}}), "1200.0 MB are available on this machine");
}

/// Fable that says it was made for contexts of 2^24 tokens, and looks back at all of them: over
/// 64 GB of keys and values.
class HugeContext : public testing::Test {
 protected:
  HugeContext() {
    ConvertOptions options;
    options.output = folder_.path() / "a.gguf";
    options.threads = 1;
    Convert(options);
    test::GgufPatch patch(options.output);
    patch.Set<uint32_t>("gemma3n.context_length", kContext);
    patch.Set<uint32_t>("gemma3n.attention.sliding_window", kContext);
    patch.Write(folder_.path() / "b.gguf");
    model_ = Model::Load(folder_.path() / "b.gguf");
  }
  static constexpr uint32_t kContext = 1u << 24;
  TemporaryFolder folder_;
  std::shared_ptr<const Model> model_;
};

// What is available changes from moment to moment.
std::string WithoutAvailable(const std::string& message) {
  return message.substr(0, message.find(" do not fit"));
}

TEST_F(HugeContext, IsRefusedWithTheNumbersBeforeAnythingIsTaken) {
  EngineOptions options = Options(16, 1, KvType::kF32);
  options.context = kContext;
  const MemoryNeed need = EstimateMemory(*model_, kContext, options.kv, options.chunk);
  ASSERT_GT(need.kv, uint64_t{64} << 30);
  if (FitMemory(need, ReadMemoryLimits()).working) GTEST_SKIP() << "this machine has room for it";
  const Error error = Caught([&] { Engine engine(model_, options); });
  EXPECT_EQ(error.kind(), ErrorKind::kResource);
  for (const char* part : {"16777216 tokens", "activations (", "are available", "b.gguf"}) {
    EXPECT_NE(error.message().find(part), std::string::npos) << error.message();
  }
  EXPECT_NE(error.hint().find("--ctx"), std::string::npos);
  options.context = 0;
  Engine engine(model_, options);
  const Error later = Caught([&] { (void)engine.NewSession(); });
  EXPECT_EQ(WithoutAvailable(later.message()), WithoutAvailable(error.message()));
  // A shorter one runs.
  EXPECT_EQ(engine.NewSession(64)->Append(std::vector<int32_t>{2, 5}).size(), 4096u);
}

TEST_F(HugeContext, GoesAheadWhenAskedTo) {
  EngineOptions options = Options(16, 1, KvType::kF32);
  options.context = kContext;
  options.memory_check = false;
  Engine engine(model_, options);
  try {
    EXPECT_EQ(engine.NewSession(options.context)->context(), options.context);
  } catch (const Error& error) {
    // The system may refuse so much itself.
    EXPECT_EQ(error.kind(), ErrorKind::kResource);
    EXPECT_EQ(error.message().find("do not fit"), std::string::npos) << error.message();
  }
}

}  // namespace
}  // namespace tandem
