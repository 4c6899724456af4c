// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The self-test on arrays that work and on arrays that do not, and what a broken array looks like
// at the runner's interface: a typed error within the time, nothing left behind.
#include "devices/npu/workbench/self_test.h"

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "devices/npu/runner/emulator_runner.h"

namespace tandem::npu::test {
namespace {

using std::chrono::milliseconds;

constexpr Device kNpu1 = {Generation::kNpu1, 4};

/// Breaks the run of that number.
class BreakingRunner : public EmulatorRunner {
 public:
  BreakingRunner(Fault fault, int run) : EmulatorRunner(kNpu1), fault_(fault), run_(run) {}
  void Run(const Stream& stream, std::span<const std::span<std::byte>> arguments,
           milliseconds timeout) override {
    if (run_-- == 0) Inject(fault_);
    EmulatorRunner::Run(stream, arguments, timeout);
  }

 private:
  Fault fault_;
  int run_;
};

TEST(NpuSelfTest, StopsAtTheFirstThingThatDiffers) {
  const auto test = [](Fault fault, int run) {
    BreakingRunner runner(fault, run);
    SelfTestOptions options;
    options.timeout = milliseconds(1000);
    return RunSelfTest(runner, options);
  };
  // Runs: no-op, copy twice, one core, one tile.
  const std::pair<int, const char*> steps[] = {
      {0, "no-op"}, {1, "copy"}, {2, "copy"}, {3, "one-core"}, {4, "one-tile"}};
  for (const auto& [run, name] : steps) {
    const SelfTestReport report = test(Fault::kWrongData, run);
    EXPECT_FALSE(report.ok());
    EXPECT_EQ(report.steps.back().name, name);
    EXPECT_FALSE(report.steps.back().problem.empty());
    for (size_t i = 0; i + 1 < report.steps.size(); ++i) EXPECT_TRUE(report.steps[i].ok);
    EXPECT_FALSE(report.evidence.arguments.empty());
    EXPECT_FALSE(report.evidence.stream.ops.empty());
  }
  const std::string copied = test(Fault::kWrongData, 1).steps.back().problem;
  EXPECT_TRUE(copied.starts_with("run 1: byte 0 (column 0) is 0x")) << copied;
  const SelfTestReport one_tile = test(Fault::kWrongData, 4);
  EXPECT_NE(one_tile.steps.back().problem.find("1 of 4096, the first at [0,0]: "),
            std::string::npos)
      << one_tile.steps.back().problem;
  const SelfTestReport gone = test(Fault::kVanish, 3);
  EXPECT_EQ(gone.steps.size(), 3U);
  EXPECT_NE(gone.steps.back().problem.find("the device is gone"), std::string::npos);
}

}  // namespace
}  // namespace tandem::npu::test
