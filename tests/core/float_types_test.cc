// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/float_types.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace tandem {
namespace {

// The value of a half from its definition: (-1)^s 2^(e-15) (1 + m/1024), subnormal for e = 0.
double HalfByDefinition(uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  const double magnitude = exponent == 0    ? std::ldexp(mantissa, -24)
                           : exponent == 31 ? std::numeric_limits<double>::infinity()
                                            : std::ldexp(1024 + mantissa, exponent - 25);
  return (bits & 0x8000) != 0 ? -magnitude : magnitude;
}

bool IsHalfNan(uint16_t bits) { return (bits & 0x7c00) == 0x7c00 && (bits & 0x3ff) != 0; }

TEST(Half, EveryPatternReadsAsDefinedAndRoundTrips) {
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const auto bits = static_cast<uint16_t>(i);
    if (IsHalfNan(bits)) {
      EXPECT_TRUE(std::isnan(HalfToFloat(bits)));
      EXPECT_TRUE(IsHalfNan(FloatToHalf(HalfToFloat(bits))));
      continue;
    }
    ASSERT_EQ(HalfToFloat(bits), HalfByDefinition(bits)) << i;
    ASSERT_EQ(FloatToHalf(HalfToFloat(bits)), bits) << i;
  }
}

TEST(Half, RoundsToNearestEvenBetweenNeighbours) {
  for (uint32_t i = 0; i < 0x7bff; ++i) {
    const auto low = static_cast<uint16_t>(i);
    const auto high = static_cast<uint16_t>(i + 1);
    const float middle = (HalfToFloat(low) + HalfToFloat(high)) / 2;  // exact in float
    ASSERT_EQ(FloatToHalf(middle), (i & 1) == 0 ? low : high) << i;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 0.0f)), low) << i;
    ASSERT_EQ(FloatToHalf(std::nextafter(middle, 1e9f)), high) << i;
  }
  EXPECT_EQ(FloatToHalf(65519.0f), 0x7bff);
  EXPECT_EQ(FloatToHalf(65520.0f), 0x7c00);
  EXPECT_EQ(FloatToHalf(-1e30f), 0xfc00);
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(FloatToBf16(1.0f), 0x3f80);
  EXPECT_EQ(FloatToBf16(std::bit_cast<float>(0x3f808000u)), 0x3f80);
  EXPECT_EQ(FloatToBf16(std::bit_cast<float>(0x3f818000u)), 0x3f82);
  EXPECT_EQ(FloatToBf16(std::bit_cast<float>(0x3f808001u)), 0x3f81);
  EXPECT_TRUE(std::isnan(Bf16ToFloat(FloatToBf16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_EQ(Bf16ToFloat(0xc000), -2.0f);
}

}  // namespace
}  // namespace tandem
