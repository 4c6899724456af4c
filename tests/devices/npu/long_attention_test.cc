// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention of long prompts on the emulated array.
#include <gtest/gtest.h>

#include "devices/npu/workbench/attention_trial.h"

namespace tandem::npu::test {
namespace {

constexpr GemmConfig kNpu1{{Generation::kNpu1, 4}, GemmType::kI4, GemmOutput::kI32};
constexpr GemmConfig kNpu2{{Generation::kNpu2, 8}, GemmType::kBf16, GemmOutput::kF32};

TEST(NpuLongAttention, TwoThousandPositions) {
  for (const GemmConfig& config : {kNpu1, kNpu2}) {
    for (const int64_t window : {0, 512}) {
      const AttentionTrial trial = TryAttention(config, {4, 1, 64}, 256, 2048, window, 7);
      EXPECT_TRUE(trial.ok) << trial.max_abs_error;
    }
  }
  // A whole prompt at once: more jobs than pushes fit a queue, of all lengths.
  const AttentionTrial trial = TryAttention(kNpu1, {2, 1, 64}, 2048, 2048, 512, 8);
  EXPECT_TRUE(trial.ok) << trial.max_abs_error;
}

TEST(NpuLongAttention, ShapesOfGemma3n) {
  const AttentionTrial trial = TryAttention(kNpu1, {8, 2, 256}, 64, 700, 512, 9);
  EXPECT_TRUE(trial.ok) << trial.max_abs_error;
}

}  // namespace
}  // namespace tandem::npu::test
