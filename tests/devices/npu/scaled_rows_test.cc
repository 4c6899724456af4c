// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations in 8 bits with a power of two for each row and tile: how far they are off, in one
// part and in two.
#include "devices/npu/gemm/scaled_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu::test {
namespace {

/// Rows of activations as the array has them, one part and two.
struct ScaledParts {
  explicit ScaledParts(const std::vector<float>& x)
      : first(x.size()), second(x.size()), exponents(TilesOf(x)), second_exponents(TilesOf(x)) {
    factor = ScaleRow(x, first, exponents);
    ScaleRest(x, factor, first, exponents, second, second_exponents);
  }
  static size_t TilesOf(const std::vector<float>& x) {
    return static_cast<size_t>(ScaledTiles(static_cast<int64_t>(x.size())));
  }
  double First(size_t i) const { return std::ldexp(first[i] * double{factor}, exponents[i / 128]); }
  double Both(size_t i) const {
    return First(i) + std::ldexp(second[i] * double{factor}, second_exponents[i / 128]);
  }
  std::vector<int8_t> first, second, exponents, second_exponents;
  float factor = 0;
};

TEST(NpuScaledRows, ActivationsAreWithinHalfAStepOfTheirTile) {
  std::mt19937_64 random(4);
  for (const float size : {1e-40F, 1e-30F, 1.0F, 3e20F, 1e38F}) {
    std::normal_distribution<float> normal;
    std::vector<float> x(500);
    for (float& value : x) value = std::clamp(normal(random), -3.0F, 3.0F) * size;
    for (size_t i = 128; i < 256; ++i) x[i] *= 1e-3F;
    const ScaledParts parts(x);
    for (size_t i = 0; i < x.size(); ++i) {
      float most = 0;
      for (size_t j = i / 128 * 128; j < std::min(x.size(), i / 128 * 128 + 128); ++j) {
        most = std::max(most, std::abs(x[j]));
      }
      // A step is at most 2/127.5 of the largest value; the second part halves its 127th.
      const double step = 2 * most / 127.5;
      ASSERT_LE(std::abs(parts.First(i) - x[i]), step / 2) << size << " " << i;
      ASSERT_LE(std::abs(parts.Both(i) - x[i]), step / 2 / 127.5) << size << " " << i;
      ASSERT_LE(std::abs(parts.first[i]), 127);
      ASSERT_LE(std::abs(parts.second[i]), 127);
    }
    EXPECT_EQ(parts.factor == 1, size == 1.0F);
  }
  // The last value that rounds to 127 steps, and the first that does not.
  EXPECT_EQ(ScaledParts({127.49F}).exponents[0], 0);
  EXPECT_EQ(ScaledParts({127.49F}).first[0], 127);
  EXPECT_EQ(ScaledParts({127.5F}).exponents[0], 1);
  EXPECT_EQ(ScaledParts({127.5F}).first[0], 64);
  EXPECT_EQ(ScaledParts({64}).exponents[0], 0);
  EXPECT_EQ(ScaledParts({63.7F}).exponents[0], -1);
}

TEST(NpuScaledRows, WhatIsNoNumberStaysNone) {
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    const ScaledParts parts({1, bad, 2});
    EXPECT_TRUE(std::isnan(parts.factor)) << bad;
    EXPECT_EQ(parts.first, std::vector<int8_t>(3, 0));
    EXPECT_EQ(parts.second, std::vector<int8_t>(3, 0));
  }
  const ScaledParts zeros({0.0F, -0.0F, 0});
  EXPECT_EQ(zeros.factor, 1);
  EXPECT_EQ(zeros.first, std::vector<int8_t>(3, 0));
  EXPECT_EQ(zeros.exponents[0], kLeastExponent);
}

}  // namespace
}  // namespace tandem::npu::test
