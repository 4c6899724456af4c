// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A product and the norms behind it as lists on the emulated array, of random and of edge shapes;
// what there is no design for.
#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>

#include "core/error.h"
#include "devices/npu/gemm/norm_plan.h"
#include "devices/npu/kernels/row_tile.h"
#include "devices/npu/meddler.h"
#include "devices/npu/runner/emulator_runner.h"
#include "devices/npu/workbench/norm_trial.h"

namespace tandem::npu::test {
namespace {

constexpr std::chrono::milliseconds kTimeout(60000);

TEST(NpuNorm, ResultsAndWhatTheNormsLeaveAreThoseOfTheReference) {
  std::mt19937 random(1);
  const auto side = [&](int64_t least, int64_t most) {
    return least + static_cast<int64_t>(random() % static_cast<uint64_t>(most - least + 1));
  };
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    for (const GemmType type : {GemmType::kI8, GemmType::kI4}) {
      const GemmConfig config = {{generation, MaxColumns(generation)}, type, GemmOutput::kF32};
      EmulatorRunner runner(config.device);
      runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
      // Fewer tiles than columns; tails of everything; all rows that there can be; more sums than
      // one tile of A has room for.
      for (const NormShape& shape :
           {NormShape{1, 1, 257, false}, NormShape{17, 256, 300, true},
            NormShape{33, 500, 640, true}, NormShape{kMostNormRows, 130, 1000, false},
            NormShape{40, 128, 2176, true}, NormShape{20, 100, 4200, false},
            NormShape{side(1, 128), side(1, 700), side(257, 1500), true}}) {
        SCOPED_TRACE(::testing::Message() << GemmDesignName(config) << " " << shape.m << "x"
                                          << shape.k << "x" << shape.n << " " << shape.apart);
        const NormTrial trial = TryNormOn(runner, config, shape, random(), kTimeout);
        EXPECT_TRUE(trial.ok) << trial.difference;
        EXPECT_LT(trial.relative_error, 0.02);
      }
    }
  }
}

// A row's squares that are twice what they should be; a value.
TEST(NpuNorm, WhatIsWrongIsFound) {
  const GemmConfig config = {{Generation::kNpu1, 4}, GemmType::kI8, GemmOutput::kF32};
  const size_t square = offsetof(RowTile, own) + offsetof(RowSums, squares);
  for (const auto& [byte, ok] : {std::pair{square + 3, false},
                                 {square + 63 * 4 + 3, true},
                                 {offsetof(RowTile, values) + 1, false}}) {
    Meddler runner(config.device, byte);
    runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
    const NormTrial trial = TryNormOn(runner, config, {16, 256, 384, false}, 1, kTimeout);
    EXPECT_EQ(trial.ok, ok) << byte;
    EXPECT_EQ(trial.difference.empty(), ok);
  }
}

TEST(NpuNorm, RefusesWhatItHasNoDesignFor) {
  const Device device = {Generation::kNpu1, 4};
  EXPECT_THROW(PlanNorm({device, GemmType::kI8, GemmOutput::kI32}, {1, 1, 512, false}), Error);
  EXPECT_THROW(PlanNorm({device, GemmType::kBf16, GemmOutput::kF32}, {1, 1, 512, false}), Error);
  const GemmConfig fine = {device, GemmType::kI8, GemmOutput::kF32};
  EXPECT_TRUE(FitsNorm({kMostNormRows, 1, 257, true}));
  for (const NormShape& shape :
       {NormShape{1, 0, 512, false}, NormShape{1, 1, 256, false}, NormShape{1, 1, 0, false},
        NormShape{1, kMostGemmSum, 512, false}, NormShape{1, INT64_MAX, 512, false},
        NormShape{1, 1, INT64_MAX, false}, NormShape{1, 1, kMostGemmSum, false}}) {
    EXPECT_FALSE(FitsNorm(shape));
    EXPECT_THROW(PlanNorm(fine, shape), Error);
  }
  EXPECT_FALSE(FitsNorm({kMostNormRows + 1, 1, 512, false}));
  EmulatorRunner runner(device);
  EXPECT_THROW(TryNormOn(runner, fine, {kMostNormRows + 1, 1, 512, false}, 1, kTimeout), Error);
}

}  // namespace
}  // namespace tandem::npu::test
