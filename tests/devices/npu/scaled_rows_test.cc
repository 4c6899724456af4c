// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations in 8 bits with a power of two for each row and tile: how far they are off, in one
// part, in two, and with some inputs apart from the others.
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

/// Rows with inputs apart, put together again.
struct ApartRow {
  ApartRow(const std::vector<float>& x, const std::vector<int32_t>& apart)
      : tiles(ScaledParts::TilesOf(x)),
        order(OrderApart(static_cast<int64_t>(x.size()), apart)),
        integers((tiles + 1) * 128, 99),
        exponents(tiles + 1),
        values(x.size()) {
    factor = ScaleRowApart(x, order, integers, exponents);
    for (size_t i = 0; i < order.size(); ++i) {
      values[static_cast<size_t>(order[i])] +=
          std::ldexp(integers[i] * double{factor}, exponents[i / 128]);
    }
  }
  size_t tiles;
  std::vector<int32_t> order;
  std::vector<int8_t> integers, exponents;
  float factor = 0;
  std::vector<double> values;
};

// Inputs that are apart cost the others nothing, and are more exact than they.
TEST(NpuScaledRows, InputsApartLeaveTheOthersTheirBits) {
  std::mt19937_64 random(5);
  // Four large ones, and what fills their tile.
  std::vector<int32_t> apart = {3, 100, 129, 319};
  for (int32_t i = 0; apart.size() < 128; i += 2) {
    if (i != 100) apart.push_back(i);
  }
  for (const float size : {1e-36F, 1.0F, 3e20F}) {
    std::normal_distribution<float> normal;
    std::vector<float> x(320);
    for (float& value : x) value = std::clamp(normal(random), -3.0F, 3.0F) * size;
    for (size_t i = 0; i < 4; ++i) x[static_cast<size_t>(apart[i])] = 30 * size;
    x[100] = -80 * size;
    const ApartRow row(x, apart);
    EXPECT_EQ(row.factor == 1, size == 1.0F);
    // Of 3, not of 80; of the rests of 80's bytes.
    const double step = 2 * 3 * size / 127.5;
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_LE(std::abs(row.values[i] - x[i]), step / 2) << size << " " << i;
    }
    for (const int32_t i : apart) {
      ASSERT_LE(std::abs(row.values[static_cast<size_t>(i)] - x[static_cast<size_t>(i)]),
                80 * size / 16384.0);
    }
    // Behind the row's end is nothing.
    EXPECT_EQ(row.tiles, 3U);
    for (size_t i = 320 + 128; i < 512; ++i) ASSERT_EQ(row.integers[i], 0);
  }
  std::vector<float> bad(320, 1);
  bad[200] = NAN;
  const ApartRow none(bad, apart);
  EXPECT_TRUE(std::isnan(none.factor));
  EXPECT_EQ(none.integers, std::vector<int8_t>(512, 0));
  EXPECT_EQ(ApartRow(std::vector<float>(320, 0), apart).values, std::vector<double>(320, 0));
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
