// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Replies of the built-in model as a user sees them: streamed in whole characters, and turn after
// turn on one session.
#include <array>

#include "core/utf8.h"
#include "engine/engine_test_util.h"
#include "engine/model_text.h"
#include "tandem/generation.h"

namespace tandem {
namespace {

GenerationOptions GreedyOptions() {
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = 40;
  return options;
}

class ChatTest : public testing::Test {
 protected:
  // Generates and checks what holds for every stream.
  GenerationResult Stream(Session& session, std::span<const int32_t> prompt,
                          const GenerationOptions& options) {
    std::string streamed;
    const auto text = [&](std::string_view piece) {
      EXPECT_FALSE(piece.empty());
      EXPECT_TRUE(IsValidUtf8(piece)) << Printable(piece);
      streamed += piece;
    };
    const GenerationResult result = Generate(session, prompt, options, {.text = text});
    EXPECT_EQ(streamed, result.text);
    EXPECT_EQ(result.text, RequireTokenizer(*Fable()).Decode(result.tokens));
    return result;
  }
  Ids Render(std::vector<ChatMessage> messages) { return RequireChat(*Fable()).Render(messages); }

  Engine engine_{Fable(), Options(64, 2)};
};

TEST_F(ChatTest, EmojiComeWhole) {
  constexpr std::pair<const char*, const char*> kAnimals[] = {
      {"a fox", "🦊"}, {"an owl", "🦉"}, {"a bee", "🐝"}, {"a turtle", "🐢"}, {"a deer", "🦌"}};
  const Tokenizer& tokenizer = RequireTokenizer(*Fable());
  size_t bytes = 0;
  for (const auto& [animal, emoji] : kAnimals) {
    const auto prompt = Render({{Role::kUser, std::string("Show me ") + animal + " emoji."}});
    const auto result = Stream(*engine_.NewSession(), prompt, GreedyOptions());
    EXPECT_EQ(result.text, emoji);
    for (const int32_t id : result.tokens) bytes += tokenizer.TypeOf(id) == PieceType::kByte;
  }
  EXPECT_GT(bytes, 0u) << "no emoji came in several tokens, so this shows nothing";
}

// Random tokens: most of the byte pieces among them form no characters.
TEST_F(ChatTest, AnyTokensAreStreamedAsWholeCharacters) {
  const Tokenizer& tokenizer = RequireTokenizer(*Fable());
  GenerationOptions options = GreedyOptions();
  options.sampling.temperature = 100;
  options.sampling.top_k = 0;
  options.sampling.top_p = 1;
  // Bytes as likely as all the rest together.
  for (size_t id = 0; id < tokenizer.size(); ++id) {
    if (tokenizer.TypeOf(static_cast<int32_t>(id)) != PieceType::kByte) continue;
    options.sampling.logit_bias.emplace_back(static_cast<int32_t>(id), 210);
  }
  const auto prompt = Render({{Role::kUser, "Show me a fox emoji."}});
  size_t replaced = 0;
  options.max_tokens = 25;
  for (const uint64_t seed : {1, 2}) {
    options.sampling.seed = seed;
    const auto result = Stream(*engine_.NewSession(), prompt, options);
    replaced += result.text.find("\xef\xbf\xbd") != std::string::npos;
  }
  EXPECT_EQ(replaced, 2u);
}

TEST_F(ChatTest, StopStringsOfEmojiNeverShowAPart) {
  const auto prompt = Render({{Role::kUser, "Show me a fox emoji."}});
  GenerationOptions options = GreedyOptions();
  options.stop = {"🦊"};
  const auto result = Generate(*engine_.NewSession(), prompt, options,
                               {.text = [](std::string_view piece) { ADD_FAILURE() << piece; }});
  EXPECT_EQ(result.text, "");
  EXPECT_EQ(result.reason, EndReason::kStopString);
}

// The next turn on the kept session has the tokens and the reply of the whole conversation in a
// fresh one.
TEST_F(ChatTest, LaterTurnsRememberAsTheWholeConversationDoes) {
  const std::array<std::string, 3> user = {"Hello! My name is Leo.",
                                           "I like honey and the color blue.", "What is my name?"};
  const ChatFormat& chat = RequireChat(*Fable());
  const auto session = engine_.NewSession();
  std::vector<ChatMessage> messages;
  std::string reply;
  for (size_t turn = 0; turn < user.size(); ++turn) {
    messages.push_back({Role::kUser, user[turn]});
    const Ids whole = Render(messages);
    const Ids added = turn == 0 ? whole : chat.RenderNextTurn(false, user[turn]);
    const auto kept = Stream(*session, added, GreedyOptions());
    ASSERT_EQ(kept.reason, EndReason::kEndOfTurn);

    const auto fresh = engine_.NewSession();
    const auto anew = Stream(*fresh, whole, GreedyOptions());
    EXPECT_EQ(session->tokens(), fresh->tokens());
    EXPECT_EQ(kept.tokens, anew.tokens);
    reply = kept.text;
    messages.push_back({Role::kModel, reply});
  }
  EXPECT_EQ(reply, "Your name is Leo.");
}

// A reply that a limit cut: its last token is in the session although nothing has run it yet.
TEST_F(ChatTest, TurnsAfterACutReplyKeepItsLastToken) {
  const ChatFormat& chat = RequireChat(*Fable());
  const auto prompt = Render({{Role::kUser, "Hello! My name is Leo."}});
  GenerationOptions options = GreedyOptions();
  options.max_tokens = 3;
  const auto session = engine_.NewSession();
  const auto cut = Generate(*session, prompt, options);
  ASSERT_EQ(cut.reason, EndReason::kMaxTokens);
  const Ids next = chat.RenderNextTurn(false, "What is my name?");
  const auto cancelled = Generate(*session, next, options, {.cancelled = [] { return true; }});
  EXPECT_EQ(cancelled.reason, EndReason::kCancelled);
  const auto kept = Generate(*session, next, GreedyOptions());

  Ids whole = prompt;
  whole.insert(whole.end(), cut.tokens.begin(), cut.tokens.end());
  whole.insert(whole.end(), next.begin(), next.end());
  const auto fresh = engine_.NewSession();
  EXPECT_EQ(Generate(*fresh, whole, GreedyOptions()).tokens, kept.tokens);
  EXPECT_EQ(session->tokens(), fresh->tokens());
}

}  // namespace
}  // namespace tandem
