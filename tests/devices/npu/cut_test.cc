// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gated products of cut gates as lists of three runs on the emulated array, of random and of edge
// shapes, however much is cut.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "core/error.h"
#include "devices/npu/arrays/backend_runner.h"
#include "devices/npu/arrays/emulated_backend.h"
#include "devices/npu/gemm/cut_plan.h"
#include "devices/npu/kernels/row_tile.h"
#include "devices/npu/meddler.h"
#include "devices/npu/runner/emulator_runner.h"
#include "devices/npu/stream/stream.h"
#include "devices/npu/timing/gated_time.h"
#include "devices/npu/workbench/gated_trial.h"

namespace tandem::npu::test {
namespace {

constexpr std::chrono::milliseconds kTimeout(60000);

TEST(NpuCut, AllThreeRunsAreThoseOfTheReference) {
  std::mt19937 random(1);
  const auto side = [&](int64_t most) { return 1 + static_cast<int64_t>(random() % most); };
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    const int64_t columns = MaxColumns(generation);
    for (const GemmType type : {GemmType::kI8, GemmType::kI4}) {
      const GemmConfig config = {{generation, MaxColumns(generation)}, type, GemmOutput::kF32};
      EmulatorRunner runner(config.device);
      runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
      const std::pair<GatedShape, float> cases[] = {
          // One neuron, which has no deviation; whole tiles; tails of everything.
          {{1, 1, 0, 1, 1}, 1.0F},
          {{64, 384, 0, 128, 64}, 1.645F},
          {{17, 500, 0, 300, 70}, 1.645F},
          // Two and three blocks of rows.
          {{260, 129, 0, 200, 65}, 0.5F},
          {{600, 100, 0, 64 * columns, 10}, 1.0F},
          // One half and two; as many tiles as their sums fill, and one group more.
          {{19, 130, 0, 64 * columns + 1, 70}, 1.645F},
          {{33, 200, 0, 64 * kSumsOfTile, 20}, 1.645F},
          {{33, 200, 0, 64 * kSumsOfTile + 1, 20}, 1.0F},
          // Nearly nothing is cut, and nearly all.
          {{20, 300, 0, 500, 40}, -3.0F},
          {{20, 300, 0, 500, 40}, 2.5F},
          {{side(100), side(700), 0, side(1500), side(300)}, 1.3F}};
      for (const auto& [shape, deviations] : cases) {
        SCOPED_TRACE(::testing::Message()
                     << GemmDesignName(config) << " " << shape.m << "x" << shape.gate_k << "x"
                     << shape.neurons << "x" << shape.n << ", cut at " << deviations);
        const GatedTrial trial = TryGatedOn(runner, config, shape, random(), kTimeout, deviations);
        EXPECT_TRUE(trial.ok) << trial.difference;
        // What is left of a gate that is hardly above the cut has most of its error.
        EXPECT_LT(trial.relative_error, deviations > 2 ? 0.04 : 0.025);
        EXPECT_EQ(trial.streams.size(), 3U);
      }
    }
  }
}

// Each time that a chain begins anew its BDs go on where they were.
TEST(NpuCut, OfMoreHalvesThanADescriptorCounts) {
  const GemmConfig config = {{Generation::kNpu1, 4}, GemmType::kI8, GemmOutput::kF32};
  const GatedShape shape = {3, 20, 0, 4 * 64 * 64 + 1, 30};
  EXPECT_GT(PlanCut(config, shape).halves(), 64);
  EmulatorRunner runner(config.device);
  runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
  const GatedTrial trial = TryGatedOn(runner, config, shape, 1, kTimeout, 1.645F);
  EXPECT_TRUE(trial.ok) << trial.difference;
  EXPECT_LT(trial.relative_error, 0.025);
}

// Sums of a row of the problem matter, and of no other: 16 rows are 8 in a tile.
TEST(NpuCut, WrongSumsAreFound) {
  const GemmConfig config = {{Generation::kNpu1, 4}, GemmType::kI8, GemmOutput::kF32};
  const GatedShape shape = {16, 256, 0, 128, 64};
  const auto gates = static_cast<size_t>(PlanCut(config, shape).gated.a.a_bytes);
  const auto square = [&](size_t row) {
    return gates + offsetof(RowTile, own) + offsetof(RowSums, squares) + 4 * row;
  };
  for (const auto& [at, ok] :
       {std::pair{square(0), false}, {square(3), false}, {square(kTileM - 1), true}}) {
    Meddler runner(config.device, at + 3);  // A float that is four times as large, or smaller.
    runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
    const GatedTrial trial = TryGatedOn(runner, config, shape, 1, kTimeout, 1.645F);
    EXPECT_EQ(trial.ok, ok) << at;
    EXPECT_EQ(trial.difference.empty(), ok);
  }
}

// What goes by is what the model counts, and headers; A of the second run is x, the gates of all
// columns and their sums.
TEST(NpuCut, AWatchedListTellsWhatWentByInAllRuns) {
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    const GemmConfig config = {
        {generation, MaxColumns(generation)}, GemmType::kI8, GemmOutput::kF32};
    std::vector<uint64_t> told;
    BackendRunner runner(
        MakeEmulatedBackend(generation, [&](uint64_t bytes) { told.push_back(bytes); }),
        config.device);
    runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
    for (const GatedShape& shape :
         {GatedShape{300, 400, 0, 600, 600}, GatedShape{20, 100, 0, 128, 70}}) {
      told.clear();
      const GatedTrial trial = TryGatedOn(runner, config, shape, 1, kTimeout, 1.645F);
      EXPECT_TRUE(trial.ok) << trial.difference;
      EXPECT_TRUE(std::is_sorted(told.begin(), told.end()));
      const CutPlan& cut = *trial.cut;
      const GatedPlan& plan = cut.gated;
      const int64_t blocks = plan.a.m_blocks;
      const int64_t gates = cut.memory_bytes - plan.a.a_bytes;
      const int64_t first = plan.a.a_bytes * cut.halves() + cut.gates_b_bytes * blocks + gates;
      const int64_t tiles = cut.sum_tiles + cut.gate_tiles();
      const int64_t second = plan.a.a_bytes * cut.halves() +
                             blocks * kCoreRows * tiles * int64_t{kTileABytes} +
                             cut.up_b_bytes * blocks + plan.c_bytes;
      const int64_t third = plan.down.a_bytes * plan.down.n_blocks +
                            plan.down.b_bytes * plan.down.m_blocks + plan.down.c_bytes;
      EXPECT_EQ(told.back(), static_cast<uint64_t>(first + second + third));
      GatedCase gated;
      gated.device = config.device;
      gated.type = config.type;
      gated.m = shape.m;
      gated.gate_k = gated.up_k = shape.gate_k;
      gated.neurons = shape.neurons;
      gated.n = shape.n;
      gated.cuts = true;
      const double modelled = ModelGated(gated).dram_bytes;
      const auto went = static_cast<double>(first + second + third);
      EXPECT_LE(modelled, went);
      EXPECT_GE(modelled, 0.98 * went);
    }
  }
}

// A chain of two BDs says what all halves take.
TEST(NpuCut, StreamsDoNotGrowWithTheNeurons) {
  const GemmConfig config = {{Generation::kNpu2, 8}, GemmType::kI4, GemmOutput::kF32};
  const auto words = [&](int64_t neurons) {
    return WriteStream(EncodeSequence(CutUpSequence(PlanCut(config, {512, 2176, 0, neurons, 64}))))
        .size();
  };
  EXPECT_EQ(words(16384), words(2048));
}

TEST(NpuCut, RefusesInputsOfUpsOwn) {
  const GemmConfig config = {{Generation::kNpu1, 4}, GemmType::kI8, GemmOutput::kF32};
  EXPECT_THROW(PlanCut(config, {1, 100, 100, 64, 64}), Error);
  EXPECT_THROW(PlanCut(config, {0, 100, 0, 64, 64}), Error);
}

}  // namespace
}  // namespace tandem::npu::test
