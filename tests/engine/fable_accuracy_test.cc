// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A small version of fable_accuracy that needs only what lies in the repository: types are made
// from the built-in Q8_0, which loses a little more than converting from bf16 does.
#include <gtest/gtest.h>

#include <string>

#include "engine/convert.h"
#include "engine/fable_prompts.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

constexpr int kPromptsOfEachKind = 10;

void ExpectRightReplies(const std::shared_ptr<const Model>& model) {
  const auto prompts =
      FirstOfEachKind(ReadFablePrompts("data/fable/prompts.jsonl"), kPromptsOfEachKind);
  const FableResult result = EvaluateFable(model, prompts, 0);
  std::string misses;
  for (const std::string& miss : result.misses) misses += miss + "\n";
  EXPECT_EQ(result.kinds.size(), 14U);
  EXPECT_EQ(result.Tasks().asked, 12 * kPromptsOfEachKind);
  EXPECT_GE(result.Tasks().Percent(), 99) << misses;
  EXPECT_EQ(result.Kind("memory").right, kPromptsOfEachKind) << misses;
}

TEST(FableAccuracyTest, BuiltInModel) { ExpectRightReplies(Model::LoadEmbedded()); }

class ConvertedFableAccuracyTest : public testing::TestWithParam<const char*> {};

TEST_P(ConvertedFableAccuracyTest, MadeFromBuiltInModel) {
  const TemporaryFolder folder;
  ConvertOptions options;
  options.output = folder.path() / "model.gguf";
  options.type = GetParam();
  Convert(options);
  ExpectRightReplies(Model::Load(options.output));
}

INSTANTIATE_TEST_SUITE_P(Types, ConvertedFableAccuracyTest, testing::Values("q4_0", "q4_k_m"));

}  // namespace
}  // namespace tandem
