// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Slices as models of their own: the same numbers as in a file of their own, out of the weights of
// the whole; and which models may draft for which.
#include <fmt/format.h>

#include <map>
#include <string>

#include "engine/convert.h"
#include "engine/engine_test_util.h"
#include "engine/info.h"
#include "engine/model_data.h"
#include "support/gguf_patch.h"
#include "support/model_test.h"
#include "tandem/generation.h"

namespace tandem {
namespace {

const std::filesystem::path kFable = "../models/fable-e4b-q8_0.gguf";

TEST(ModelSliceTest, SaysWhatItsOwnFileSays) {
  const test::TemporaryFolder folder;
  ConvertOptions options;
  options.source = kFable;
  options.output = folder / "e2b.gguf";
  options.type = "q8_0";
  options.slice = "e2b";
  options.threads = 1;
  Convert(options);
  const auto slice = Model::Slice(Model::Load(kFable), "e2b");
  const Ids ids = RandomIds(90, 1, 2400);
  EXPECT_TRUE(test::SameBits(test::Logits(slice, ids), test::Logits(options.output, ids)));
  EXPECT_TRUE(slice->can_chat());
  EXPECT_EQ(slice->Tokenize("a fox"), Fable()->Tokenize("a fox"));
  EXPECT_EQ(slice->end_tokens(), Fable()->end_tokens());
  EXPECT_EQ(slice->source(), kFable.string() + ", slice e2b");
  EXPECT_FALSE(slice->is_embedded());
}

TEST(ModelSliceTest, PointsIntoTheWhole) {
  const auto whole = Model::Load(kFable);
  const auto slice = Model::Slice(whole, "e2b");
  std::map<std::string, gemma::OutputTensor> large;
  for (auto& tensor : whole->data().text->ListTensors()) large[tensor.name] = tensor;
  std::map<std::string, gemma::OutputTensor> small;
  for (auto& tensor : slice->data().text->ListTensors()) small[tensor.name] = tensor;
  const auto data = [](const gemma::OutputTensor& tensor) { return tensor.stack.at(0).data; };
  EXPECT_EQ(data(small["token_embd.weight"]), data(large["token_embd.weight"]));
  for (int i = 0; i < 10; ++i) {
    const std::string ours = "blk." + std::to_string(i);
    const std::string its = "blk." + std::to_string(i < 5 ? i : i + 5);
    for (const std::string name : {".ffn_gate.weight", ".ffn_down.weight"}) {
      EXPECT_EQ(data(small[ours + name]), data(large[its + name]));
    }
    const std::string norm = ".attn_norm.weight";
    EXPECT_EQ(small[ours + norm].vector.data(), large[its + norm].vector.data());
  }
  EXPECT_EQ(small.count("blk.10.attn_norm.weight"), 0u);
  EXPECT_EQ(slice->data().tokenizer, whole->data().tokenizer);
  EXPECT_EQ(Describe(*slice).file_bytes, Describe(*whole).file_bytes);
}

TEST(ModelSliceTest, KeepsTheWholeAlive) {
  std::shared_ptr<const Model> slice;
  std::weak_ptr<const Model> gone;
  {
    auto whole = Model::Load(kFable);
    gone = whole;
    slice = Model::Slice(std::move(whole), "e2b");
  }
  EXPECT_FALSE(gone.expired());
  Engine engine(slice, Options(16));
  EXPECT_EQ(Append(*engine.NewSession(), Ids{2, 5}).size(), 4096u);
}

TEST(ModelSliceTest, WhatThereIsNotIsRefused) {
  EXPECT_EQ(Caught([] { Model::Slice(nullptr, "e2b"); }).kind(), ErrorKind::kInvalidArgument);
  const Error error = Caught([] { Model::Slice(Fable(), "e3b\n"); });
  EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(error.message().find('\n'), std::string::npos);
  EXPECT_EQ(Caught([] { Model::Slice(Model::Slice(Fable(), "e2b"), "e2b"); }).kind(),
            ErrorKind::kInvalidArgument);
}

TEST(ModelSliceTest, SessionsBelongToTheSlice) {
  const test::TemporaryFolder folder;
  Engine whole(Fable(), Options(16));
  Engine slice(Model::Slice(Fable(), "e2b"), Options(16));
  const auto session = slice.NewSession();
  const Floats expected = Append(*session, Ids{2, 5, 6});
  session->Rewind(2);
  session->Save(folder / "session");
  const auto again = slice.NewSession();
  again->Load(folder / "session");
  EXPECT_TRUE(SameBits(Append(*again, Ids{6}), expected));
  EXPECT_EQ(Caught([&] { whole.NewSession()->Load(folder / "session"); }).kind(),
            ErrorKind::kUnsupported);
}

class DraftVocabularyTest : public testing::Test {
 protected:
  /// fable with a change of its pieces, drafting for fable.
  void Draft(const std::function<void(std::vector<std::string>& pieces)>& change) {
    test::GgufPatch patch(kFable);
    const Vocab& vocab = Fable()->data().tokenizer->vocab();
    std::vector<std::string> pieces = vocab.pieces;
    change(pieces);
    patch.SetStrings("tokenizer.ggml.tokens", pieces);
    const auto size = static_cast<std::ptrdiff_t>(pieces.size());
    patch.SetArray("tokenizer.ggml.scores",
                   std::vector<float>(vocab.scores.begin(), vocab.scores.begin() + size));
    std::vector<int32_t> types;
    for (const PieceType type : vocab.types) types.push_back(static_cast<int32_t>(type));
    types.resize(pieces.size());
    patch.SetArray("tokenizer.ggml.token_type", types);
    patch.Write(folder_ / "draft.gguf");
    EngineOptions options = Options(16);
    options.draft_model = Model::Load(folder_ / "draft.gguf");
    Engine engine(Fable(), options);
  }

  test::TemporaryFolder folder_;
};

TEST_F(DraftVocabularyTest, TheFirstDifferenceIsNamed) {
  Draft([](auto&) {});
  const Error error = Caught([&] {
    Draft([](std::vector<std::string>& pieces) {
      pieces[1000] = "one\x1bthing";
      pieces[2000] = "another";
    });
  });
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  const std::string& message = error.message();
  EXPECT_NE(message.find("token 1000 is 'one"), std::string::npos) << message;
  EXPECT_NE(message.find("built-in fable"), std::string::npos) << message;
  EXPECT_NE(message.find("draft.gguf"), std::string::npos) << message;
  EXPECT_EQ(message.find('\x1b'), std::string::npos) << message;
  EXPECT_EQ(message.find(" pieces"), std::string::npos) << message;
  EXPECT_FALSE(error.hint().empty());
}

TEST_F(DraftVocabularyTest, OtherSizesAreNamed) {
  const size_t size = Fable()->data().tokenizer->vocab().size();
  const auto shorter = [](std::vector<std::string>& pieces) { pieces.pop_back(); };
  Draft(shorter);  // Of a reserved row, which need not be there.
  const Error error = Caught([&] {
    Draft([&](std::vector<std::string>& pieces) {
      pieces[1000] = "onething";
      shorter(pieces);
    });
  });
  EXPECT_NE(error.message().find(fmt::format(", of {} and {} pieces", size - 1, size)),
            std::string::npos)
      << error.message();
}

}  // namespace
}  // namespace tandem
