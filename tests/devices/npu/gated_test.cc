// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gated products and those behind them as lists on the emulated array, of random and of edge
// shapes; what there is no design for.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <variant>
#include <vector>

#include "core/error.h"
#include "devices/npu/arrays/backend_runner.h"
#include "devices/npu/arrays/emulated_backend.h"
#include "devices/npu/gemm/gated_plan.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/meddler.h"
#include "devices/npu/runner/emulator_runner.h"
#include "devices/npu/timing/gated_time.h"
#include "devices/npu/workbench/gated_trial.h"

namespace tandem::npu::test {
namespace {

constexpr std::chrono::milliseconds kTimeout(60000);

TEST(NpuGated, BothProductsAreThoseOfTheReference) {
  std::mt19937 random(1);
  const auto side = [&](int64_t most) { return 1 + static_cast<int64_t>(random() % most); };
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    for (const GemmType type : {GemmType::kI8, GemmType::kI4}) {
      const GemmConfig config = {{generation, MaxColumns(generation)}, type, GemmOutput::kF32};
      EmulatorRunner runner(config.device);
      runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
      // One row; whole tiles; tails of everything; two blocks of rows; inputs of up's own.
      for (const GatedShape& shape :
           {GatedShape{1, 1, 0, 1, 1}, GatedShape{64, 384, 0, 128, 64},
            GatedShape{17, 500, 0, 300, 70}, GatedShape{260, 129, 0, 200, 65},
            GatedShape{40, 256, 130, 96, 256}, GatedShape{33, 200, 512, 1100, 20},
            // As many neurons as tiles of 64 hold, and one more.
            GatedShape{19, 256, 512, 64 * config.device.columns, 70},
            GatedShape{19, 130, 0, 64 * config.device.columns + 1, 70},
            GatedShape{side(100), side(700), 0, side(1500), side(300)}}) {
        SCOPED_TRACE(::testing::Message()
                     << GemmDesignName(config) << " " << shape.m << "x" << shape.gate_k << "/"
                     << shape.up_k << "x" << shape.neurons << "x" << shape.n);
        const GatedTrial trial = TryGatedOn(runner, config, shape, random(), kTimeout);
        EXPECT_TRUE(trial.ok) << trial.difference;
        EXPECT_LT(trial.relative_error, 0.04);
      }
    }
  }
}

// Of rows whose tiles of A have two steps each: of 129 steps those are 65 tiles.
TEST(NpuGated, OfMoreTilesOfHThanADescriptorCounts) {
  const GemmConfig config = {{Generation::kNpu1, 4}, GemmType::kI8, GemmOutput::kF32};
  const GatedShape shape = {65, 1, 0, 64 * 256 + 1, 257};
  const GatedPlan plan = PlanGated(config, shape);
  EXPECT_EQ(plan.down.k_steps, 129);
  EXPECT_EQ(plan.down.n_blocks, 2);
  EmulatorRunner runner(config.device);
  runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
  const GatedTrial trial = TryGatedOn(runner, config, shape, 1, kTimeout);
  EXPECT_TRUE(trial.ok) << trial.difference;
  EXPECT_LT(trial.relative_error, 0.04);
  // And more than a push has runs: the most that there are, in sixteen pushes.
  const GatedPlan most = PlanGated(config, {128, 1, 0, kMostGatedSum, 257});
  const Sequence down = GatedDownSequence(most);
  const auto chains = [](const SequenceStep& step) {
    return std::holds_alternative<ConfigureStep>(step);
  };
  EXPECT_EQ(std::count_if(down.steps.begin(), down.steps.end(), chains), 2 * 8 * kCoreRows);
  EXPECT_NO_THROW(EncodeSequence(down));
}

// A row of h twice as large is seen, where it is a row of the problem: 16 rows are 8 in a tile.
TEST(NpuGated, WhatIsWrongIsFound) {
  const GemmConfig config = {{Generation::kNpu1, 4}, GemmType::kI8, GemmOutput::kF32};
  const auto exponent = [](size_t row) { return offsetof(ActivationTileHeader, exponents) + row; };
  for (const auto& [byte, ok] :
       {std::pair{exponent(0), false}, {exponent(4), false}, {exponent(kTileM - 1), true}}) {
    Meddler runner(config.device, byte);
    runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
    const GatedTrial trial = TryGatedOn(runner, config, {16, 256, 0, 128, 64}, 1, kTimeout);
    EXPECT_EQ(trial.ok, ok) << byte;
    EXPECT_EQ(trial.difference.empty(), ok);
  }
}

// By which progress is shown: the second run goes on where the first one was. What goes by is what
// the model counts, and headers.
TEST(NpuGated, AWatchedListTellsWhatWentByInBothRuns) {
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    const GemmConfig config = {
        {generation, MaxColumns(generation)}, GemmType::kI8, GemmOutput::kF32};
    std::vector<uint64_t> told;
    BackendRunner runner(
        MakeEmulatedBackend(generation, [&](uint64_t bytes) { told.push_back(bytes); }),
        config.device);
    runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
    for (const GatedShape& shape :
         {GatedShape{300, 400, 0, 600, 600}, GatedShape{20, 100, 256, 128, 70}}) {
      told.clear();
      const GatedPlan plan = TryGatedOn(runner, config, shape, 1, kTimeout).plan;
      EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
      const int64_t sums = plan.tiles * plan.halves * (plan.shared() ? 2 : 1);
      const int64_t first = plan.a.a_bytes * sums + plan.b_bytes * plan.a.m_blocks + plan.c_bytes;
      const int64_t second = plan.down.a_bytes * plan.down.n_blocks +
                             plan.down.b_bytes * plan.down.m_blocks + plan.down.c_bytes;
      EXPECT_EQ(told.back(), static_cast<uint64_t>(first + second));
      GatedCase gated;
      gated.device = config.device;
      gated.type = config.type;
      gated.m = shape.m;
      gated.gate_k = shape.gate_k;
      gated.up_k = plan.shared() ? shape.gate_k : shape.up_k;
      gated.neurons = shape.neurons;
      gated.n = shape.n;
      const double modelled = ModelGated(gated).dram_bytes;
      // Of few rows a tile of A may have steps of gate and of up: the model has them apart.
      EXPECT_LE(modelled, 1.04 * static_cast<double>(first + second));
      EXPECT_GE(modelled, 0.98 * static_cast<double>(first + second)) << modelled;
    }
  }
}

TEST(NpuGated, RefusesWhatItHasNoDesignFor) {
  const Device device = {Generation::kNpu1, 4};
  for (const GemmConfig& config : {GemmConfig{device, GemmType::kI8, GemmOutput::kI32},
                                   GemmConfig{device, GemmType::kBf16, GemmOutput::kF32}}) {
    EXPECT_THROW(PlanGated(config, {1, 1, 0, 1, 1}), Error);
  }
  const GemmConfig fine = {device, GemmType::kI4, GemmOutput::kF32};
  EXPECT_THROW(PlanGated(fine, {0, 1, 0, 1, 1}), Error);
  EXPECT_THROW(PlanGated(fine, {1, 1, 0, 0, 1}), Error);
  // Whole tiles of all inputs must fit a stream, and so must those of both.
  constexpr int64_t kMost = kMostGemmSum / 128 * 128;
  EXPECT_TRUE(FitsGated({1, kMost, 0, kMost, kMostGemmColumns}));
  EXPECT_EQ(PlanGated(fine, {1, kMost, 0, kMost, 1}).a.shape.k, kMost);
  for (const GatedShape& shape :
       {GatedShape{1, kMost + 1, 0, 1, 1}, GatedShape{1, 1, 0, kMost + 1, 1},
        GatedShape{1, 1, 0, 1, kMostGemmColumns + 1}, GatedShape{1, kMost, 1, 1, 1},
        GatedShape{1, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}, GatedShape{1, 1, -1, 1, 1}}) {
    EXPECT_FALSE(FitsGated(shape));
    EXPECT_THROW(PlanGated(fine, shape), Error);
  }
}

}  // namespace
}  // namespace tandem::npu::test
