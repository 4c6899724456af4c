// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Draws for seeds: what they come to, for good, and from a whole vocabulary.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <set>
#include <string>

#include "engine/sampler.h"
#include "engine/sampler_test_util.h"

namespace tandem {
namespace {

TEST(SamplerTest, SeedsDecideTheSequence) {
  std::mt19937_64 random(4);
  const Floats logits = RandomLogits(100, 6, random);
  const auto sequence = [&](uint64_t seed) {
    SamplingOptions options = Plain(1);
    options.seed = seed;
    Sampler sampler(options, {});
    Ids ids;
    for (int i = 0; i < 50; ++i) ids.push_back(sampler.Sample(logits, ids));
    return ids;
  };
  std::set<Ids> different;
  for (const uint64_t seed : {uint64_t{0}, uint64_t{1}, uint64_t{2}, UINT64_MAX}) {
    EXPECT_EQ(sequence(seed), sequence(seed));
    different.insert(sequence(seed));
  }
  EXPECT_EQ(different.size(), 4u);
}

// Of a vocabulary of real size no list is made and nothing is sorted; the tokens are those of the
// list all the same, which is what drafts draw from, and its probabilities those of the softmax.
TEST(SamplerTest, DrawsFromAllAreThoseOfTheirChoices) {
  std::mt19937_64 random(6);
  for (const double temperature : {1e-9, 0.4, 1.0, 3.0, 100.0}) {
    for (const size_t vocab : {1, 255, 256, 257, 3000, 50'000}) {
      SCOPED_TRACE(std::to_string(vocab) + " tokens, temperature " + std::to_string(temperature));
      Floats logits = RandomLogits(vocab, 30, random);
      logits[0] = 15;
      for (size_t i = 0; i < vocab / 9; ++i) logits[1 + random() % (vocab - 1)] = -INFINITY;
      const auto banned = [](int32_t id) { return id % 7 == 3; };
      SamplingOptions options = Plain(temperature);
      options.seed = random();
      Sampler direct(options, banned), listed(options, banned);
      for (int i = 0; i < 50; ++i) {
        ASSERT_EQ(direct.Sample(logits, {}), listed.DrawFrom(listed.Choose(logits, {})));
      }
      double total = 0;
      std::vector<double> exact(vocab, 0);
      for (size_t id = 0; id < vocab; ++id) {
        if (banned(static_cast<int32_t>(id))) continue;
        exact[id] = std::exp((logits[id] - 15.0) / temperature);
        total += exact[id];
      }
      for (double& probability : exact) probability /= total;
      const Choices& choices = listed.Choose(logits, {});
      double rest = 1;
      int32_t last = -1;
      for (const Choice& c : choices.list) {
        const double probability = exact[static_cast<size_t>(c.id)];
        const double got = static_cast<double>(c.weight) / static_cast<double>(choices.total);
        // What is left out, at most 2^-40 of the likeliest each, is counted below.
        ASSERT_NEAR(got, probability, 2e-6 * probability + 0x1p-40) << c.id;
        ASSERT_GT(c.id, last);
        last = c.id;
        rest -= probability;
      }
      EXPECT_LT(rest, static_cast<double>(vocab) * 0x1p-40 + 1e-9);
      EXPECT_NEAR(choices.confidence, *std::max_element(exact.begin(), exact.end()), 1e-6);
    }
  }
}

// Fixed for good: a seed that a user noted gives the same text on every machine and version.
TEST(SamplerTest, ASeedGivesTheSameDrawsEverywhere) {
  SamplingOptions options = Plain(1);
  options.seed = 42;
  Sampler sampler(options, {});
  std::mt19937_64 random(42);
  const Floats equal(1000, 1.5F);
  for (int i = 0; i < 100; ++i) {
    const auto expected = static_cast<int32_t>((random() >> 11) * 1000 >> 53);
    EXPECT_EQ(sampler.Sample(equal, {}), expected);
  }
}

// The same over unequal ones, in all ways that tokens are drawn.
TEST(SamplerTest, SeedsKeepTheirMeaning) {
  Floats logits;
  for (int i = 0; i < 2000; ++i) logits.push_back(static_cast<float>(i * 7919 % 2003) / 128.0F);
  const auto draws = [&](double temperature, int top_k, double top_p, double min_p) {
    SamplingOptions options = Plain(temperature);
    options.top_k = top_k;
    options.top_p = top_p;
    options.min_p = min_p;
    options.seed = 7;
    Sampler sampler(options, {});
    Ids ids;
    for (int i = 0; i < 8; ++i) ids.push_back(sampler.Sample(logits, {}));
    return ids;
  };
  EXPECT_EQ(draws(1, 40, 0.95, 0), (Ids{1831, 65, 1120, 1508, 1400, 560, 668, 1508}));
  EXPECT_EQ(draws(0.7, 0, 0.9, 0), (Ids{712, 1510, 1077, 1208, 1917, 1400, 540, 605}));
  EXPECT_EQ(draws(1.3, 0, 1, 0.1), (Ids{1854, 412, 1034, 907, 1874, 237, 799, 304}));
  EXPECT_EQ(draws(1, 0, 1, 0), (Ids{1508, 1897, 237, 1788, 280, 110, 1659, 1797}));
  EXPECT_EQ(draws(5, 0, 1, 0), (Ids{1509, 1898, 237, 1786, 281, 110, 1662, 1797}));
}

}  // namespace
}  // namespace tandem
