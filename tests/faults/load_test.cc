// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Faults while models, tokenizers and texts are read.
#include <gtest/gtest.h>

#include <fstream>
#include <optional>

#include "cli/input.h"
#include "engine/check.h"
#include "engine/model_data.h"
#include "engine/model_text.h"
#include "faults/small_model.h"
#include "faults/torture.h"
#include "support/gguf_patch.h"
#include "support/model_test.h"
#include "tandem/model.h"
#include "tokenizer/test_vocab.h"

namespace tandem::test {
namespace {

constexpr const char* kText = "the hat\n\nhe ate: \xf0\x9f\xa6\x8a";

class LoadScenario : public Scenario {
 public:
  explicit LoadScenario(std::filesystem::path path)
      : path_(std::move(path)), plain_(Model::Load(path_)), logits_(Logits(plain_, Ids())) {}

  void Run() override { model_ = Model::Load(path_); }
  void CheckDone() override {
    EXPECT_EQ(model_->name(), plain_->name());
    EXPECT_EQ(model_->notes(), plain_->notes());
    EXPECT_EQ(model_->end_tokens(), plain_->end_tokens());
    EXPECT_EQ(model_->defaults().top_k, plain_->defaults().top_k);
    EXPECT_EQ(model_->data().banned, plain_->data().banned);
    ASSERT_TRUE(model_->can_chat());
    EXPECT_EQ(model_->Tokenize(kText), plain_->Tokenize(kText));
    EXPECT_TRUE(SameBits(Logits(model_, Ids()), logits_));
  }
  void CheckFailed() override { EXPECT_EQ(model_, nullptr); }
  void Clear() override { model_.reset(); }

 private:
  static std::vector<int32_t> Ids() { return {2, 270, 265, 100, 271}; }

  std::filesystem::path path_;
  std::shared_ptr<const Model> plain_;
  std::vector<float> logits_;
  std::shared_ptr<const Model> model_;
};

TEST(LoadFaults, GgufFile) {
  const TemporaryFolder folder;
  WriteSmallGguf(folder / "model.gguf");
  LoadScenario scenario(folder / "model.gguf");
  Torture("load a GGUF file", scenario, {Call::kAllocation, Call::kOpen, Call::kStat, Call::kMap});
}

TEST(LoadFaults, GgufFileInParts) {
  const TemporaryFolder folder;
  WriteSmallGguf(folder / "model.gguf");
  LoadScenario scenario(GgufPatch(folder / "model.gguf").WriteParts(folder / "part", 3));
  Torture("load a GGUF file of three parts", scenario,
          {Call::kAllocation, Call::kOpen, Call::kStat, Call::kMap});
}

TEST(LoadFaults, Folder) {
  for (const bool json : {false, true}) {
    const TemporaryFolder folder;
    WriteSmallFolder(folder / "model", json);
    // As shells complete it.
    LoadScenario scenario(folder / (json ? "model/" : "model"));
    Torture(json ? "load a folder with tokenizer.json" : "load a folder with tokenizer.model",
            scenario, {Call::kAllocation, Call::kOpen, Call::kStat, Call::kLink, Call::kMap});
  }
}

class TokenizerScenario : public Scenario {
 public:
  explicit TokenizerScenario(std::filesystem::path path)
      : path_(std::move(path)), ids_(LoadTokenizer(path_).Encode(kText)) {}

  void Run() override {
    const Tokenizer tokenizer = LoadTokenizer(path_);
    encoded_ = tokenizer.Encode(kText);
    decoded_ = tokenizer.Decode(encoded_);
  }
  bool IsPublic() const override { return false; }
  void CheckDone() override {
    EXPECT_EQ(encoded_, ids_);
    EXPECT_EQ(decoded_, kText);
  }
  void Clear() override {
    encoded_ = {};
    decoded_ = {};
  }

 private:
  std::filesystem::path path_;
  std::vector<int32_t> ids_;
  std::vector<int32_t> encoded_;
  std::string decoded_;
};

TEST(LoadFaults, Tokenizer) {
  const TemporaryFolder folder;
  WriteSmallGguf(folder / "model.gguf");
  std::ofstream(folder / "tokenizer.model") << ToSentencePieceModel(SmallVocab());
  std::ofstream(folder / "tokenizer.json") << ToTokenizerJson(SmallVocab(), false);
  for (const char* name : {"model.gguf", "tokenizer.model", "tokenizer.json"}) {
    TokenizerScenario scenario(folder / name);
    Torture(std::string("tokenize with ") + name, scenario,
            {Call::kAllocation, Call::kOpen, Call::kStat, Call::kMap});
  }
}

class UseScenario : public Scenario {
 public:
  explicit UseScenario(const std::filesystem::path& path) : model_(Model::Load(path)) {}

  void Run() override {
    name_ = model_->name();
    const std::vector<int32_t> ids = model_->Tokenize(kText);
    text_ = model_->Detokenize(ids);
    turn_ = model_->TokenizeChat(messages_);
  }
  void CheckDone() override {
    EXPECT_EQ(name_, "a model with a name that is not short");
    EXPECT_EQ(text_, kText);
    EXPECT_GT(turn_.size(), 50u);
  }
  void Clear() override {
    name_ = std::string();
    text_ = std::string();
    turn_ = std::vector<int32_t>();
  }

 private:
  std::shared_ptr<const Model> model_;
  const std::vector<ChatMessage> messages_ = {{Role::kSystem, kText}, {Role::kUser, kText}};
  std::string name_;
  std::string text_;
  std::vector<int32_t> turn_;
};

TEST(LoadFaults, Use) {
  const TemporaryFolder folder;
  WriteSmallGguf(folder / "model.gguf");
  UseScenario scenario(folder / "model.gguf");
  Torture("use a model's tokenizer", scenario, {Call::kAllocation});
}

class CheckScenario : public Scenario {
 public:
  explicit CheckScenario(const std::filesystem::path& path)
      : model_(Model::Load(path)), plain_(CheckModel(*model_)) {}

  void Run() override { result_ = CheckModel(*model_); }
  bool IsPublic() const override { return false; }
  void CheckDone() override {
    ASSERT_EQ(result_.files.size(), plain_.files.size());
    for (size_t i = 0; i < plain_.files.size(); ++i) {
      EXPECT_EQ(result_.files[i].name, plain_.files[i].name);
      EXPECT_EQ(result_.files[i].hash, plain_.files[i].hash);
    }
    EXPECT_EQ(result_.tensor_bytes, plain_.tensor_bytes);
    EXPECT_TRUE(result_.ok());
  }
  void Clear() override { result_ = {}; }

 private:
  std::shared_ptr<const Model> model_;
  CheckResult plain_;
  CheckResult result_;
};

TEST(LoadFaults, Check) {
  const TemporaryFolder folder;
  WriteSmallFolder(folder / "model", false);
  CheckScenario scenario(folder / "model");
  Torture("check a folder", scenario,
          {Call::kAllocation, Call::kOpen, Call::kStat, Call::kList, Call::kMap});
}

class TextScenario : public Scenario {
 public:
  explicit TextScenario(std::filesystem::path path) : path_(std::move(path)) {
    for (int i = 0; i < 50000; ++i) text_ += std::to_string(i);
    std::ofstream(path_) << text_;
  }
  void Run() override { read_ = cli::ReadTextFile(path_, cli::kMaxTextFileBytes); }
  bool IsPublic() const override { return false; }
  void CheckDone() override { EXPECT_EQ(read_, text_); }
  void Clear() override { read_ = std::string(); }

 private:
  std::filesystem::path path_;
  std::string text_;
  std::string read_;
};

TEST(LoadFaults, Text) {
  const TemporaryFolder folder;
  TextScenario scenario(folder / "prompt.txt");
  Torture("read a text", scenario, {Call::kAllocation, Call::kOpen, Call::kRead});
}

}  // namespace
}  // namespace tandem::test
