// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The built-in model, which is fable in Q8_0, against chats of the reference in bf16. Rounding the
// weights moves logits, so choices must agree only where the reference's was clear.
#include "engine/golden_chat.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/convert.h"
#include "engine/model_text.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

// A choice is clear when it leads by this much: rounding may move no logit of the eight by half of
// it. Q8_0 moves them by up to 0.11, Q4_K_M by up to 0.94.
constexpr float kClearGap = 0.5F;
constexpr float kLogitTolerance = kClearGap / 2;

struct Agreement {
  size_t steps = 0;
  size_t clear = 0;
  float error = 0;
};

Agreement ExpectAgreement(Engine& engine, const std::vector<GoldenChat>& chats) {
  Agreement total;
  for (const GoldenChat& chat : chats) {
    SCOPED_TRACE(chat.prompt);
    const ForcedChat forced = ForceGoldenChat(engine, chat);
    EXPECT_EQ(forced.choice.size(), chat.reply_ids.size());
    if (forced.choice.size() != chat.reply_ids.size()) continue;
    for (size_t step = 0; step < forced.choice.size(); ++step) {
      ++total.steps;
      total.error = std::max(total.error, forced.error[step]);
      EXPECT_LE(forced.error[step], kLogitTolerance) << "step " << step;
      if (chat.Gap(step) < kClearGap) continue;
      ++total.clear;
      EXPECT_EQ(forced.choice[step], chat.reply_ids[step]) << "step " << step;
    }
    if (chat.LeastGap() < kClearGap) continue;
    const GenerationResult reply = GreedyReply(engine, chat);
    EXPECT_EQ(reply.text, chat.reply);
    EXPECT_EQ(reply.reason, EndReason::kEndOfTurn);
  }
  return total;
}

// Prompts as text and as turns give the ids that the reference's tokenizer gave.
TEST(GoldenChatTest, PromptsAreTokenisedAsTheReferenceDoes) {
  const auto model = Model::LoadEmbedded();
  for (const GoldenChat& chat : ReadGoldenChats("data/fable-e4b/golden.json")) {
    EXPECT_EQ(RequireTokenizer(*model).Encode(chat.prompt, {true, true}), chat.prompt_ids);
    EXPECT_EQ(RequireTokenizer(*model).Decode(chat.reply_ids), chat.reply);
  }
  const ChatMessage chat[] = {{Role::kUser, "Hello! My name is Ida."},
                              {Role::kModel, "Nice to meet you, Ida!"},
                              {Role::kUser, "What is my name?"}};
  EXPECT_EQ(RequireChat(*model).Render(chat),
            ReadGoldenChats("data/fable-e4b/golden.json")[4].prompt_ids);
}

TEST(GoldenChatTest, BuiltInModelAgreesWhereTheReferenceIsSure) {
  Engine engine(Model::LoadEmbedded(), {});
  const auto total = ExpectAgreement(engine, ReadGoldenChats("data/fable-e4b/golden.json"));
  RecordProperty("largest_logit_error", std::to_string(total.error));
  // Only stories leave the reference a choice: most steps are clear, or the test says nothing.
  EXPECT_GT(total.clear * 10, total.steps * 8);
}

TEST(GoldenChatTest, SliceOfBuiltInModelAgreesWhereTheReferenceIsSure) {
  const TemporaryFolder folder;
  ConvertOptions options;
  options.output = folder.path() / "e2b.gguf";
  options.slice = "e2b";
  Convert(options);
  Engine engine(Model::Load(options.output), {});
  const auto total = ExpectAgreement(engine, ReadGoldenChats("data/fable-e2b/golden.json"));
  RecordProperty("largest_logit_error", std::to_string(total.error));
  EXPECT_GT(total.clear * 10, total.steps * 8);
}

}  // namespace
}  // namespace tandem
