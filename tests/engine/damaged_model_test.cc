// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Models whose files are well-formed and whose content is not what it should be.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "engine/convert.h"
#include "engine/model_text.h"
#include "engine/score.h"
#include "support/gguf_patch.h"
#include "support/model_test.h"
#include "tandem/engine.h"
#include "tandem/generation.h"

namespace tandem::test {
namespace {

class DamagedModel : public testing::Test {
 protected:
  DamagedModel() {
    ConvertOptions options;
    options.output = folder_.path() / "fable.gguf";
    options.threads = 1;
    Convert(options);
    patch_.emplace(options.output);
  }

  std::shared_ptr<const Model> Patched() {
    patch_->Write(folder_.path() / "patched.gguf");
    return Model::Load(folder_.path() / "patched.gguf");
  }

  TemporaryFolder folder_;
  std::optional<GgufPatch> patch_;
};

// Fine-tuned models often name an end token as their padding.
TEST_F(DamagedModel, PaddingThatIsAnEndTokenStillEndsReplies) {
  patch_->Set<uint32_t>("tokenizer.ggml.padding_token_id", 6);
  const auto model = Patched();
  EXPECT_FALSE(model->IsBanned(6));
  EXPECT_TRUE(model->IsBanned(0));  // <pad> by name
  Engine engine(model, {});
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = 20;
  const ChatMessage question{Role::kUser, "What is the capital of Brazil?"};
  const auto prompt = RequireChat(*model).Render({&question, 1});
  const auto result = Generate(*engine.NewSession(), prompt, options);
  EXPECT_EQ(result.text, "The capital of Brazil is Bras\xc3\xadlia.");
  EXPECT_EQ(result.reason, EndReason::kEndOfTurn);
}

TEST_F(DamagedModel, LogitsThatAreNoNumbersAreAnError) {
  PatchTensor& norm = patch_->Tensor("output_norm.weight");
  auto values = norm.Values();
  values[5] = NAN;
  norm.Store(DType::kF32, values);
  const auto model = Patched();
  Engine engine(model, {});
  const std::vector<int32_t> ids = {2, 10, 20};
  const auto kind = [](const auto& action) {
    try {
      action();
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::kInternal;
  };
  EXPECT_EQ(kind([&] { Score(*engine.NewSession(), ids, {}); }), ErrorKind::kCorruptFile);
  EXPECT_EQ(kind([&] { Generate(*engine.NewSession(), ids, {}); }), ErrorKind::kCorruptFile);
}

TEST_F(DamagedModel, StacksOfTheWrongDepthAreCorrupt) {
  PatchTensor& gate = patch_->Tensor("blk.0.ffn_gate.weight");
  gate.ne = {gate.ne[0], gate.ne[1] / 2, 2};
  EXPECT_THROW(
      {
        try {
          Patched();
        } catch (const Error& error) {
          EXPECT_EQ(error.kind(), ErrorKind::kCorruptFile);
          EXPECT_NE(error.message().find("blk.0.ffn_gate"), std::string::npos);
          throw;
        }
      },
      Error);
}

// Heads and their dimension may each be in range while their product would fill the memory.
TEST_F(DamagedModel, AbsurdWidthsAreRefused) {
  patch_->Set<uint32_t>("gemma3n.attention.head_count", 1024);
  patch_->Set<uint32_t>("gemma3n.attention.key_length", 4096);
  EXPECT_THROW(Patched(), Error);
}

}  // namespace
}  // namespace tandem::test
