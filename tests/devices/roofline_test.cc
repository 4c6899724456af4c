// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The loops that measure the machine: what they count, and that they give rates at all.
#include "devices/cpu/roofline.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "devices/cpu/isa_kernels.h"

namespace tandem::cpu {
namespace {

class RooflineLevel : public testing::TestWithParam<Isa> {};

TEST_P(RooflineLevel, RatesArePositiveAndFinite) {
  RooflineOptions options;
  options.read_bytes = size_t{3} << 20;
  options.passes = 2;
  options.peak_seconds = 0.0005;
  for (const int threads : {1, 2}) {
    const Roofline roofline = MeasureRoofline(threads, GetParam(), options);
    EXPECT_EQ(roofline.threads, threads);
    EXPECT_EQ(roofline.isa, GetParam());
    for (const double rate : {roofline.read_gb_s, roofline.read_median_gb_s, roofline.int8_gmac_s,
                              roofline.float_gmac_s}) {
      EXPECT_GT(rate, 0);
      EXPECT_TRUE(std::isfinite(rate));
    }
    EXPECT_LE(roofline.read_median_gb_s, roofline.read_gb_s);
  }
}

TEST_P(RooflineLevel, CountsGrowWithTheRounds) {
  const PeakLoops& loops = PeakLoopsOf(GetParam());
  for (const auto loop : {loops.int8, loops.floats}) {
    float sink = NAN;
    const int64_t one = loop(1, &sink);
    EXPECT_GT(one, 0);
    EXPECT_TRUE(std::isfinite(sink));
    EXPECT_EQ(loop(7, &sink), 7 * one);
  }
}

TEST_P(RooflineLevel, ReadSumReadsEveryWord) {
  std::mt19937_64 random(11);
  std::vector<uint64_t> words(96);
  uint64_t sum = 0;
  for (uint64_t& word : words) sum += word = random();
  // At an address that is not a multiple of a register's size.
  std::vector<std::byte> bytes(words.size() * 8 + 8);
  std::memcpy(&bytes[8], words.data(), words.size() * 8);
  EXPECT_EQ(PeakLoopsOf(GetParam()).read_sum(&bytes[8], static_cast<int64_t>(words.size() * 8)),
            sum);
}

INSTANTIATE_TEST_SUITE_P(Levels, RooflineLevel, testing::ValuesIn(AvailableIsas()),
                         [](const auto& param) { return std::string(IsaName(param.param)); });

TEST(Roofline, KnowsWhatIsMultipliedAsBytes) {
  const std::byte byte{};
  const auto view = [&](DType type, int64_t cols) { return WeightView{type, 1, cols, 0, &byte}; };
  EXPECT_TRUE(MultipliesInt8(Isa::kPortable, view(DType::kQ4_0, 64)));
  EXPECT_TRUE(MultipliesInt8(Isa::kPortable, view(DType::kQ6_K, 256)));
  EXPECT_FALSE(MultipliesInt8(Isa::kPortable, view(DType::kF16, 64)));
  EXPECT_FALSE(MultipliesInt8(Isa::kReference, view(DType::kQ4_0, 64)));
}

}  // namespace
}  // namespace tandem::cpu
