// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products by inputs: the same bits as those by rows, whatever is zero.
#include "devices/cpu/neuron_major.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "core/thread_team.h"
#include "devices/cpu/multiplier.h"
#include "devices/random_weights.h"

namespace tandem::cpu {
namespace {

// Rows of which about one value in `one_in` is not zero.
std::vector<float> SparseRows(int64_t rows, int64_t cols, uint64_t one_in,
                              std::mt19937_64& random) {
  std::vector<float> x = RandomRows(rows * cols, random);
  for (float& value : x) {
    if (random() % one_in != 0) value = 0;
  }
  return x;
}

struct Products {
  std::vector<float> by_rows;
  std::vector<float> by_inputs;
};

Products Multiply(ThreadTeam& team, Isa isa, NeuronCopies& copies, const WeightView& w,
                  const std::vector<float>& x) {
  const int64_t rows = static_cast<int64_t>(x.size()) / w.cols;
  // Rows of the result lie further apart than they are long.
  const int64_t stride = w.rows + 3;
  const std::vector<float> untouched(static_cast<size_t>(rows * stride), -7.0f);
  Products out{untouched, untouched};
  Multiplier multiplier(team, isa);
  multiplier.Load(x.data(), w.cols, rows, w.cols);
  multiplier.Run(w, out.by_rows.data(), stride);
  multiplier.RunLive(copies, w, out.by_inputs.data(), stride);
  return out;
}

void ExpectSameBits(const Products& products) {
  const size_t bytes = products.by_rows.size() * sizeof(float);
  EXPECT_EQ(std::memcmp(products.by_rows.data(), products.by_inputs.data(), bytes), 0);
}

class NeuronMajor : public testing::TestWithParam<Isa> {
 protected:
  ThreadTeam team_{2};
};

TEST_P(NeuronMajor, HasTheBitsOfProductsByRows) {
  std::mt19937_64 random(1);
  for (const DType type : kTypes) {
    SCOPED_TRACE(DTypeName(type));
    const int64_t block = BlockElements(type);
    for (const int64_t rows : {1, 16, 33, 300}) {
      const int64_t cols =
          block * static_cast<int64_t>(1 + random() % (1024 / static_cast<uint64_t>(block)));
      const Weights w = RandomWeights(type, rows, cols, random);
      NeuronCopies copies;
      ASSERT_NE(copies.Find(team_, KernelsOf(GetParam()), w.view), nullptr);
      for (const uint64_t one_in : {1, 4, 20, 1000}) {
        SCOPED_TRACE(one_in);
        const int64_t tokens = 1 + static_cast<int64_t>(random() % 10);
        ExpectSameBits(
            Multiply(team_, GetParam(), copies, w.view, SparseRows(tokens, cols, one_in, random)));
      }
    }
  }
}

TEST_P(NeuronMajor, ZerosAloneGiveZeros) {
  std::mt19937_64 random(2);
  const Weights w = RandomWeights(DType::kQ4_0, 64, 256, random);
  NeuronCopies copies;
  const Products products =
      Multiply(team_, GetParam(), copies, w.view, std::vector<float>(256, 0.0f));
  ExpectSameBits(products);
  for (int64_t r = 0; r < 64; ++r) EXPECT_EQ(products.by_inputs[static_cast<size_t>(r)], 0);
}

TEST_P(NeuronMajor, ASliceOfColumnsHasACopyOfItsOwn) {
  std::mt19937_64 random(3);
  const Weights w = RandomWeights(DType::kQ8_0, 40, 512, random);
  NeuronCopies copies;
  for (const WeightView& view : {w.view, w.view.Cols(0, 256), w.view.Cols(256, 256)}) {
    ExpectSameBits(Multiply(team_, GetParam(), copies, view, SparseRows(2, view.cols, 8, random)));
  }
}

// In whatever order they come: nested models share one copy.
TEST_P(NeuronMajor, TheFirstColumnsShareTheCopyOfAll) {
  std::mt19937_64 random(6);
  for (const DType type : kTypes) {
    SCOPED_TRACE(DTypeName(type));
    const Weights w = RandomWeights(type, 40, 1024, random);
    std::vector<int64_t> widths = {256, 512, 768, 1024};
    std::shuffle(widths.begin(), widths.end(), random);
    NeuronCopies copies;
    for (const int64_t width : widths) {
      const WeightView view = w.view.Cols(0, width);
      ExpectSameBits(Multiply(team_, GetParam(), copies, view, SparseRows(2, width, 8, random)));
    }
    const NeuronWeights* all = copies.Find(team_, KernelsOf(GetParam()), w.view);
    ASSERT_NE(all, nullptr);
    for (const int64_t width : widths) {
      const WeightView view = w.view.Cols(0, width);
      EXPECT_EQ(copies.Find(team_, KernelsOf(GetParam()), view)->codes, all->codes);
      ExpectSameBits(Multiply(team_, GetParam(), copies, view, SparseRows(2, width, 8, random)));
    }
  }
}

TEST_P(NeuronMajor, WhatIsNoNumberShows) {
  std::mt19937_64 random(4);
  const Weights w = RandomWeights(DType::kQ4_K, 40, 512, random);
  std::vector<float> x = SparseRows(1, 512, 20, random);
  x[100] = std::numeric_limits<float>::quiet_NaN();
  NeuronCopies copies;
  const Products products = Multiply(team_, GetParam(), copies, w.view, x);
  for (int64_t r = 0; r < 40; ++r) {
    EXPECT_TRUE(std::isnan(products.by_rows[static_cast<size_t>(r)]));
    EXPECT_TRUE(std::isnan(products.by_inputs[static_cast<size_t>(r)]));
  }
}

// Zero times infinity is no number, which leaving it out would hide.
TEST_P(NeuronMajor, AScaleThatIsNotFiniteForbidsACopy) {
  std::mt19937_64 random(5);
  Weights w = RandomWeights(DType::kQ4_0, 40, 256, random);
  const uint16_t infinity = 0x7c00;
  std::memcpy(w.bytes.data() + 39 * w.view.row_stride, &infinity, sizeof infinity);
  NeuronCopies copies;
  EXPECT_EQ(copies.Find(team_, KernelsOf(GetParam()), w.view), nullptr);
  const Products products =
      Multiply(team_, GetParam(), copies, w.view, std::vector<float>(256, 0.0f));
  EXPECT_TRUE(std::isnan(products.by_rows[39]));
  EXPECT_TRUE(std::isnan(products.by_inputs[39]));
}

INSTANTIATE_TEST_SUITE_P(Levels, NeuronMajor, testing::ValuesIn(FastIsas()),
                         [](const auto& level) { return std::string(IsaName(level.param)); });

}  // namespace
}  // namespace tandem::cpu
