// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Replies that a smaller model drafts against replies without: greedy ones are the same, sampled
// ones a function of the seed, and sessions are left in order whatever happens.
#include "engine/draft_model.h"
#include "engine/draft_test_util.h"
#include "engine/engine_impl.h"
#include "engine/tiny_model.h"

namespace tandem {
namespace {

EngineOptions WithDraft(EngineOptions options, std::shared_ptr<const Model> draft) {
  options.draft_model = std::move(draft);
  return options;
}

/// Costs at which random models draft much.
constexpr DraftCosts kCheap{0.1, 0.05};

std::shared_ptr<const Model> FableE2b() {
  static const auto model = Model::Slice(Fable(), "e2b");
  return model;
}

/// Random options for a greedy reply over `vocab` ids.
GenerationOptions RandomGreedy(std::mt19937_64& random, int64_t vocab) {
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = random() % 4 == 0 ? -1 : static_cast<int64_t>(random() % 40);
  options.draft_tokens = 1 + static_cast<int>(random() % kMaxDraftTokens);
  options.draft_adapt = random() % 2 == 0;
  // Two random models seldom agree, but for what both are told.
  for (uint64_t id = 0; id < random() % 4; ++id) {
    options.sampling.logit_bias.emplace_back(static_cast<int32_t>(id), 30);
  }
  if (random() % 3 == 0) {
    options.sampling.repeat_penalty = 1.4;
    options.sampling.frequency_penalty = 0.5;
    options.sampling.penalty_window = random() % 2 == 0 ? -1 : 9;
  }
  if (random() % 3 == 0) {
    options.stop_tokens = {static_cast<int32_t>(random() % 4),
                           static_cast<int32_t>(random() % static_cast<uint64_t>(vocab))};
  }
  return options;
}

// Turn after turn on two sessions, of which one drafts: random shapes of both models, lengths,
// ends, penalties, turns taken back, and prompts that go to the end of the context.
TEST(ModelDraftTest, GreedyRepliesAreTheSame) {
  int64_t drafted = 0;
  int64_t accepted = 0;
  for (uint64_t seed = 1; seed <= 24; ++seed) {
    std::mt19937_64 random(seed);
    const auto target = test::TinyModel(2 * seed, 50);
    const auto draft = seed % 3 == 0 ? target : test::TinyModel(2 * seed + 1, 50);
    const int64_t chunk = 1 + static_cast<int64_t>(random() % 20);
    Engine plain_engine(target, test::TinyOptions(chunk));
    Engine engine(target, WithDraft(test::TinyOptions(chunk), draft));
    engine.impl().draft_costs = kCheap;
    const int64_t context = 60 + static_cast<int64_t>(random() % 197);
    auto plain = plain_engine.NewSession(context);
    auto session = engine.NewSession(context);
    std::vector<int64_t> turns;
    for (int turn = 0; turn < 8; ++turn) {
      SCOPED_TRACE(::testing::Message() << "seed " << seed << ", turn " << turn);
      if (!turns.empty() && random() % 3 == 0) {
        const int64_t back = turns[random() % turns.size()];
        std::erase_if(turns, [&](int64_t start) { return start >= back; });
        plain->Rewind(back);
        session->Rewind(back);
      }
      const Ids prompt = RandomIds(1 + random() % 30, random(), 50);
      if (static_cast<int64_t>(prompt.size()) > plain->remaining()) continue;
      turns.push_back(static_cast<int64_t>(plain->tokens().size()));
      GenerationOptions options = RandomGreedy(random, 50);
      // While a draft model catches up with more tokens than these, callers are asked too.
      const bool few = plain->tokens().size() + prompt.size() < 50;
      const Trouble trouble{few && random() % 4 == 0 ? static_cast<int>(random() % 8) : -1, -1};
      const Seen expected = Watch(*plain, prompt, options, trouble);
      options.draft = random() % 6 == 0 ? Draft::kLookup : Draft::kModel;
      Seen seen = Watch(*session, prompt, options, trouble);
      if (trouble.cancel_at < 0) seen.questions = expected.questions;
      ExpectSame(seen, expected);
      EXPECT_LE(seen.result.accepted, seen.result.drafted);
      drafted += seen.result.drafted;
      accepted += seen.result.accepted;
      if (random() % 2 == 0) {
        plain->MarkTurn();
        session->MarkTurn();
      }
      if (random() % 4 == 0) session = session->Fork();
    }
  }
  EXPECT_GT(accepted, 500);
  EXPECT_GT(drafted - accepted, 500);
}

// A draft model that is the target itself foresees everything, and nothing that is of no use.
TEST(ModelDraftTest, AModelForeseesItself) {
  const auto model = test::TinyModel(5, 50);
  Engine engine(model, WithDraft(test::TinyOptions(16), model));
  for (const double temperature : {0.0, 1.5}) {
    for (const int64_t length : {1, 2, 3, 8, 9, 10, 40}) {
      SCOPED_TRACE(::testing::Message() << temperature << ", " << length);
      GenerationOptions options;
      options.sampling.temperature = temperature;
      options.draft = Draft::kModel;
      options.draft_adapt = false;
      options.max_tokens = length;
      const auto session = engine.NewSession();
      const GenerationResult result = Generate(*session, Ids{1, 2, 3}, options);
      EXPECT_EQ(result.tokens.size(), static_cast<size_t>(length));
      EXPECT_EQ(result.accepted, result.drafted);
      // Of each step of eight tokens one is not drafted; the last token is not run.
      EXPECT_EQ(result.steps, (length - 1 + 7) / 8);
      EXPECT_EQ(result.drafted, length - 1 - result.steps);
      EXPECT_EQ(result.AcceptanceRate(), result.drafted > 0 ? 1.0 : 0.0);
    }
  }
}

// What was drafted, said and taken back before leaves no trace in what a seed says, and neither do
// threads and chunks.
TEST(ModelDraftTest, SampledRepliesAreAFunctionOfTheSeed) {
  const auto target = test::TinyModel(8, 50);
  const auto draft = test::TinyModel(9, 50);
  GenerationOptions options;
  options.sampling.temperature = 1.3;
  options.sampling.logit_bias = {{1, 5}, {2, 5}, {3, 5}, {4, 5}};
  options.draft = Draft::kModel;
  options.max_tokens = 40;
  const Ids prompt = RandomIds(30, 3, 50);
  Engine engine(target, WithDraft(test::TinyOptions(16), draft));
  engine.impl().draft_costs = kCheap;
  Engine other(target, WithDraft(test::TinyOptions(3, 2), draft));
  other.impl().draft_costs = kCheap;
  const auto used = engine.NewSession();
  int differ = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    options.sampling.seed = seed;
    options.draft_adapt = seed % 2 == 0;
    const GenerationResult fresh = Generate(*engine.NewSession(), prompt, options);
    EXPECT_EQ(Generate(*other.NewSession(), prompt, options).tokens, fresh.tokens);
    EXPECT_EQ(Generate(*used, prompt, options).tokens, fresh.tokens);
    Generate(*used, RandomIds(10, seed, 50), options);
    const auto fork = used->Fork();
    const GenerationResult more = Generate(*used, {&prompt[0], 1}, options);
    EXPECT_EQ(Generate(*fork, {&prompt[0], 1}, options).tokens, more.tokens);
    used->Reset();
    options.draft = Draft::kNone;
    differ += Generate(*engine.NewSession(), prompt, options).tokens != fresh.tokens;
    options.draft = Draft::kModel;
  }
  // As documented: the seed of a plain reply says something else.
  EXPECT_GT(differ, 0);
}

// The prompt is long, so that the draft model catches up in several steps, between which a caller
// is asked. Wherever that ends the reply, both sessions go on as if nothing had been.
TEST(ModelDraftTest, CancelledCatchingUpLeavesSessionsInOrder) {
  const auto target = test::TinyModel(6, 50);
  const auto draft = test::TinyModel(7, 50);
  Engine engine(target, WithDraft(test::TinyOptions(16), draft));
  Engine plain_engine(target, test::TinyOptions(16));
  const Ids prompt = RandomIds(150, 1, 50);
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = 20;
  options.draft_adapt = false;
  const Seen expected = Watch(*plain_engine.NewSession(), prompt, options);
  options.draft = Draft::kModel;
  int cancelled = 0;
  for (int question = 0; question < 28; ++question) {
    SCOPED_TRACE(question);
    const auto session = engine.NewSession();
    const Seen seen = Watch(*session, prompt, options, {question, -1});
    EXPECT_EQ(seen.questions, question + 1);
    EXPECT_EQ(seen.result.reason, EndReason::kCancelled);
    const size_t begun = prompt.size() + seen.result.tokens.size();
    cancelled += !seen.result.tokens.empty() && seen.result.steps == 0;
    if (seen.result.tokens.empty()) {
      EXPECT_LE(seen.tokens.size(), prompt.size());
    } else {
      EXPECT_EQ(seen.tokens.size(), begun);
    }
    session->Rewind(0);
    ExpectSame(
        [&] {
          Seen again = Watch(*session, prompt, options);
          again.questions = expected.questions;  // Catching up asks as well.
          return again;
        }(),
        expected);
  }
  EXPECT_GT(cancelled, 5);
}

TEST(ModelDraftTest, AShorterContextOfTheDraftModelEndsDraftsOnly) {
  gemma3n::HyperParams params = testing::RandomParams(11);
  params.vocab = params.ple_vocab = 50;
  params.context_length = 64;
  const auto draft = test::TinyModel(params, 11);
  const auto target = test::TinyModel(10, 50);
  Engine engine(target, WithDraft(test::TinyOptions(16), draft));
  Engine plain_engine(target, test::TinyOptions(16));
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.sampling.logit_bias = {{1, 100}};
  options.draft_adapt = false;
  for (const size_t length : {40, 63, 64, 65, 100}) {
    SCOPED_TRACE(length);
    const Ids prompt = RandomIds(length, length, 50);
    options.max_tokens = 60;
    options.draft = Draft::kNone;
    const Seen expected = Watch(*plain_engine.NewSession(), prompt, options);
    options.draft = Draft::kModel;
    Seen seen = Watch(*engine.NewSession(), prompt, options);
    seen.questions = expected.questions;
    ExpectSame(seen, expected);
    EXPECT_EQ(seen.result.drafted > 0, length < 64);
  }
}

TEST(ModelDraftTest, EnginesWithoutADraftModelSaySo) {
  Engine engine(test::TinyModel(1, 50), test::TinyOptions(16));
  GenerationOptions options;
  options.draft = Draft::kModel;
  const auto session = engine.NewSession();
  EXPECT_EQ(Caught([&] { Generate(*session, Ids{1}, options); }).kind(),
            ErrorKind::kInvalidArgument);
  EXPECT_TRUE(session->tokens().empty());
}

TEST(ModelDraftTest, ModelsOfOtherIdsAreRefused) {
  const auto target = test::TinyModel(1, 50);
  const Error ids =
      Caught([&] { Engine(target, WithDraft(test::TinyOptions(16), test::TinyModel(2, 60))); });
  EXPECT_EQ(ids.kind(), ErrorKind::kUnsupported);
  EXPECT_NE(ids.message().find("60 ids, not 50"), std::string::npos) << ids.message();
  EXPECT_EQ(Caught([&] { Engine(target, WithDraft(test::TinyOptions(16), Fable())); }).kind(),
            ErrorKind::kUnsupported);
  EXPECT_EQ(Caught([&] { Engine(Fable(), WithDraft(test::TinyOptions(16), target)); }).kind(),
            ErrorKind::kUnsupported);
}

class FablePairTest : public ::testing::Test {
 protected:
  GenerationOptions Greedy(Draft draft) const {
    GenerationOptions options;
    options.sampling.temperature = 0;
    options.draft = draft;
    options.draft_adapt = false;
    return options;
  }

  Engine engine_{Fable(), WithDraft(Options(64), FableE2b())};
};

TEST_F(FablePairTest, TheSliceForeseesMuch) {
  int64_t drafted = 0;
  int64_t accepted = 0;
  for (const char* message : {"Repeat: fish lamp kite river stone", "What is 12 + 30?",
                              "Tell me a story about a fox named Leo."}) {
    const GenerationResult plain = Reply(*engine_.NewSession(), message, Greedy(Draft::kNone));
    const GenerationResult result = Reply(*engine_.NewSession(), message, Greedy(Draft::kModel));
    EXPECT_EQ(result.text, plain.text);
    EXPECT_EQ(result.tokens, plain.tokens);
    EXPECT_EQ(result.reason, plain.reason);
    EXPECT_LT(result.steps, plain.steps);
    drafted += result.drafted;
    accepted += result.accepted;
  }
  EXPECT_GT(accepted * 2, drafted);
}

// As in a chat: turns, messages taken back, sessions saved and loaded, stop strings.
TEST_F(FablePairTest, ConversationsGoTheSameWay) {
  int64_t accepted = 0;
  const auto talk = [&](Draft draft) {
    GenerationOptions options = Greedy(draft);
    options.max_tokens = 60;
    const auto options_at = [&](int turn) {
      options.stop.clear();
      if (turn % 2 == 1) options.stop = {"river", "found"};
      return options;
    };
    return Talk(engine_, 7, options_at, accepted);
  };
  const auto plain = talk(Draft::kNone);
  EXPECT_EQ(accepted, 0);
  EXPECT_EQ(talk(Draft::kModel), plain);
  EXPECT_GT(accepted, 0);
}

TEST_F(FablePairTest, SessionsCountBothModelsKeysAndValues) {
  Engine plain(Fable(), Options(64));
  Engine slice(FableE2b(), Options(64));
  EXPECT_EQ(engine_.NewSession()->kv_bytes(),
            plain.NewSession()->kv_bytes() + slice.NewSession()->kv_bytes());
}

TEST(DraftCostsTest, FollowTheSizesOfTheModels) {
  const DraftCosts pair = EstimateDraftCosts(*Fable(), *FableE2b());
  EXPECT_GT(pair.draft_step, 0.3);
  EXPECT_LT(pair.draft_step, 0.9);
  EXPECT_EQ(EstimateDraftCosts(*Fable(), *Fable()).draft_step, 1);
  EXPECT_GT(pair.extra_row, 0);
  EXPECT_FALSE(EstimateDraftCosts(*Fable(), *Fable()).CanPay());
  EXPECT_TRUE((DraftCosts{0.7, 0.2}).CanPay());
}

}  // namespace
}  // namespace tandem
