// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights of tokens as integers against exp(), over all that logits and temperatures can be.
#include "devices/token_weights.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <iterator>
#include <limits>
#include <random>

namespace tandem {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(TokenWeights, FallWithEveryStep) {
  uint64_t before = kFullWeight;
  EXPECT_EQ(TokenWeights::WeightOf(0), kFullWeight);
  for (uint32_t halvings = 1; halvings < 2 * TokenWeights::kHalf; ++halvings) {
    const uint64_t weight = TokenWeights::WeightOf(halvings);
    ASSERT_LE(weight, before) << halvings;
    const double exact = std::ldexp(std::exp2(-std::ldexp(halvings, -24)), 40);
    if (halvings % 101 == 0) {
      ASSERT_NEAR(static_cast<double>(weight), exact, 1e-8 * exact);
    }
    before = weight;
  }
  for (uint32_t halves = 1; halves <= 40; ++halves) {
    EXPECT_EQ(TokenWeights::WeightOf(halves * TokenWeights::kHalf), kFullWeight >> halves);
    EXPECT_GE(TokenWeights::WeightOf(halves * TokenWeights::kHalf - 1), kFullWeight >> halves);
  }
  EXPECT_EQ(TokenWeights::WeightOf(TokenWeights::kNone), 0u);
  EXPECT_EQ(TokenWeights::WeightOf(UINT32_MAX), 0u);
}

TEST(TokenWeights, AreThoseOfTheSoftmax) {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> fraction(0, 1);
  int some = 0;
  for (int n = 0; n < 200'000; ++n) {
    const double temperature =
        n % 2 == 0 ? 0.05 + 3 * fraction(random) : std::exp(-20 + 24.6 * fraction(random));
    const auto most = static_cast<float>(60 * fraction(random) - 30);
    const auto logit = static_cast<float>(most - 40 * temperature * fraction(random));
    if (logit == most) continue;
    const uint64_t weight = TokenWeights(temperature).Weight(logit, most);
    const double below = (static_cast<double>(most) - logit) / temperature;
    const double exact = std::ldexp(std::exp(-below), 40);
    ASSERT_NEAR(static_cast<double>(weight), exact, 2e-7 * exact + 1)
        << most << " " << logit << " " << temperature;
    some += weight > 0 ? 1 : 0;
  }
  EXPECT_GT(some, 100'000);
}

// In the order of logits, however far they lie apart, and never above the likeliest.
TEST(TokenWeights, NeverRiseAsLogitsFall) {
  std::mt19937_64 random(2);
  for (const double temperature : {5e-324, 1e-30, 1e-3, 0.7, 1.0, 3.3, 100.0}) {
    const TokenWeights weights(temperature);
    for (int n = 0; n < 100'000; ++n) {
      const auto number = [&] {
        const auto x = std::bit_cast<float>(static_cast<uint32_t>(random()));
        // Half of them near one another.
        return std::isnan(x) ? 1 : n % 2 == 0 ? x : std::isinf(x) ? 2 : std::remainder(x, 16.0F);
      };
      float logits[3] = {number(), number(), number()};
      std::sort(std::begin(logits), std::end(logits));
      if (n % 5 == 0) logits[0] = std::nextafter(logits[1], -kInfinity);
      const uint64_t low = weights.Weight(logits[0], logits[2]);
      const uint64_t high = weights.Weight(logits[1], logits[2]);
      ASSERT_LE(low, high) << logits[0] << " " << logits[1] << " " << logits[2];
      ASSERT_LE(high, kFullWeight);
      ASSERT_EQ(weights.Weight(logits[2], logits[2]), kFullWeight);
    }
  }
}

TEST(TokenWeights, TheGreatestLogitOfAWeightIsFound) {
  std::mt19937_64 random(3);
  for (int n = 0; n < 2000; ++n) {
    const TokenWeights weights(std::exp(static_cast<double>(random() % 100) / 10 - 5));
    const float most = static_cast<float>(static_cast<double>(random() % 6001) / 100 - 30);
    const auto halvings = static_cast<uint32_t>(1 + random() % TokenWeights::kNone);
    const float greatest = weights.GreatestOf(halvings, most);
    EXPECT_GE(weights.Halvings(greatest, most), halvings);
    EXPECT_LT(weights.Halvings(std::nextafter(greatest, kInfinity), most), halvings);
  }
  EXPECT_EQ(TokenWeights(1).GreatestOf(1, kInfinity), std::numeric_limits<float>::max());
}

TEST(TokenWeights, OfInfinitiesAndZeros) {
  const TokenWeights weights(1);
  EXPECT_EQ(weights.Weight(kInfinity, kInfinity), kFullWeight);
  EXPECT_EQ(weights.Weight(3e38F, kInfinity), 0u);
  EXPECT_EQ(weights.Weight(-kInfinity, 5), 0u);
  EXPECT_EQ(weights.Weight(-0.0F, 0.0F), kFullWeight);
  EXPECT_EQ(weights.Weight(-3e38F, 3e38F), 0u);
  EXPECT_EQ(weights.Weight(1e-42F, 1e-41F), kFullWeight) << "less than a unit";
}

TEST(TokenWeights, PartsAreRoundedDown) {
  EXPECT_EQ(PartOf(ShareOf(0.5), 7), 3u);
  EXPECT_EQ(PartOf(ShareOf(0), UINT64_MAX), 0u);
  EXPECT_EQ(PartOf(kWholeShare, 1000), 999u);
  EXPECT_EQ(PartOf(ShareOf(1 - 0x1p-53), uint64_t{1} << 53), (uint64_t{1} << 53) - 1);
  EXPECT_EQ(ShareOf(1), kWholeShare);
  EXPECT_NE(ShareOf(1 - 0x1p-53), kWholeShare);
  EXPECT_EQ(LeastWeight(1), kFullWeight);
  EXPECT_EQ(LeastWeight(0), 0u);
  EXPECT_EQ(LeastWeight(1e-300), 1u);
}

}  // namespace
}  // namespace tandem
