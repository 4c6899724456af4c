// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A product and the norms behind it as a list on the emulated array: its results, the tiles of A
// that come of them, and the squares by which those get their rows' factors.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/gemm/norm_plan.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/runner/emulator_runner.h"

namespace tandem::npu::test {
namespace {

using Bytes = std::vector<std::byte>;
constexpr std::chrono::milliseconds kTimeout(60000);
constexpr float kEpsilon = 0.25F;

float Rounded(float value) { return Bf16ToFloat(FloatToBf16(value)); }

/// Made-up weights and rows, and what comes of them.
class Case {
 public:
  Case(const GemmConfig& config, const NormShape& shape, uint64_t seed)
      : plan_(PlanNorm(config, shape)), random_(seed) {
    const auto m = static_cast<size_t>(shape.m);
    const auto n = static_cast<size_t>(shape.n);
    MakeA(m);
    base_ = Normal(m * n, 3);
    post_ = Normal(n, 1);
    pre_ = Normal(n, 1);
    if (shape.apart) {
      // Large ones, as those apart are.
      for (size_t i = 0; i < n; ++i) apart_.push_back(static_cast<int32_t>(i));
      std::shuffle(apart_.begin(), apart_.end(), random_);
      apart_.resize(std::min<size_t>(kTileKI8, n / 2));
      std::sort(apart_.begin(), apart_.end());
      for (const int32_t i : apart_) pre_[static_cast<size_t>(i)] *= 32;
    }
    MakeB(n);
  }

  /// Both runs, or the first alone without results apart.
  void Run(EmulatorRunner& runner, bool with_norm) {
    rooms_.assign(static_cast<size_t>(plan_.OutBytes(with_norm)), std::byte{0xA5});
    const Stream out = EncodeSequence(OutSequence(plan_, with_norm));
    std::span<std::byte> first[] = {a_, b_, rooms_};
    if (!with_norm) {
      runner.Run(out, first, kTimeout);
      return;
    }
    Bytes norm_b(static_cast<size_t>(plan_.b_bytes));
    x_.assign(static_cast<size_t>(plan_.x_bytes), std::byte{0xA5});
    const NormWeights weights = {post_, kEpsilon, pre_, kEpsilon, apart_};
    PackNorm(plan_, weights, base_, norm_b);
    PackNormTail(plan_, weights, x_);
    const Stream norm = EncodeSequence(NormSequence(plan_));
    std::span<std::byte> second[] = {rooms_, norm_b, x_};
    const ListedRun list[] = {{&out, first}, {&norm, second}};
    runner.RunList(list, kTimeout);
  }

  void CheckResults(bool with_norm) {
    const auto n = static_cast<size_t>(plan_.shape.n);
    std::vector<float> got(static_cast<size_t>(plan_.shape.m) * n);
    UnpackOut(plan_, rooms_, with_norm, got);
    for (size_t i = 0; i < got.size(); ++i) {
      const double want = Sum(i / n, i % n);
      // Sums and products are rounded to bfloat16.
      ASSERT_NEAR(got[i], want, std::abs(want) / 128 + 1e-6) << i / n << ", " << i % n;
    }
    o_ = std::move(got);
  }

  void CheckNormed() {
    for (int64_t t = 0; t < plan_.shape.m; ++t) CheckRow(t);
    if (plan_.shape.apart) CheckStepsAreThoseOfOthers();
  }

 private:
  std::vector<float> Normal(size_t count, float size) {
    std::normal_distribution<float> normal(0, size);
    std::vector<float> values(count);
    for (float& value : values) value = Rounded(normal(random_));
    return values;
  }

  void MakeA(size_t m) {
    const auto k = static_cast<size_t>(plan_.out.shape.k);
    const auto steps = static_cast<size_t>(plan_.out.k_steps);
    std::vector<int8_t> bytes(m * k);
    std::vector<int8_t> exponents(m * steps);
    for (size_t t = 0; t < m; ++t) {
      std::vector<float> row = Normal(k, std::exp2(static_cast<float>(t % 5)));
      std::fill(row.begin() + plan_.shape.k, row.end(), 0.0F);
      ScaleRow(row, std::span(bytes).subspan(t * k, k),
               std::span(exponents).subspan(t * steps, steps));
      for (size_t i = 0; i < k; ++i) {
        inputs_.push_back(
            std::ldexp(double{1} * bytes[t * k + i], exponents[t * steps + i / size_t{kTileKI8}]));
      }
    }
    a_.resize(static_cast<size_t>(plan_.out.a_bytes));
    PackScaledA(plan_.out, bytes, exponents, a_);
  }

  void MakeB(size_t n) {
    b_.resize(static_cast<size_t>(plan_.out.b_bytes));
    OutPacker packer(plan_, b_);
    const auto k = static_cast<size_t>(plan_.out.shape.k);
    const bool four = plan_.config().type == GemmType::kI4;
    // Ratios of 1.
    const std::vector<int8_t> ratios((k + kI4Block - 1) / kI4Block, 1 << kI4Shift);
    for (size_t column = 0; column < n; ++column) {
      std::vector<int8_t> weights(k);
      for (size_t i = 0; i < static_cast<size_t>(plan_.shape.k); ++i) {
        weights[i] = static_cast<int8_t>(static_cast<int>(random_() % 15) - 7);
      }
      const float scale = Rounded(0.01F * static_cast<float>(1 + column % 3));
      weights_.push_back(weights);
      scales_.push_back(scale);
      const auto set = [&](int64_t place) {
        four ? packer.SetNibbles(place, weights, ratios)
             : packer.Set(place, std::span<const int8_t>(weights));
        packer.SetScale(place, scale);
      };
      set(static_cast<int64_t>(column));
      const auto apart = std::find(apart_.begin(), apart_.end(), static_cast<int32_t>(column));
      if (apart != apart_.end()) set(plan_.ApartColumn() + (apart - apart_.begin()));
    }
  }

  double Sum(size_t row, size_t column) const {
    const double* const x = inputs_.data() + row * static_cast<size_t>(plan_.out.shape.k);
    double sum = 0;
    for (size_t i = 0; i < weights_[column].size(); ++i) sum += weights_[column][i] * x[i];
    return sum * scales_[column];
  }

  /// A byte of the norm's results, and the step of its row and tile.
  double Normed(int64_t t, int64_t place, double& step) const {
    const int r = plan_.config().device.generation == Generation::kNpu1 ? 4 : 8;
    const int64_t row = t % plan_.out.tile_rows;
    const int64_t tile = place / kTileKI8;
    const int64_t column = place % kTileKI8;
    const std::byte* const room = Room(tile, t);
    ActivationTileHeader header;
    std::memcpy(&header, room, sizeof header);
    EXPECT_EQ(header.rows, static_cast<uint32_t>(plan_.out.tile_rows));
    EXPECT_EQ(header.has_factors, 1U);
    step = std::ldexp(1.0, header.exponents[row]);
    const int64_t at = ((row / r * (kTileKI8 / 8) + column / 8) * r + row % r) * 8 + column % 8;
    return static_cast<int8_t>(room[kActivationHeaderBytes + static_cast<size_t>(at)]) * step;
  }
  /// Of a tile of the next product, those apart in front.
  const std::byte* Room(int64_t tile, int64_t t) const {
    const int64_t core_row = t / plan_.out.tile_rows;
    const int64_t group = plan_.FirstGroup() + tile;
    return x_.data() + (group * kCoreRows + core_row) * static_cast<int64_t>(kTileSumBytes);
  }

  void CheckRow(int64_t t) {
    const auto n = static_cast<size_t>(plan_.shape.n);
    const auto first = static_cast<size_t>(t) * n;
    double squares = 0;
    for (size_t i = 0; i < n; ++i) squares += double{o_[first + i]} * o_[first + i];
    const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + kEpsilon);
    std::vector<double> y(n);
    double own = 0;
    for (size_t i = 0; i < n; ++i) {
      y[i] = base_[first + i] + o_[first + i] * factor * post_[i];
      own += y[i] * y[i];
    }
    const int64_t front = plan_.tiles - plan_.summed_tiles;
    double got = 0;
    for (int64_t tile = 0; tile < plan_.summed_tiles; ++tile) {
      float square = 0;
      std::memcpy(&square,
                  Room(front + tile, t) + offsetof(NormedTile, own) + offsetof(RowSums, squares) +
                      t % plan_.out.tile_rows * 4,
                  sizeof square);
      got += square;
    }
    ASSERT_NEAR(got, own, 0.005 * own) << t;
    std::vector<double> elsewhere(n);
    const auto check = [&](int64_t place, size_t i) {
      // Base and what is added are rounded before the sum is.
      const double slack =
          (std::abs(y[i]) + 2 * std::abs(y[i] - base_[first + i])) * std::abs(pre_[i]) / 128;
      double step = 0;
      const double value = Normed(t, place, step);
      ASSERT_NEAR(elsewhere[i] + value, y[i] * pre_[i], 0.75 * step + slack) << t << ", " << place;
      elsewhere[i] = value;
    };
    for (size_t i = 0; i < apart_.size(); ++i) {
      check(static_cast<int64_t>(i), static_cast<size_t>(apart_[i]));
    }
    for (size_t i = 0; i < n; ++i) check(front * kTileKI8 + static_cast<int64_t>(i), i);
  }

  /// What is apart takes no bits from those beside it: without that steps were 32 times as large.
  void CheckStepsAreThoseOfOthers() const {
    for (int64_t tile = 1; tile < plan_.tiles; ++tile) {
      double step = 0;
      Normed(0, tile * kTileKI8, step);
      double of_apart = 0;
      Normed(0, 0, of_apart);
      EXPECT_LE(step, of_apart / 8) << tile;
    }
  }

  NormPlan plan_;
  std::mt19937_64 random_;
  std::vector<double> inputs_;
  std::vector<float> base_, post_, pre_, scales_, o_;
  std::vector<int32_t> apart_;
  std::vector<std::vector<int8_t>> weights_;
  Bytes a_, b_, rooms_, x_;
};

TEST(NpuNorm, ListsMakeResultsAndTilesOfThem) {
  uint64_t seed = 1;
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    for (const GemmType type : {GemmType::kI8, GemmType::kI4}) {
      const GemmConfig config = {{generation, MaxColumns(generation)}, type, GemmOutput::kF32};
      EmulatorRunner runner(config.device);
      runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
      // Fewer tiles than columns; tails of everything; more sums than one tile of A has room for.
      for (const NormShape& shape :
           {NormShape{1, 100, 384, false}, NormShape{17, 256, 300, true},
            NormShape{33, 500, 640, true}, NormShape{128, 130, 1000, false},
            NormShape{40, 128, 2176, true}}) {
        SCOPED_TRACE(::testing::Message() << GemmDesignName(config) << " " << shape.m << "x"
                                          << shape.k << "x" << shape.n << " " << shape.apart);
        Case one(config, shape, seed++);
        one.Run(runner, true);
        one.CheckResults(true);
        one.CheckNormed();
        if (HasFatalFailure()) return;
      }
    }
  }
}

// More rows than a norm takes, and results apart left out: the product alone.
TEST(NpuNorm, TheProductIsForAnyNumberOfRows) {
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    const GemmConfig config = {
        {generation, MaxColumns(generation)}, GemmType::kI8, GemmOutput::kF32};
    EmulatorRunner runner(config.device);
    runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
    for (const NormShape& shape :
         {NormShape{300, 140, 512, true}, NormShape{129, 64, 700, false}}) {
      Case one(config, shape, 7);
      one.Run(runner, false);
      one.CheckResults(false);
    }
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
        NormShape{1, kMostGemmSum, 512, false}, NormShape{1, INT64_MAX - 1000, 512, false},
        NormShape{1, 1, kMostGemmSum, false}}) {
    EXPECT_FALSE(FitsNorm(shape));
    EXPECT_THROW(PlanNorm(fine, shape), Error);
  }
  EXPECT_FALSE(FitsNorm({kMostNormRows + 1, 1, 512, false}));
}

}  // namespace
}  // namespace tandem::npu::test
