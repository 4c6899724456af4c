// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// fable with its prompts on the emulated NPU, in three weight types: right replies to prompts with
// known answers.
#include <gtest/gtest.h>

#include <string>

#include "engine/convert.h"
#include "engine/fable_prompts.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

constexpr int kPromptsOfEachKind = 4;

void ExpectRightReplies(const std::shared_ptr<const Model>& model, const std::string& generation) {
  EngineOptions options;
  options.prefill = "npu";
  options.decode = "cpu";
  options.npu_generation = generation;
  std::vector<FablePrompt> prompts;
  for (const FablePrompt& prompt :
       FirstOfEachKind(ReadFablePrompts("data/fable/prompts.jsonl"), kPromptsOfEachKind)) {
    if (IsFableTask(prompt.kind)) prompts.push_back(prompt);  // the others are long
  }
  const FableResult result = EvaluateFable(model, prompts, 0, options);
  std::string misses;
  for (const std::string& miss : result.misses) misses += miss + "\n";
  EXPECT_EQ(result.Tasks().asked, 12 * kPromptsOfEachKind);
  EXPECT_EQ(result.Tasks().right, result.Tasks().asked) << misses;
}

TEST(NpuFableTest, BuiltInModel) { ExpectRightReplies(Model::LoadEmbedded(), "npu1"); }

class ConvertedNpuFableTest : public testing::TestWithParam<const char*> {};

TEST_P(ConvertedNpuFableTest, MadeFromBuiltInModel) {
  const TemporaryFolder folder;
  ConvertOptions options;
  options.output = folder.path() / "model.gguf";
  options.type = GetParam();
  Convert(options);
  ExpectRightReplies(Model::Load(options.output), "npu2");
}

INSTANTIATE_TEST_SUITE_P(Types, ConvertedNpuFableTest, testing::Values("q4_0", "q4_k_m"));

}  // namespace
}  // namespace tandem
