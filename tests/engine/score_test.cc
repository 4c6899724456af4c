// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Scores against the logits they come from.
#include "engine/score.h"

#include <algorithm>
#include <cmath>

#include "engine/engine_test_util.h"
#include "formats/npy.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

double LogProbability(const Floats& logits, int32_t id) {
  double sum = 0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
  return logits[static_cast<size_t>(id)] - std::log(sum);
}

class ScoreTest : public testing::Test {
 protected:
  std::vector<Floats> Rows(std::span<const int32_t> ids) {
    return Scored(*engine_.NewSession(), ids);
  }
  // One window of `result`, which starts at `first`, against the logits of `context` and then the
  // tokens of the window.
  void ExpectWindow(const ScoreResult& result, size_t first, std::span<const int32_t> ids,
                    const Ids& context) {
    Ids run = context;
    run.insert(run.end(), ids.begin(), ids.end());
    const auto rows = Rows(run);
    for (size_t i = 0; i < ids.size(); ++i) {
      const TokenScore& score = result.tokens.at(first + i);
      EXPECT_EQ(score.token, ids[i]);
      ASSERT_EQ(score.log_probability.has_value(), i > 0) << first + i;
      if (i > 0) {
        const Floats& before = rows[context.size() + i - 1];
        EXPECT_NEAR(*score.log_probability, LogProbability(before, ids[i]), 1e-9) << first + i;
      }
    }
  }

  Engine engine_{RandomModel("base"), Options(64, 2)};
  std::unique_ptr<Session> session_ = engine_.NewSession();
  TemporaryFolder folder_;
};

TEST_F(ScoreTest, PerplexityIsThatOfTheLogits) {
  for (const size_t count : {2, 17, 256, 270}) {
    const Ids ids = RandomIds(count, count);
    const ScoreResult result = Score(*session_, ids, {});
    ASSERT_EQ(result.tokens.size(), count);
    EXPECT_EQ(result.windows, 1);
    EXPECT_EQ(result.scored, static_cast<int64_t>(count) - 1);
    ExpectWindow(result, 0, ids, {});
    double total = 0;
    for (size_t i = 1; i < count; ++i) total += *result.tokens[i].log_probability;
    EXPECT_NEAR(result.total_log_probability, total, 1e-9);
    EXPECT_NEAR(result.Perplexity(), std::exp(-total / static_cast<double>(count - 1)), 1e-6);
  }
}

TEST_F(ScoreTest, OneTokenScoresNothing) {
  const ScoreResult result = Score(*session_, Ids{7}, {});
  EXPECT_EQ(result.tokens.size(), 1u);
  EXPECT_EQ(result.scored, 0);
  EXPECT_EQ(result.Perplexity(), 1);
}

TEST_F(ScoreTest, WhatTheSessionHeldDoesNotMatter) {
  const Ids ids = RandomIds(20, 1);
  const double expected = Score(*session_, ids, {}).total_log_probability;
  session_->Append(RandomIds(100, 2));
  session_->Defer(9);
  EXPECT_EQ(Score(*session_, ids, {}).total_log_probability, expected);
}

TEST_F(ScoreTest, LongTextsAreScoredInWindows) {
  const Ids ids = RandomIds(50, 3);
  for (const int64_t context : {2, 20, 49, 50}) {
    for (const bool started : {false, true}) {
      const auto session = engine_.NewSession(context);
      const auto start = started ? std::optional<int32_t>(2) : std::nullopt;
      const ScoreResult result = Score(*session, ids, {}, start);
      ASSERT_EQ(result.tokens.size(), ids.size());
      size_t at = 0;
      int64_t windows = 0;
      while (at < ids.size()) {
        const Ids before = started && windows > 0 ? Ids{2} : Ids{};
        const size_t length =
            std::min(ids.size() - at, static_cast<size_t>(context) - before.size());
        ExpectWindow(result, at, std::span(ids).subspan(at, length), before);
        at += length;
        ++windows;
      }
      EXPECT_EQ(result.windows, windows) << context;
      EXPECT_EQ(result.scored, 50 - windows);
    }
  }
}

TEST_F(ScoreTest, AContextOfOneTokenHasNoRoomBehindAWindowStart) {
  const auto session = engine_.NewSession(1);
  EXPECT_EQ(Score(*session, Ids{4, 5}, {}).windows, 2);
  EXPECT_EQ(Caught([&] { Score(*session, Ids{4, 5}, {}, 2); }).kind(), ErrorKind::kInvalidArgument);
}

TEST_F(ScoreTest, TopAreTheLikeliestInOrder) {
  const Ids ids = RandomIds(30, 4);
  const auto rows = Rows(ids);
  ScoreOptions options;
  for (const int top : {1, 5, 512, 1000}) {
    options.top = top;
    const ScoreResult result = Score(*session_, ids, options);
    for (size_t i = 0; i < ids.size(); ++i) {
      std::vector<std::pair<double, int32_t>> order;
      for (int32_t id = 0; id < 512; ++id)
        order.emplace_back(-rows[i][static_cast<size_t>(id)], id);
      std::sort(order.begin(), order.end());
      const auto& likeliest = result.tokens[i].top;
      ASSERT_EQ(likeliest.size(), static_cast<size_t>(std::min(top, 512)));
      for (size_t rank = 0; rank < likeliest.size(); ++rank) {
        ASSERT_EQ(likeliest[rank].first, order[rank].second);
        ASSERT_NEAR(likeliest[rank].second, LogProbability(rows[i], likeliest[rank].first), 1e-9);
      }
    }
  }
  EXPECT_TRUE(Score(*session_, ids, {}).tokens[0].top.empty());
}

TEST_F(ScoreTest, TheFileHoldsTheLogitsOfAllTokens) {
  const Ids ids = RandomIds(50, 5);
  ScoreOptions options;
  options.logits_file = folder_.path() / "logits.npy";
  const auto session = engine_.NewSession(20);
  Score(*session, ids, options, 2);
  const NpyArray<float> file = ReadNpy<float>(*options.logits_file);
  ASSERT_EQ(file.shape, (std::vector<int64_t>{50, 512}));
  std::vector<Floats> rows = Rows(std::span(ids).first(20));
  for (const auto& [at, length] : {std::pair(20, 19), std::pair(39, 11)}) {
    Ids window = {2};
    window.insert(window.end(), ids.begin() + at, ids.begin() + at + length);
    const auto more = Rows(window);
    rows.insert(rows.end(), more.begin() + 1, more.end());
  }
  ASSERT_EQ(rows.size(), 50u);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto row = std::span(file.values).subspan(i * 512, 512);
    EXPECT_TRUE(SameBits(Copy(row), rows[i])) << i;
  }
}

// The first id of the next slice of 256 is looked up in the logits before that slice runs.
TEST_F(ScoreTest, IdsOutsideTheVocabularyAreRefusedWhereverTheyStand) {
  ScoreOptions options;
  options.logits_file = folder_.path() / "logits.npy";
  for (const int32_t bad : {-1, 512, INT32_MAX, INT32_MIN}) {
    for (const size_t place : {0, 100, 255, 256, 299}) {
      Ids ids = RandomIds(300, 6);
      ids[place] = bad;
      const Error error = Caught([&] { Score(*session_, ids, options); });
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_NE(error.message().find(std::to_string(bad)), std::string::npos);
    }
    EXPECT_EQ(Caught([&] {
                Score(*engine_.NewSession(4), Ids{1, 2, 3, 4, 5}, {}, bad);
              }).kind(),
              ErrorKind::kInvalidArgument);
  }
  EXPECT_EQ(Caught([&] { Score(*session_, Ids{}, options); }).kind(), ErrorKind::kInvalidArgument);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
}

TEST_F(ScoreTest, CancellingLeavesNoFile) {
  const Ids ids = RandomIds(100, 7);
  ScoreOptions options;
  options.logits_file = folder_.path() / "logits.npy";
  int left = 3;
  const Error error =
      Caught([&] { Score(*session_, ids, options, {}, [&] { return left-- == 0; }); });
  EXPECT_EQ(error.kind(), ErrorKind::kCancelled);
  EXPECT_TRUE(std::filesystem::is_empty(folder_.path()));
  int64_t last = 0;
  Score(*session_, RandomIds(300, 8), options, {}, {}, [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 300);
    EXPECT_GT(done, last);
    last = done;
  });
  EXPECT_EQ(last, 300);
  EXPECT_TRUE(std::filesystem::exists(*options.logits_file));
}

}  // namespace
}  // namespace tandem
