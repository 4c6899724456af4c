// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products with activations in two parts of 8 bits (Multiplier): how close they are, and that they
// keep what holds for one part.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "devices/cpu/multiplier.h"
#include "devices/random_weights.h"
#include "formats/dtype.h"

namespace tandem::cpu {
namespace {

std::vector<float> Products(ThreadTeam& team, Isa isa, bool precise, const WeightView& w,
                            const std::vector<float>& x, std::span<const uint8_t> skip = {}) {
  const int64_t rows = static_cast<int64_t>(x.size()) / w.cols;
  std::vector<float> y(static_cast<size_t>(rows * w.rows));
  Multiplier(team, isa, precise).Run(w, x.data(), w.cols, rows, y.data(), w.rows, skip);
  return y;
}

bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// Rows in which one value in forty is twenty times as large: what 8 bits are bad at.
std::vector<float> RowsWithOutliers(int64_t count, std::mt19937_64& random) {
  std::vector<float> x = RandomRows(count, random);
  for (float& value : x) {
    if (random() % 40 == 0) value *= 20;
  }
  return x;
}

TEST(Precise, ErrorsAreThoseOfTwoRoundings) {
  std::mt19937_64 random(1);
  ThreadTeam team(1);
  for (const DType type : kTypes) {
    SCOPED_TRACE(DTypeName(type));
    const int64_t cols = 512, rows = 37;
    const Weights w = RandomWeights(type, rows, cols, random);
    std::vector<float> weights(cols);
    for (const int64_t tokens : {1, 2, 3, 9}) {
      const std::vector<float> x = RowsWithOutliers(tokens * cols, random);
      std::vector<float> first;
      for (const Isa isa : FastIsas()) {
        SCOPED_TRACE(IsaName(isa));
        const std::vector<float> y = Products(team, isa, true, w.view, x);
        const std::vector<float> coarse = Products(team, isa, false, w.view, x);
        double fine_squares = 0, coarse_squares = 0;
        for (int64_t r = 0; r < rows; ++r) {
          w.view.ReadRow(r, weights.data());
          for (int64_t t = 0; t < tokens; ++t) {
            double exact = 0, size = 0, bound = 0;
            for (int64_t c = 0; c < cols; c += 32) {
              double highest = 0, sum = 0;
              for (int64_t i = c; i < c + 32; ++i) {
                const double weight = weights[static_cast<size_t>(i)];
                const double value = x[static_cast<size_t>(t * cols + i)];
                exact += weight * value;
                size += std::abs(weight * value);
                highest = std::max(highest, std::abs(value));
                sum += std::abs(weight);
              }
              bound += sum * highest / (254.0 * 254.0);
            }
            const auto at = static_cast<size_t>(t * rows + r);
            const double off = y[at] - exact, coarsely_off = coarse[at] - exact;
            ASSERT_LE(std::abs(off), bound * 1.001 + 4e-6 * size + 1e-6)
                << "row " << r << " token " << t;
            fine_squares += off * off;
            coarse_squares += coarsely_off * coarsely_off;
          }
        }
        EXPECT_LT(fine_squares * 50 * 50, coarse_squares);
        if (first.empty()) first = y;
        EXPECT_TRUE(SameBits(first, y)) << "levels differ";
      }
    }
  }
}

TEST(Precise, ARowDoesNotDependOnItsCompanyNorOnThreadsNorOnWhatIsSkipped) {
  std::mt19937_64 random(2);
  ThreadTeam one(1), three(3);
  for (const DType type : kTypes) {
    SCOPED_TRACE(DTypeName(type));
    const int64_t cols = 768, rows = 70, tokens = 19;
    const Weights w = RandomWeights(type, rows, cols, random);
    const std::vector<float> x = RowsWithOutliers(tokens * cols, random);
    std::vector<uint8_t> skip(rows);
    for (uint8_t& s : skip) s = random() % 2;
    for (const Isa isa : FastIsas()) {
      SCOPED_TRACE(IsaName(isa));
      const std::vector<float> all = Products(three, isa, true, w.view, x);
      EXPECT_TRUE(SameBits(all, Products(one, isa, true, w.view, x)));
      for (const int64_t count : {1, 2, 3, 5}) {
        const std::vector<float> some(x.begin() + cols, x.begin() + (1 + count) * cols);
        EXPECT_TRUE(SameBits(Products(one, isa, true, w.view, some),
                             std::span(all).subspan(rows, static_cast<size_t>(count * rows))));
      }
      std::vector<float> expected = all;
      for (size_t i = 0; i < expected.size(); ++i) {
        if (skip[i % static_cast<size_t>(rows)] != 0) expected[i] = 0;
      }
      EXPECT_TRUE(SameBits(expected, Products(three, isa, true, w.view, x, skip)));
    }
  }
}

TEST(Precise, ByInputsTheBitsAreThoseByRows) {
  std::mt19937_64 random(3);
  ThreadTeam team(3);
  for (const DType type : kTypes) {
    SCOPED_TRACE(DTypeName(type));
    const int64_t cols = 1024, rows = 75, tokens = 3;
    const Weights w = RandomWeights(type, rows, cols, random);
    std::vector<float> x = RowsWithOutliers(tokens * cols, random);
    for (float& value : x) {
      if (random() % 20 != 0) value = 0;
    }
    for (const Isa isa : FastIsas()) {
      SCOPED_TRACE(IsaName(isa));
      NeuronCopies copies;
      ASSERT_NE(copies.Find(team, KernelsOf(isa), w.view), nullptr);
      std::vector<float> y(static_cast<size_t>(tokens * rows), -7.0f);
      Multiplier multiplier(team, isa, true);
      multiplier.Load(x.data(), cols, tokens, cols);
      multiplier.RunLive(copies, w.view, y.data(), rows);
      EXPECT_TRUE(SameBits(y, Products(team, isa, true, w.view, x)));
    }
  }
}

TEST(Precise, WhatIsNoNumberShowsAndZerosAreZeros) {
  std::mt19937_64 random(4);
  ThreadTeam team(1);
  const Weights w = RandomWeights(DType::kQ4_K, 16, 256, random);
  for (const Isa isa : FastIsas()) {
    SCOPED_TRACE(IsaName(isa));
    for (const float bad :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      std::vector<float> x = RandomRows(2 * 256, random);
      x[256 + 100] = bad;
      const std::vector<float> y = Products(team, isa, true, w.view, x);
      for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isnan(y[i]), i >= 16) << i;
    }
    for (const float value : Products(team, isa, true, w.view, std::vector<float>(256, 0.0f))) {
      EXPECT_EQ(value, 0.0f);
    }
  }
}

}  // namespace
}  // namespace tandem::cpu
