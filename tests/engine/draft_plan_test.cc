// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The length of drafts follows what came true and what steps cost.
#include "engine/draft_plan.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace tandem {
namespace {

constexpr size_t kMost = 8;
const DraftCosts kCheap{0.1, 0.05};

struct Spent {
  double tokens = 0;
  double cost = 0;  ///< In steps of the target.
  double drafted = 0;
  double yield() const { return tokens / cost; }
};

// Makes a reply of `tokens`; each proposal is as sure as `confidence` says and comes if `comes`
// does.
Spent Reply(DraftPlan& plan, const DraftCosts& costs, int tokens,
            const std::function<double()>& confidence,
            const std::function<bool(double confidence)>& comes) {
  Spent spent;
  while (spent.tokens < tokens) {
    std::vector<double> draft;
    if (plan.Begin(kMost)) {
      for (;;) {
        spent.cost += costs.draft_step;
        const double sure = confidence();
        if (!plan.Propose(sure)) break;
        draft.push_back(sure);
        if (draft.size() == kMost || !plan.GoOn()) break;
      }
    }
    spent.cost += 1 + static_cast<double>(draft.size()) * costs.extra_row;
    spent.drafted += static_cast<double>(draft.size());
    size_t came = 0;
    while (came < draft.size() && comes(draft[came])) {
      plan.Learn(true);
      ++came;
    }
    if (came < draft.size()) {
      plan.Learn(false);
    } else {
      plan.Skip();
    }
    spent.tokens += static_cast<double>(came) + 1;
  }
  return spent;
}

double Fraction(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

TEST(DraftPlanTest, PaysWhereEverythingComes) {
  DraftPlan plan(kCheap, true);
  const Spent spent = Reply(
      plan, kCheap, 2000, [] { return 0.99; }, [](double) { return true; });
  // Nine tokens for 1 + 8 * 0.15 steps.
  EXPECT_GT(spent.yield(), 0.95 * 9 / 2.2);
}

TEST(DraftPlanTest, StopsWhereNothingComesAndComesBack) {
  DraftPlan plan(kCheap, true);
  Reply(
      plan, kCheap, 500, [] { return 0.99; }, [](double) { return false; });
  const Spent spent = Reply(
      plan, kCheap, 2000, [] { return 0.99; }, [](double) { return false; });
  EXPECT_GT(spent.drafted, 0);
  EXPECT_GT(spent.yield(), 0.99);
  Reply(
      plan, kCheap, 3000, [] { return 0.99; }, [](double) { return true; });
  EXPECT_GT(Reply(
                plan, kCheap, 500, [] { return 0.99; }, [](double) { return true; })
                .yield(),
            3);
}

TEST(DraftPlanTest, NeverTriesWhatCannotPay) {
  const DraftCosts dear{0.7, 0.4};
  DraftPlan plan(dear, true);
  const Spent spent = Reply(
      plan, dear, 1000, [] { return 0.99; }, [](double) { return true; });
  EXPECT_EQ(spent.drafted, 0);
}

TEST(DraftPlanTest, UnsureTextIsSoonLeftAlone) {
  DraftPlan plan(kCheap, true);
  std::mt19937_64 random(1);
  const auto comes = [&](double confidence) { return Fraction(random) < confidence; };
  Reply(
      plan, kCheap, 500, [] { return 0.02; }, comes);
  EXPECT_GT(Reply(
                plan, kCheap, 2000, [] { return 0.02; }, comes)
                .yield(),
            0.98);
}

// Against every fixed length, on texts of which some tokens are easy and some are not.
TEST(DraftPlanTest, IsAboutAsGoodAsTheBestFixedLength) {
  for (const DraftCosts& costs : {kCheap, DraftCosts{0.3, 0.1}, DraftCosts{0.5, 0.15}}) {
    for (const double easy : {0.2, 0.6, 0.9}) {
      SCOPED_TRACE(testing::Message() << costs.draft_step << ", " << easy);
      std::mt19937_64 random(7);
      const auto confidence = [&] { return Fraction(random) < easy ? 0.97 : 0.3; };
      const auto comes = [&](double sure) { return Fraction(random) < sure; };
      double best = 1;
      const double rate = easy * 0.97 + (1 - easy) * 0.3;
      double tokens = 1;
      double chance = 1;
      for (size_t length = 1; length <= kMost; ++length) {
        tokens += chance *= rate;
        best = std::max(best, tokens / (1 + static_cast<double>(length) *
                                                (costs.draft_step + costs.extra_row)));
      }
      DraftPlan plan(costs, true);
      EXPECT_GT(Reply(plan, costs, 20000, confidence, comes).yield(), 0.95 * best);
    }
  }
}

TEST(DraftPlanTest, FixedDraftsAreAsLongAsTheyMayBe) {
  DraftPlan plan({2, 2}, false);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(plan.Begin(3));
    ASSERT_TRUE(plan.Propose(0));
    ASSERT_TRUE(plan.GoOn());
    plan.Learn(false);
  }
  EXPECT_FALSE(plan.Begin(0));
}

TEST(DraftPlanTest, OnlyWhatWasProposedIsLearned) {
  DraftPlan plan(kCheap, true);
  const double before = plan.rate();
  plan.Learn(true);
  EXPECT_EQ(plan.rate(), before);
  ASSERT_TRUE(plan.Begin(2) && plan.Propose(0.9) && plan.Propose(0.9));
  plan.Learn(false);
  const double after = plan.rate();
  EXPECT_LT(after, before);
  plan.Learn(true);
  EXPECT_EQ(plan.rate(), after);
}

}  // namespace
}  // namespace tandem
