// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Replies with drafts against replies without: the same in everything but the number of steps.
#include "engine/draft_test_util.h"
#include "tandem/generation.h"

namespace tandem {
namespace {

class DraftTest : public testing::Test {
 protected:
  /// Compares a reply with one drafted by `draft_tokens`, in new sessions, and returns the latter.
  Seen Compare(Engine& engine, const Ids& prompt, GenerationOptions options, int draft_tokens = 7,
               const Trouble& trouble = {}, int64_t context = 0) {
    const Seen plain = Watch(*engine.NewSession(context), prompt, options, trouble);
    EXPECT_EQ(plain.result.drafted, 0);
    EXPECT_EQ(plain.result.accepted, 0);
    options.draft = Draft::kLookup;
    options.draft_tokens = draft_tokens;
    const Seen drafted = Watch(*engine.NewSession(context), prompt, options, trouble);
    ExpectSame(drafted, plain);
    EXPECT_LE(drafted.result.accepted, drafted.result.drafted);
    drafted_ += drafted.result.drafted;
    accepted_ += drafted.result.accepted;
    return drafted;
  }
  /// Drafts came true and drafts did not, or the comparisons show little.
  void ExpectBothFates() const {
    EXPECT_GT(accepted_, 0);
    EXPECT_LT(accepted_, drafted_);
  }

  int64_t drafted_ = 0;
  int64_t accepted_ = 0;
};

TEST_F(DraftTest, RandomModelsSayTheSame) {
  for (const char* name : {"base", "mha"}) {
    for (const auto& [chunk, threads] : {std::pair(1, 1), std::pair(5, 2)}) {
      Engine engine(RandomModel(name), Options(chunk, threads));
      for (const uint64_t seed : {1, 2}) {
        SCOPED_TRACE(testing::Message() << name << ", chunk " << chunk << ", seed " << seed);
        const Ids prompt = RandomIds(30 * seed, seed, 60);
        const int draft_tokens = seed == 1 ? 4 : kMaxDraftTokens;
        Compare(engine, prompt, FewIds(2, 1, seed), draft_tokens);
        Compare(engine, prompt, FewIds(5, 0, seed), draft_tokens);
        GenerationOptions penalised = FewIds(4, seed == 1 ? 0 : 2, seed);
        penalised.sampling.repeat_penalty = 1.3;
        penalised.sampling.frequency_penalty = 0.2;
        penalised.sampling.presence_penalty = -0.5;
        penalised.sampling.penalty_window = seed == 2 ? -1 : 11;
        Compare(engine, prompt, penalised, draft_tokens);
      }
    }
  }
  ExpectBothFates();
}

TEST_F(DraftTest, HalfKeysAndValuesSayTheSame) {
  Engine engine(RandomModel("base"), Options(16, 1, KvType::kF16));
  Compare(engine, RandomIds(90, 4), FewIds(2, 1, 4));
  ExpectBothFates();
}

TEST_F(DraftTest, EveryLengthEndsInTheSamePlace) {
  Engine engine(RandomModel("base"), Options(16));
  const Ids prompt = RandomIds(40, 5, 60);
  for (const int64_t length : {0, 1, 2, 3, 4, 5, 6, 8, 11, 15, 20}) {
    SCOPED_TRACE(length);
    GenerationOptions options = FewIds(2, 10, 5);
    options.max_tokens = length;
    EXPECT_EQ(Compare(engine, prompt, options).result.reason, EndReason::kMaxTokens);
    options.max_tokens = -1;
    const Seen full = Compare(engine, prompt, options, 7, {}, 40 + length);
    EXPECT_EQ(full.result.reason, EndReason::kContextFull);
    EXPECT_EQ(full.tokens.size(), static_cast<size_t>(40 + length));
  }
  ExpectBothFates();
}

// Each token of a reply as the one that ends it. The prompt holds it too, where drafts come from.
TEST_F(DraftTest, EndTokensEndTheReplyWhereverTheyAreDrafted) {
  Engine engine(RandomModel("base"), Options(16));
  const Ids prompt = Joined(RandomIds(10, 6), RandomIds(60, 6, 4));
  int ends = 0;
  for (int32_t end = 0; end < 4; ++end) {
    for (const uint64_t seed : {1, 2, 3}) {
      SCOPED_TRACE(testing::Message() << end << ", seed " << seed);
      GenerationOptions options = FewIds(0, 1, seed);
      // The end comes, but late.
      for (int32_t id = 0; id < 4; ++id) {
        options.sampling.logit_bias.emplace_back(id, id == end ? 99 : 100);
      }
      options.stop_tokens = {end};
      ends += Compare(engine, prompt, options).result.reason == EndReason::kEndOfTurn;
    }
  }
  EXPECT_GT(ends, 3);
  ExpectBothFates();
}

// A reply that says one thing only is foreseen to its end and no further.
TEST_F(DraftTest, NothingIsRunThatTheReplyCannotUse) {
  Engine engine(RandomModel("base"), Options(16));
  const Ids prompt = {40, 5, 40, 5, 40, 5};
  for (const int64_t length : {1, 2, 3, 4, 7, 12, 19}) {
    SCOPED_TRACE(length);
    GenerationOptions options = FewIds(1, 0, 1);
    options.max_tokens = length;
    const GenerationResult result = Compare(engine, {40, 40, 40, 40}, options).result;
    EXPECT_EQ(result.drafted, result.accepted);
    EXPECT_EQ(result.drafted > 0, length > 2);
  }
  GenerationOptions options = FewIds(1, 0, 1);
  options.max_tokens = 3;
  EXPECT_EQ(Compare(engine, prompt, options).result.drafted, 1);
  options.stop_tokens = {5};
  EXPECT_EQ(Compare(engine, prompt, options).result.drafted, 0);
}

TEST_F(DraftTest, CancellingEndsTheReplyAtTheSameToken) {
  Engine engine(RandomModel("base"), Options(16));
  const Ids prompt = RandomIds(30, 7, 60);
  for (int question = 0; question < 16; ++question) {
    SCOPED_TRACE(question);
    const Seen seen = Compare(engine, prompt, FewIds(2, 1, 7), 7, {.cancel_at = question});
    EXPECT_EQ(seen.result.reason, EndReason::kCancelled);
  }
  ExpectBothFates();
}

/// Conversations with the built-in model whose replies repeat much.
class FableDraftTest : public DraftTest {
 protected:
  Ids Chat(const std::string& text) const {
    const ChatMessage message{Role::kUser, text};
    return Fable()->TokenizeChat({&message, 1});
  }
  GenerationOptions Greedy(int64_t max_tokens = -1) const {
    GenerationOptions options;
    options.sampling.temperature = 0;
    options.max_tokens = max_tokens;
    return options;
  }
  /// A story that does not end, as the same words once more: what it says comes again.
  GenerationOptions Endless(double temperature, int64_t max_tokens) const {
    GenerationOptions options = Greedy(max_tokens);
    options.sampling.temperature = temperature;
    for (const int32_t end : Fable()->end_tokens()) {
      options.sampling.logit_bias.emplace_back(end, -INFINITY);
    }
    return options;
  }

  Engine engine_{Fable(), Options(64)};
  const Ids copy_ = Chat("Repeat: fish lamp kite river stone");
  const Ids story_ = Chat("Tell me a story about a fox named Leo.");
};

TEST_F(FableDraftTest, CopyingRepliesAreDrafted) {
  const Seen seen = Compare(engine_, copy_, Greedy());
  EXPECT_EQ(seen.result.reason, EndReason::kEndOfTurn);
  EXPECT_GT(seen.result.accepted, 0) << seen.result.text;
}

TEST_F(FableDraftTest, SampledRepliesAreTheSame) {
  for (const double temperature : {0.0, 0.7, 1.5}) {
    SCOPED_TRACE(temperature);
    GenerationOptions options = Endless(temperature, 100);
    options.sampling.seed = 3;
    Compare(engine_, story_, options);
  }
  ExpectBothFates();
}

TEST_F(FableDraftTest, StopStringsAndThrowingCallbacksLeaveTheSame) {
  const GenerationOptions options = Endless(0.5, 110);
  const Seen whole = Compare(engine_, story_, options);
  ASSERT_GT(whole.pieces.size(), 90u);
  std::mt19937_64 random(8);
  for (int round = 0; round < 2; ++round) {
    GenerationOptions stopped = options;
    const size_t begin = whole.result.text.size() / 2 + random() % 100;
    stopped.stop = {whole.result.text.substr(begin, 4 + random() % 12)};
    EXPECT_EQ(Compare(engine_, story_, stopped).result.reason, EndReason::kStopString);
    const int throw_at = 50 + static_cast<int>(random() % 40);
    EXPECT_TRUE(Compare(engine_, story_, options, 7, {.throw_at = throw_at}).threw);
  }
  ExpectBothFates();
}

// Turn after turn, saved and loaded in between, with messages taken back.
TEST_F(FableDraftTest, ConversationsGoTheSameWay) {
  const auto talk = [&](Draft draft) {
    GenerationOptions options = Endless(0, 40);
    options.draft = draft;
    return Talk(
        engine_, 6, [&](int) { return options; }, accepted_);
  };
  const auto plain = talk(Draft::kNone);
  EXPECT_EQ(accepted_, 0);
  EXPECT_EQ(talk(Draft::kLookup), plain);
  EXPECT_GT(accepted_, 0);
}

TEST_F(FableDraftTest, LengthsOfDraftsHaveARange) {
  const auto session = engine_.NewSession();
  for (const int draft_tokens : {INT32_MIN, -1, 0, kMaxDraftTokens + 1}) {
    GenerationOptions options = Greedy();
    options.draft_tokens = draft_tokens;
    EXPECT_EQ(Caught([&] { Generate(*session, copy_, options); }).kind(),
              ErrorKind::kInvalidArgument);
  }
  EXPECT_TRUE(session->tokens().empty());
}

// Rings hold enough to take back any draft: only the next token runs.
TEST(TakenBackDraftTest, RunsNothingAgain) {
  for (const int chunk : {1, 16}) {
    Engine engine(RandomModel("base"), Options(chunk));
    const auto session = engine.NewSession();
    Ids ids = RandomIds(60, 9);
    session->Append(ids);
    for (int round = 0; round < 40; ++round) {
      Scored(*session, RandomIds(1 + kMaxDraftTokens, static_cast<uint64_t>(round)));
      session->Rewind(static_cast<int64_t>(ids.size()));
      int64_t ran = 0;
      const Ids next = {round};
      session->Append(next, {}, [&](int64_t, int64_t total) { ran = total; });
      ASSERT_EQ(ran, 1);
      ids.push_back(round);
    }
    EXPECT_EQ(session->tokens(), ids);
  }
}

}  // namespace
}  // namespace tandem
