// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// fable in bf16 and float32, whole and sliced, against the reference's chats: ids, text and logits.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <tuple>

#include "engine/convert.h"
#include "engine/golden_chat.h"
#include "engine/model_text.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

// Golden logits are rounded to 4 decimals; the scalar path comes within 7e-5 of them.
constexpr float kLogitTolerance = 5e-4F;

void ExpectGoldenChats(const std::filesystem::path& model, const std::filesystem::path& golden) {
  Engine engine(Model::Load(model), {});
  float largest = 0;
  for (const GoldenChat& chat : ReadGoldenChats(golden)) {
    SCOPED_TRACE(chat.prompt);
    EXPECT_EQ(RequireTokenizer(engine.model()).Encode(chat.prompt, {true, true}), chat.prompt_ids);
    const GenerationResult reply = GreedyReply(engine, chat);
    EXPECT_EQ(reply.reason, EndReason::kEndOfTurn);
    EXPECT_EQ(reply.text, chat.reply);
    EXPECT_EQ(reply.tokens, std::vector(chat.reply_ids.begin(), chat.reply_ids.end() - 1));
    const ForcedChat forced = ForceGoldenChat(engine, chat);
    ASSERT_EQ(forced.error.size(), chat.reply_ids.size());
    for (const float error : forced.error) largest = std::max(largest, error);
  }
  testing::Test::RecordProperty("largest_logit_error", std::to_string(largest));
  EXPECT_LE(largest, kLogitTolerance);
}

TEST(GoldenChatBf16Test, HuggingFaceFolder) {
  const auto models = SharedModels();
  if (!models) GTEST_SKIP() << kNoSharedModels;
  ExpectGoldenChats(*models / "fable-e4b", "data/fable-e4b/golden.json");
}

// Parameters: weight type, slice, golden.
class ConvertedGoldenChatTest
    : public testing::TestWithParam<std::tuple<const char*, const char*, const char*>> {};

TEST_P(ConvertedGoldenChatTest, GgufFile) {
  const auto models = SharedModels();
  if (!models) GTEST_SKIP() << kNoSharedModels;
  const auto& [type, slice, golden] = GetParam();
  const TemporaryFolder folder;
  ConvertOptions options;
  options.source = *models / "fable-e4b";
  options.output = folder.path() / "model.gguf";
  options.type = type;
  options.slice = slice;
  Convert(options);
  ExpectGoldenChats(options.output, golden);
}

INSTANTIATE_TEST_SUITE_P(Types, ConvertedGoldenChatTest,
                         testing::Values(std::tuple("f32", "", "data/fable-e4b/golden.json"),
                                         std::tuple("bf16", "e2b", "data/fable-e2b/golden.json"),
                                         std::tuple("f32", "e2b", "data/fable-e2b/golden.json")),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param)) +
                                  (*std::get<1>(test.param) ? "Slice" : "Whole");
                         });

}  // namespace
}  // namespace tandem
