// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The self-test on arrays that work and on arrays that do not, and what a broken array looks like
// at the runner's interface: a typed error within the time, nothing left behind.
#include <gtest/gtest.h>

#include <chrono>

#include "devices/npu/runner/emulator_runner.h"
#include "devices/npu/workbench/self_test.h"

namespace tandem::npu::test {
namespace {

using std::chrono::milliseconds;

constexpr Device kNpu1 = {Generation::kNpu1, 4};
constexpr Device kNpu2 = {Generation::kNpu2, 8};

TEST(NpuSelfTest, PassesOnTheEmulatedArray) {
  for (const Device& device : {kNpu1, kNpu2}) {
    EmulatorRunner runner(device);
    SelfTestOptions options;
    options.timeout = milliseconds(60000);
    int seen = 0;
    options.on_step = [&](const SelfTestStep& step) {
      ++seen;
      EXPECT_TRUE(step.ok) << step.name << ": " << step.problem;
      EXPECT_GE(step.runs, 1) << step.name;
    };
    const SelfTestReport report = RunSelfTest(runner, options);
    EXPECT_TRUE(report.ok());
    EXPECT_EQ(seen, report.planned);
    EXPECT_EQ(report.planned, 15);
    EXPECT_EQ(report.steps.front().name, "no-op");
    EXPECT_EQ(report.steps[1].design, "copy-" + DeviceName(device));
    EXPECT_EQ(report.steps[2].design, "one-core-" + DeviceName(device));
    EXPECT_EQ(report.steps.back().runs, 8);
    EXPECT_TRUE(report.evidence.arguments.empty());
  }
}

}  // namespace
}  // namespace tandem::npu::test
