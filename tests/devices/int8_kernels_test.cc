// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of quantised weights: against double-precision sums of the same numbers on every level
// of instructions, the same bits on all levels, and the same bits for a row whatever its company.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "devices/cpu/int8_buffer.h"
#include "devices/cpu/isa_kernels.h"
#include "devices/cpu/multiplier.h"
#include "devices/random_weights.h"
#include "formats/dtype.h"

namespace tandem::cpu {
namespace {

Int8Buffer Quantize(const IsaKernels& kernels, const std::vector<float>& x, int64_t rows,
                    int64_t cols, int group) {
  Int8Buffer out;
  out.Resize(rows, cols, group);
  for (int64_t t = 0; t < rows; ++t) out.Set(kernels, t, x.data() + t * cols);
  return out;
}

std::vector<float> Multiply(const IsaKernels& kernels, const WeightView& w,
                            const std::vector<int64_t>& index, const Int8Rows& x) {
  const auto count = static_cast<int64_t>(index.size());
  std::vector<float> y(static_cast<size_t>(x.rows * count), -1.0f);
  for (int64_t r = 0; r < count; r += kPanelRows) {
    const int some = static_cast<int>(std::min<int64_t>(kPanelRows, count - r));
    kernels.multiply_int8(w, index.data() + r, some, x, y.data() + r, count);
  }
  return y;
}

bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

TEST(Int8Kernels, ProductsAreThoseOfTheNumbersOnEveryLevel) {
  std::mt19937_64 random(1);
  for (const DType type : kTypes) {
    SCOPED_TRACE(DTypeName(type));
    for (int shape = 0; shape < 6; ++shape) {
      const int64_t block = BlockElements(type);
      const int64_t cols =
          block * static_cast<int64_t>(1 + random() % (1200 / static_cast<uint64_t>(block)));
      const int64_t rows = 1 + static_cast<int64_t>(random() % 40);
      const int64_t tokens = 1 + static_cast<int64_t>(random() % (shape == 0 ? 150 : 20));
      const Weights w = RandomWeights(type, rows, cols, random);
      std::vector<int64_t> index;
      for (int64_t r = 0; r < rows; ++r) {
        if (shape % 2 == 0 || random() % 3 != 0) index.push_back(r);
      }
      if (index.empty()) index.push_back(0);
      const std::vector<float> x = RandomRows(tokens * cols, random);
      std::vector<float> first;
      for (const Isa isa : FastIsas()) {
        SCOPED_TRACE(IsaName(isa));
        const IsaKernels& kernels = KernelsOf(isa);
        const int group = kernels.group_of(type);
        ASSERT_NE(group, 0);
        const Int8Buffer q = Quantize(kernels, x, tokens, cols, group);
        const std::vector<float> y = Multiply(kernels, w.view, index, q.rows());
        std::vector<float> weights(static_cast<size_t>(cols));
        for (size_t i = 0; i < index.size(); ++i) {
          w.view.ReadRow(index[i], weights.data());
          for (int64_t t = 0; t < tokens; ++t) {
            double sum = 0, size = 0;
            for (int64_t c = 0; c < cols; ++c) {
              const double activation =
                  static_cast<double>(q.Value(t, c)) * q.Group(t, c / group).scale;
              sum += activation * weights[static_cast<size_t>(c)];
              size += std::abs(activation * weights[static_cast<size_t>(c)]);
            }
            const float got = y[static_cast<size_t>(t) * index.size() + i];
            ASSERT_NEAR(got, sum, 2e-6 * size + 1e-6) << "row " << index[i] << " token " << t;
          }
        }
        if (first.empty()) first = y;
        ASSERT_TRUE(SameBits(first, y)) << "levels differ";
      }
    }
  }
}

TEST(Int8Kernels, ARowDoesNotDependOnItsCompany) {
  std::mt19937_64 random(2);
  for (const DType type : kTypes) {
    SCOPED_TRACE(DTypeName(type));
    const int64_t cols = 768, rows = 19, tokens = 75;
    const Weights w = RandomWeights(type, rows, cols, random);
    std::vector<int64_t> index(rows);
    for (int64_t r = 0; r < rows; ++r) index[static_cast<size_t>(r)] = r;
    const std::vector<float> x = RandomRows(tokens * cols, random);
    for (const Isa isa : FastIsas()) {
      const IsaKernels& kernels = KernelsOf(isa);
      const int group = kernels.group_of(type);
      const std::vector<float> all =
          Multiply(kernels, w.view, index, Quantize(kernels, x, tokens, cols, group).rows());
      for (const int64_t t : {int64_t{0}, int64_t{7}, int64_t{64}, int64_t{74}}) {
        const std::vector<float> one(x.begin() + t * cols, x.begin() + (t + 1) * cols);
        const std::vector<float> alone =
            Multiply(kernels, w.view, index, Quantize(kernels, one, 1, cols, group).rows());
        EXPECT_TRUE(SameBits(alone, {all.begin() + t * rows, all.begin() + (t + 1) * rows}))
            << IsaName(isa) << " token " << t;
      }
    }
  }
}

TEST(Int8Kernels, QuantizedActivationsAreWithinHalfAStep) {
  std::mt19937_64 random(3);
  const int64_t cols = 640;
  for (const int64_t rows : {1, 7, 8, 19}) {
    const std::vector<float> x = RandomRows(rows * cols, random);
    for (const int group : {16, 32}) {
      std::vector<int8_t> first;
      for (const Isa isa : FastIsas()) {
        const Int8Buffer buffer = Quantize(KernelsOf(isa), x, rows, cols, group);
        std::vector<int8_t> values;
        for (int64_t t = 0; t < rows; ++t) {
          for (int64_t g = 0; g < cols / group; ++g) {
            const Int8Group& of_group = buffer.Group(t, g);
            int32_t sum = 0;
            for (int64_t c = g * group; c < (g + 1) * group; ++c) {
              values.push_back(buffer.Value(t, c));
              sum += values.back();
              ASSERT_NEAR(of_group.scale * static_cast<float>(values.back()),
                          x[static_cast<size_t>(t * cols + c)], 0.5001f * of_group.scale);
            }
            EXPECT_EQ(of_group.offset, -128 * sum);
            EXPECT_EQ(of_group.sum, of_group.scale * static_cast<float>(sum));
          }
        }
        if (first.empty()) first = values;
        EXPECT_EQ(first, values) << IsaName(isa);
      }
    }
  }
}

TEST(Int8Kernels, WhatIsNoNumberStaysNone) {
  std::mt19937_64 random(4);
  const int64_t cols = 96;
  const Weights w = RandomWeights(DType::kQ8_0, 16, cols, random);
  std::vector<int64_t> index(16);
  for (size_t i = 0; i < 16; ++i) index[i] = static_cast<int64_t>(i);
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
        -std::numeric_limits<float>::infinity()}) {
    for (const size_t place : {size_t{0}, size_t{31}, size_t{95}}) {
      std::vector<float> x = RandomRows(cols, random);
      x[place] = bad;
      for (const Isa isa : FastIsas()) {
        const IsaKernels& kernels = KernelsOf(isa);
        for (const float y :
             Multiply(kernels, w.view, index, Quantize(kernels, x, 1, cols, 32).rows())) {
          EXPECT_TRUE(std::isnan(y)) << IsaName(isa);
        }
      }
    }
  }
}

TEST(Int8Kernels, ZerosAndTinyValuesGiveZeros) {
  std::mt19937_64 random(5);
  const Weights w = RandomWeights(DType::kQ4_0, 3, 64, random);
  for (const float value : {0.0f, 1e-39f, -1e-45f}) {
    const std::vector<float> x(64, value);
    for (const Isa isa : FastIsas()) {
      const IsaKernels& kernels = KernelsOf(isa);
      for (const float y :
           Multiply(kernels, w.view, {0, 1, 2}, Quantize(kernels, x, 1, 64, 32).rows())) {
        EXPECT_EQ(y, 0.0f);
      }
    }
  }
}

// By how much a product may be off for [tokens, rows]: half a step of every activation, or the
// rounding of float sums.
std::vector<double> RoundingBound(const WeightView& w, const std::vector<float>& x, int64_t tokens,
                                  bool in_float) {
  std::vector<double> bound;
  std::vector<float> row(static_cast<size_t>(w.cols));
  for (int64_t t = 0; t < tokens; ++t) {
    const float* activations = x.data() + t * w.cols;
    for (int64_t r = 0; r < w.rows; ++r) {
      w.ReadRow(r, row.data());
      double total = 1e-6;
      for (int64_t c = 0; c < w.cols; c += 32) {
        double highest = 0, sum = 0, products = 0;
        for (int64_t i = c; i < c + 32; ++i) {
          const double weight = std::abs(row[static_cast<size_t>(i)]);
          highest = std::max<double>(highest, std::abs(activations[i]));
          sum += weight;
          products += weight * std::abs(activations[i]);
        }
        total += 1e-5 * products + (in_float ? 0 : sum * highest / 254);
      }
      bound.push_back(total);
    }
  }
  return bound;
}

// The whole of a product as the ops use it: any thread count, rows left out, every stored type.
TEST(Multiplier, IsCloseToTheReferenceAndExactAboutWhatItSkips) {
  std::mt19937_64 random(6);
  std::vector<DType> types(std::begin(kTypes), std::end(kTypes));
  types.insert(types.end(), {DType::kF32, DType::kF16, DType::kBF16});
  for (const DType type : types) {
    SCOPED_TRACE(DTypeName(type));
    const int64_t cols = 512, rows = 53, tokens = 9;
    const Weights w = RandomWeights(type, rows, cols, random);
    const std::vector<float> x = RandomRows(tokens * cols, random);
    std::vector<uint8_t> skip(rows);
    for (uint8_t& s : skip) s = random() % 2;
    ThreadTeam one(1), three(3);
    std::vector<float> expected(static_cast<size_t>(tokens * rows));
    Multiplier(one, Isa::kReference)
        .Run(w.view, x.data(), cols, tokens, expected.data(), rows, skip);
    const bool in_float = KernelsOf(Isa::kPortable).group_of(type) == 0;
    const std::vector<double> bound = RoundingBound(w.view, x, tokens, in_float);
    for (const Isa isa : FastIsas()) {
      std::vector<float> y(expected.size()), again(expected.size());
      Multiplier(one, isa).Run(w.view, x.data(), cols, tokens, y.data(), rows, skip);
      Multiplier(three, isa).Run(w.view, x.data(), cols, tokens, again.data(), rows, skip);
      EXPECT_TRUE(SameBits(y, again)) << "threads change the result";
      for (size_t i = 0; i < y.size(); ++i) {
        ASSERT_NEAR(y[i], expected[i], bound[i]) << IsaName(isa) << " at " << i;
        if (skip[i % static_cast<size_t>(rows)] != 0) {
          ASSERT_EQ(y[i], 0.0f);
        }
      }
    }
  }
}

}  // namespace
}  // namespace tandem::cpu
