// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The rule of speculative sampling: what comes out is distributed as the target, whatever the draft
// is, and as much of the draft is kept as can be.
#include "engine/choices.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "support/chi_square.h"

namespace tandem {
namespace {

constexpr int32_t kIds = 8;
constexpr int kSamples = 20000;

double Fraction(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

// Weights of any sum for some of the ids, likeliest first; small ones are common.
Choices RandomChoices(std::mt19937_64& random, int32_t least = 1) {
  Choices choices;
  for (int32_t id = 0; id < kIds; ++id) {
    if (random() % 3 == 0) continue;
    choices.list.push_back({id, static_cast<uint64_t>(1e9 * std::exp(-6 * Fraction(random)))});
  }
  for (int32_t id = 0; static_cast<int32_t>(choices.list.size()) < least; ++id) {
    if (choices.Probability(id) == 0) choices.list.push_back({id, 500'000'000});
  }
  std::sort(choices.list.begin(), choices.list.end(),
            [](const Choice& a, const Choice& b) { return a.weight > b.weight; });
  for (const Choice& c : choices.list) choices.total += c.weight;
  return choices;
}

std::vector<double> Probabilities(const Choices& choices) {
  std::vector<double> out;
  for (int32_t id = 0; id < kIds; ++id) out.push_back(choices.Probability(id));
  return out;
}

TEST(DrawProposedTest, ComesOutAsTheTargetSays) {
  std::mt19937_64 random(1);
  double kept_in_all = 0;
  for (int round = 0; round < 30; ++round) {
    SCOPED_TRACE(round);
    const Choices target = RandomChoices(random);
    const Choices draft = RandomChoices(random);
    double overlap = 0;
    for (int32_t id = 0; id < kIds; ++id) {
      overlap += std::min(target.Probability(id), draft.Probability(id));
    }
    std::vector<int64_t> counts(kIds, 0);
    int64_t kept = 0;
    for (int i = 0; i < kSamples; ++i) {
      const int32_t proposed = Draw(draft, Fraction(random));
      const double keep = Fraction(random);
      const int32_t id = DrawProposed(target, draft, proposed, keep, Fraction(random));
      ++counts[static_cast<size_t>(id)];
      kept += id == proposed;
    }
    EXPECT_LT(test::ChiSquareSigmas(counts, Probabilities(target)), 5);
    // No rule keeps more.
    const double share = static_cast<double>(kept) / kSamples;
    EXPECT_NEAR(share, overlap, 5 * std::sqrt(overlap * (1 - overlap) / kSamples) + 1e-9);
    kept_in_all += share;
  }
  EXPECT_GT(kept_in_all, 3);
}

// The test above would see the mistakes that are easily made.
TEST(DrawProposedTest, TheTestOfItCanFail) {
  std::mt19937_64 random(2);
  const Choices target = RandomChoices(random, 3);
  const Choices draft = RandomChoices(random, 3);
  std::vector<int64_t> from_target(kIds, 0);  // redrawn from all of the target, not its excess
  std::vector<int64_t> always(kIds, 0);       // kept where the target has any of it
  for (int i = 0; i < kSamples; ++i) {
    const int32_t proposed = Draw(draft, Fraction(random));
    const double share = target.Probability(proposed) / draft.Probability(proposed);
    const int32_t other = Draw(target, Fraction(random));
    ++from_target[static_cast<size_t>(Fraction(random) < share ? proposed : other)];
    ++always[static_cast<size_t>(share > 0 ? proposed : other)];
  }
  EXPECT_GT(test::ChiSquareSigmas(from_target, Probabilities(target)), 20);
  EXPECT_GT(test::ChiSquareSigmas(always, Probabilities(target)), 20);
}

TEST(DrawProposedTest, EqualDistributionsKeepEverything) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 100; ++round) {
    const Choices choices = RandomChoices(random);
    for (const Choice& c : choices.list) {
      EXPECT_EQ(DrawProposed(choices, choices, c.id, 1 - 0x1p-53, 0), c.id);
    }
  }
}

TEST(DrawProposedTest, WhatTheTargetCannotSayNeverComes) {
  const Choices target{{{3, 2}, {5, 1}}, 3, 1};
  const Choices draft{{{4, 1}}, 1, 1};
  for (const double redraw : {0.0, 0.3, 0.7, 1 - 0x1p-53}) {
    const int32_t id = DrawProposed(target, draft, 4, 0, redraw);
    EXPECT_EQ(id, redraw < 0.6 ? 3 : 5);
  }
}

// One choice each, as in greedy sampling.
TEST(DrawProposedTest, CertainChoicesNeedNoChance) {
  const Choices target{{{3, 1}}, 1, 1};
  const Choices other{{{4, 1}}, 1, 1};
  for (const double fraction : {0.0, 0.5, 1 - 0x1p-53}) {
    EXPECT_EQ(DrawProposed(target, target, 3, fraction, fraction), 3);
    EXPECT_EQ(DrawProposed(target, other, 4, fraction, fraction), 3);
  }
}

}  // namespace
}  // namespace tandem
