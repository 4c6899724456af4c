// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What ends a reply, and what is left behind: the text, the tokens, the session.
#include <algorithm>

#include "core/utf8.h"
#include "engine/engine_test_util.h"
#include "engine/model_text.h"
#include "tandem/generation.h"

namespace tandem {
namespace {

Ids Joined(Ids a, std::span<const int32_t> b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

GenerationOptions GreedyOptions(int64_t max_tokens = -1) {
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = max_tokens;
  return options;
}

// Sampling so hot that tokens of all kinds come, bytes that form no character among them, and no
// end token.
GenerationOptions WildOptions(int64_t max_tokens, uint64_t seed) {
  GenerationOptions options;
  options.sampling.temperature = 100;
  options.sampling.top_k = 0;
  options.sampling.top_p = 1;
  options.sampling.seed = seed;
  for (const int32_t id : Fable()->end_tokens()) {
    options.sampling.logit_bias.emplace_back(id, -INFINITY);
  }
  options.max_tokens = max_tokens;
  return options;
}

class GenerateTest : public testing::Test {
 protected:
  Ids Prompt(const std::string& text) {
    return RequireChat(*Fable()).Render(std::vector{ChatMessage{Role::kUser, text}});
  }
  GenerationResult Run(const Ids& prompt, const GenerationOptions& options) {
    session_->Reset();
    return Generate(*session_, prompt, options);
  }
  // The session holds exactly `ids`, and goes on as a new one would.
  void ExpectSessionHolds(Ids ids) {  // a copy: it may be the session's own
    EXPECT_EQ(session_->tokens(), ids);
    const Ids next = RandomIds(3, 1);
    EXPECT_TRUE(SameBits(Append(*session_, next), Fresh(engine_, Joined(ids, next))));
  }

  Engine engine_{Fable(), Options(64, 2)};
  std::unique_ptr<Session> session_ = engine_.NewSession();
  const Tokenizer& tokenizer_ = RequireTokenizer(*Fable());
};

TEST_F(GenerateTest, EndsAtTheEndOfTheTurn) {
  const Ids prompt = Prompt("What is the last word of: fish lamp");
  const GenerationResult result = Run(prompt, GreedyOptions());
  EXPECT_EQ(result.reason, EndReason::kEndOfTurn);
  EXPECT_EQ(result.text, "lamp");
  EXPECT_EQ(result.prompt_tokens, static_cast<int64_t>(prompt.size()));
  ASSERT_FALSE(Fable()->end_tokens().empty());
  for (const int32_t end : Fable()->end_tokens()) {
    EXPECT_EQ(std::count(result.tokens.begin(), result.tokens.end(), end), 0);
  }
  ExpectSessionHolds(Joined(prompt, result.tokens));
}

TEST_F(GenerateTest, EveryEndTokenOfTheModelEndsAReply) {
  const Ids prompt = Prompt("Hello");
  EXPECT_EQ(Fable()->end_tokens().size(), 2u);
  for (const int32_t end : Fable()->end_tokens()) {
    GenerationOptions options = GreedyOptions();
    options.sampling.logit_bias = {{end, INFINITY}};
    const GenerationResult result = Run(prompt, options);
    EXPECT_EQ(result.reason, EndReason::kEndOfTurn);
    EXPECT_TRUE(result.tokens.empty());
    EXPECT_EQ(session_->tokens(), prompt);
  }
}

TEST_F(GenerateTest, MaxTokensAndStopTokensCutTheSameReply) {
  const Ids prompt = Prompt("Count the words: one two three");
  const GenerationResult whole = Run(prompt, WildOptions(8, 7));
  ASSERT_EQ(whole.tokens.size(), 8u);
  EXPECT_EQ(whole.reason, EndReason::kMaxTokens);
  for (const size_t length : {0, 1, 7}) {
    const auto first = std::span(whole.tokens).first(length);
    const GenerationResult cut = Run(prompt, WildOptions(static_cast<int64_t>(length), 7));
    EXPECT_EQ(cut.reason, EndReason::kMaxTokens);
    EXPECT_EQ(cut.tokens, Ids(first.begin(), first.end()));
    EXPECT_EQ(cut.text, tokenizer_.Decode(first));
    EXPECT_EQ(session_->tokens(), Joined(prompt, first));

    GenerationOptions options = WildOptions(8, 7);
    options.stop_tokens = {whole.tokens[length], 1 << 30, -5};
    const GenerationResult stopped = Run(prompt, options);
    EXPECT_EQ(stopped.reason, EndReason::kEndOfTurn);
    const auto at = std::find(whole.tokens.begin(), whole.tokens.end(), whole.tokens[length]);
    EXPECT_EQ(stopped.tokens, Ids(whole.tokens.begin(), at));
    ExpectSessionHolds(Joined(prompt, stopped.tokens));
  }
}

TEST_F(GenerateTest, NoTokensAskedForMeansTheSinkIsSilent) {
  const Ids prompt = Prompt("Hello");
  const GenerationResult result = Generate(*session_, prompt, GreedyOptions(0),
                                           {.text = [](std::string_view) { ADD_FAILURE(); }});
  EXPECT_TRUE(result.tokens.empty());
  EXPECT_EQ(result.text, "");
  EXPECT_EQ(result.reason, EndReason::kMaxTokens);
  EXPECT_EQ(session_->tokens(), prompt);
}

// Any substring may be the stop string; the reply ends with the token that completes it.
TEST_F(GenerateTest, StopStringsCutTheReplyBeforeThem) {
  const Ids prompt = Prompt("Tell me a story about a fox named Leo.");
  const GenerationResult whole = Run(prompt, GreedyOptions(12));
  ASSERT_GT(whole.text.size(), 30u) << whole.text;
  std::mt19937_64 random(1);
  for (int round = 0; round < 6; ++round) {
    const size_t begin = random() % whole.text.size();
    const std::string stop = whole.text.substr(begin, 1 + random() % 4);
    GenerationOptions options = GreedyOptions(12);
    options.stop = {"not in any reply", stop};
    std::string streamed;
    session_->Reset();
    const GenerationResult result = Generate(
        *session_, prompt, options, {.text = [&](std::string_view text) { streamed += text; }});
    EXPECT_EQ(result.reason, EndReason::kStopString);
    EXPECT_EQ(result.text, whole.text.substr(0, whole.text.find(stop))) << stop;
    EXPECT_EQ(streamed, result.text);
    size_t length = 0;
    const auto first = [&] { return std::span(whole.tokens).first(length); };
    while (tokenizer_.Decode(first()).find(stop) == std::string::npos) ++length;
    EXPECT_EQ(result.tokens, Ids(first().begin(), first().end()));
    EXPECT_EQ(session_->tokens(), Joined(prompt, result.tokens));
  }
  ExpectSessionHolds(session_->tokens());
}

// A stop string that begins and does not end is part of the reply, whatever ends it.
TEST_F(GenerateTest, BeginningsOfStopStringsAreNotLost) {
  const Ids prompt = Prompt("What is the last word of: fish lamp");
  GenerationOptions options = GreedyOptions();
  options.stop = {"lamp lamp", "mp!"};
  EXPECT_EQ(Run(prompt, options).text, "lamp");
  options.max_tokens = 1;
  const GenerationResult cut = Run(prompt, options);
  EXPECT_EQ(cut.text, tokenizer_.Decode(cut.tokens));
  EXPECT_EQ(cut.reason, EndReason::kMaxTokens);
}

// Bytes that form no character show only once the reply is over; they count for stops all the same.
TEST_F(GenerateTest, StopStringsInTheVeryEndOfAReply) {
  const Ids prompt = Prompt("Hello");
  GenerationOptions options = GreedyOptions(1);
  const int32_t byte = tokenizer_.FindPiece("<0xF0>");
  ASSERT_NE(byte, kNoToken);
  options.sampling.logit_bias = {{byte, INFINITY}};
  EXPECT_EQ(Run(prompt, options).text, "\xef\xbf\xbd");
  options.stop = {"\xef\xbf\xbd"};
  const GenerationResult result = Run(prompt, options);
  EXPECT_EQ(result.text, "");
  EXPECT_EQ(result.reason, EndReason::kStopString);
}

TEST_F(GenerateTest, ContextFullEndsTheReply) {
  const Ids prompt = Prompt("Tell me a story about a fox named Leo.");
  const GenerationResult free = Run(prompt, WildOptions(5, 3));
  for (const size_t room : {0, 1, 4}) {
    const auto session = engine_.NewSession(static_cast<int64_t>(prompt.size() + room));
    const GenerationResult result = Generate(*session, prompt, WildOptions(-1, 3));
    EXPECT_EQ(result.reason, EndReason::kContextFull);
    EXPECT_EQ(result.tokens,
              Ids(free.tokens.begin(), free.tokens.begin() + static_cast<int>(room)));
    EXPECT_EQ(result.text, tokenizer_.Decode(result.tokens));
    EXPECT_EQ(session->tokens(), Joined(prompt, result.tokens));
    EXPECT_EQ(session->remaining(), 0);
    session->Reset();
    const GenerationResult limited =
        Generate(*session, prompt, WildOptions(static_cast<int64_t>(room), 3));
    EXPECT_EQ(limited.reason, EndReason::kMaxTokens);
    EXPECT_EQ(limited.tokens, result.tokens);
  }
}

TEST_F(GenerateTest, PromptsLongerThanTheContextAreRefusedWithBothLengths) {
  const Ids prompt = RandomIds(41, 4);
  const auto session = engine_.NewSession(37);
  const Error error = Caught([&] { Generate(*session, prompt, GreedyOptions()); });
  EXPECT_EQ(error.kind(), ErrorKind::kResource);
  EXPECT_NE(error.message().find("41"), std::string::npos) << error.message();
  EXPECT_NE(error.message().find("37"), std::string::npos) << error.message();
  EXPECT_TRUE(session->tokens().empty());
  EXPECT_EQ(Generate(*session, Prompt("Hello"), GreedyOptions(2)).tokens.size(), 2u);
}

// Cancelled at the n-th question: between steps of the prompt, or after a token of the reply.
TEST_F(GenerateTest, CancellingAnywhereKeepsTheSessionUsable) {
  Engine engine(Fable(), Options(8, 2));
  const Ids prompt = Prompt("Tell me a story about a fox named Leo.");
  ASSERT_GT(prompt.size(), 16u);
  ASSERT_LE(prompt.size(), 24u);
  const Ids reply = Run(prompt, WildOptions(6, 5)).tokens;
  for (int questions = 0; questions < 6; ++questions) {
    const auto session = engine.NewSession();
    int left = questions;
    const GenerationResult result =
        Generate(*session, prompt, WildOptions(6, 5), {.cancelled = [&] { return left-- == 0; }});
    EXPECT_EQ(result.reason, EndReason::kCancelled);
    const size_t ran = questions < 3 ? static_cast<size_t>(questions) * 8 : prompt.size();
    const size_t sampled = questions < 3 ? 0 : static_cast<size_t>(questions) - 2;
    EXPECT_EQ(result.tokens, Ids(reply.begin(), reply.begin() + static_cast<int>(sampled)));
    EXPECT_EQ(result.text, tokenizer_.Decode(result.tokens));
    const Ids held =
        Joined(Ids(prompt.begin(), prompt.begin() + static_cast<int>(ran)), result.tokens);
    EXPECT_EQ(session->tokens(), held);
    const Ids next = RandomIds(5, 2);
    EXPECT_TRUE(SameBits(Append(*session, next), Fresh(engine_, Joined(held, next))));
  }
}

TEST_F(GenerateTest, SeedsGiveTheSameReplyOnEveryEngine) {
  const Ids prompt = Prompt("Tell me a story about a fox named Leo.");
  GenerationOptions options = DefaultGenerationOptions(*Fable());
  options.sampling.temperature = 3;
  options.max_tokens = 8;
  std::vector<Ids> replies;
  for (const uint64_t seed : {1, 2, 3}) {
    options.sampling.seed = seed;
    replies.push_back(Run(prompt, options).tokens);
  }
  EXPECT_EQ(Run(prompt, options).tokens, replies[2]);
  EXPECT_NE(replies[0], replies[1]);
  EXPECT_NE(replies[1], replies[2]);
  for (const auto& [chunk, threads] : {std::pair(1, 1), std::pair(7, 3)}) {
    Engine engine(Fable(), Options(chunk, threads));
    EXPECT_EQ(Generate(*engine.NewSession(), prompt, options).tokens, replies[2]) << chunk;
  }
}

TEST_F(GenerateTest, OptionsThatMakeNoSenseAreRefusedBeforeAnythingRuns) {
  const auto refused = [&](const GenerationOptions& options, const Ids& prompt) {
    EXPECT_EQ(Caught([&] { Generate(*session_, prompt, options); }).kind(),
              ErrorKind::kInvalidArgument);
    EXPECT_TRUE(session_->tokens().empty());
  };
  const Ids prompt = {2, 5};
  refused(GreedyOptions(-2), prompt);
  GenerationOptions options = GreedyOptions();
  options.stop = {"a", ""};
  refused(options, prompt);
  options = GreedyOptions();
  options.sampling.top_p = 2;
  refused(options, prompt);
  refused(GreedyOptions(), {});
}

TEST(GenerateByIdsTest, AModelWithoutTokenizerGeneratesTokens) {
  Engine engine(RandomModel("base"), Options(16));
  const Ids prompt = RandomIds(20, 6);
  const GenerationResult result = Generate(*engine.NewSession(), prompt, GreedyOptions(10));
  EXPECT_EQ(result.text, "");
  Ids ids = prompt;
  for (const int32_t token : result.tokens) {
    const Floats logits = Fresh(engine, ids);
    EXPECT_EQ(token, std::max_element(logits.begin(), logits.end()) - logits.begin());
    ids.push_back(token);
  }
  GenerationOptions options = GreedyOptions(1);
  options.stop = {"a"};
  EXPECT_EQ(Caught([&] { Generate(*engine.NewSession(), prompt, options); }).kind(),
            ErrorKind::kUnsupported);
}

TEST(EndReasonTest, Names) {
  EXPECT_EQ(EndReasonName(EndReason::kEndOfTurn), "end_of_turn");
  EXPECT_EQ(EndReasonName(EndReason::kStopString), "stop_string");
  EXPECT_EQ(EndReasonName(EndReason::kMaxTokens), "max_tokens");
  EXPECT_EQ(EndReasonName(EndReason::kContextFull), "context_full");
  EXPECT_EQ(EndReasonName(EndReason::kCancelled), "cancelled");
}

}  // namespace
}  // namespace tandem
