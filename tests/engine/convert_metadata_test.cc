// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The metadata of converted files: what a file says about itself, its tokenizer, its defaults.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>

#include "engine/convert.h"
#include "engine/model_text.h"
#include "formats/gguf.h"
#include "support/gguf_patch.h"
#include "support/hf_model.h"
#include "support/model_test.h"
#include "tandem/model.h"

namespace tandem::test {
namespace {

const std::filesystem::path kBase = "data/random/base";
const std::filesystem::path kFable = "../models/fable-e4b-q8_0.gguf";

class ConvertMetadata : public testing::Test {
 protected:
  std::filesystem::path Run(const std::filesystem::path& source, const std::string& type = "q4_0",
                            const std::string& output = "out.gguf") {
    ConvertOptions options;
    options.source = source;
    options.output = folder_ / output;
    options.type = type;
    options.threads = 1;
    summary_ = Convert(options);
    return options.output;
  }

  // A folder with the tokenizer of fable and room for its pieces in the tables of the base model.
  std::filesystem::path FolderWithTokenizer() const {
    HfModel model = ReadHfModel(kBase);
    HfTensor& table = model.tensors.at("model.language_model.embed_tokens.weight");
    table.shape[0] = 4096;
    table.data.resize(4096 * 128 * 2);
    model.text()["vocab_size"] = 4096;
    WriteHfModel(folder_ / "hf", model);
    std::filesystem::copy_file("data/tokenizer/tokenizer.model",
                               folder_ / "hf" / "tokenizer.model");
    return folder_ / "hf";
  }

  static std::vector<std::string> Texts() {
    const nlohmann::json golden =
        nlohmann::json::parse(std::ifstream("data/tokenizer/tokenizer_golden.json"));
    std::vector<std::string> texts;
    for (const auto& entry : golden) texts.push_back(entry.at("text"));
    return texts;
  }

  static void ExpectSameTokenizer(const std::filesystem::path& a, const std::filesystem::path& b) {
    const auto before = Model::Load(a);
    const auto after = Model::Load(b);
    for (const std::string& text : Texts()) {
      EXPECT_EQ(RequireTokenizer(*before).Encode(text), RequireTokenizer(*after).Encode(text))
          << text;
    }
    EXPECT_EQ(before->end_tokens(), after->end_tokens());
    EXPECT_NO_THROW(RequireChat(*after));
  }

  TemporaryFolder folder_;
  ConvertSummary summary_;
};

void ExpectSameRaw(const GgufFile& a, const GgufFile& b, const std::string& key) {
  const GgufValue* before = a.metadata().Find(key);
  const GgufValue* after = b.metadata().Find(key);
  ASSERT_NE(before, nullptr) << key;
  ASSERT_NE(after, nullptr) << key;
  EXPECT_EQ(before->type, after->type) << key;
  EXPECT_EQ(before->element_type, after->element_type) << key;
  EXPECT_EQ(before->count, after->count) << key;
  EXPECT_TRUE(
      std::equal(before->raw.begin(), before->raw.end(), after->raw.begin(), after->raw.end()))
      << key;
}

TEST_F(ConvertMetadata, GeneralKeysAndTemplateAreCarriedOver) {
  GgufPatch source(kFable);
  source.SetString("general.name", "A name\twith a tab");
  source.SetString("general.author", "somebody");
  source.SetString("general.license", "apache-2.0");
  source.SetStrings("general.tags", {"a", "", "b"});
  source.Set<uint64_t>("general.base_model.count", 1);
  source.Set<float>("general.sampling.temp", 0.5f);
  source.SetString("tokenizer.chat_template", "{{ bos_token }}not Gemma's");
  source.Set<uint32_t>("general.file_type", 7);
  source.Write(folder_ / "source.gguf");
  const GgufFile before = GgufFile::Open(folder_ / "source.gguf");
  const auto path = Run(folder_ / "source.gguf");
  const GgufFile after = GgufFile::Open(path);
  for (const char* key :
       {"general.name", "general.author", "general.license", "general.tags",
        "general.base_model.count", "general.sampling.temp", "tokenizer.chat_template",
        "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "tokenizer.ggml.token_type"}) {
    ExpectSameRaw(before, after, key);
  }
  EXPECT_EQ(after.metadata().GetUint("general.file_type"), 2u);
  EXPECT_EQ(Model::Load(path)->defaults().temperature, 0.5);
  EXPECT_EQ(Model::Load(path)->notes().size(), 1u) << "the template is foreign";
}

TEST_F(ConvertMetadata, KeysOfSplitFilesAreNot) {
  const auto first = GgufPatch(kFable).WriteParts(folder_ / "parts", 3);
  const auto path = Run(first, "q8_0");
  const GgufFile file = GgufFile::Open(path);
  EXPECT_EQ(file.part_count(), 1u);
  EXPECT_FALSE(file.metadata().Has("split.count"));
  ExpectSameTokenizer(kFable, path);
}

TEST_F(ConvertMetadata, TokenizerSurvivesFromFolderAndFile) {
  const auto folder = FolderWithTokenizer();
  const auto first = Run(folder, "q8_0", "first.gguf");
  ExpectSameTokenizer(folder, first);
  const auto second = Run(first, "q4_0", "second.gguf");
  ExpectSameTokenizer(folder, second);
  const GgufFile a = GgufFile::Open(first);
  const GgufFile b = GgufFile::Open(second);
  for (const char* key : {"tokenizer.ggml.tokens", "tokenizer.ggml.scores",
                          "tokenizer.ggml.token_type", "tokenizer.chat_template"}) {
    ExpectSameRaw(a, b, key);
  }
  EXPECT_EQ(a.metadata().GetStrings("tokenizer.ggml.tokens").size(), 4096u);
}

TEST_F(ConvertMetadata, SpecialPiecesAreControl) {
  GgufPatch source(kFable);
  const GgufFile before = GgufFile::Open(kFable);
  const auto tokens = before.metadata().GetStrings("tokenizer.ggml.tokens");
  const auto wide = before.metadata().GetInts("tokenizer.ggml.token_type");
  std::vector<int32_t> types(wide.begin(), wide.end());
  std::vector<size_t> specials;
  for (const char* name : {"<start_of_turn>", "<end_of_turn>"}) {
    const auto found = std::find(tokens.begin(), tokens.end(), name);
    ASSERT_NE(found, tokens.end());
    specials.push_back(static_cast<size_t>(found - tokens.begin()));
    types[specials.back()] = 4;
  }
  source.SetArray<int32_t>("tokenizer.ggml.token_type", types);
  source.Write(folder_ / "source.gguf");
  for (const auto& path : {Run(folder_ / "source.gguf"), Run(FolderWithTokenizer(), "q4_0", "2")}) {
    const GgufFile file = GgufFile::Open(path);
    const auto written = file.metadata().GetInts("tokenizer.ggml.token_type");
    for (const size_t id : specials) EXPECT_EQ(written[id], 3) << id;
  }
}

TEST_F(ConvertMetadata, WithoutTokenizer) {
  const auto path = Run(kBase);
  ASSERT_EQ(summary_.notes.size(), 1u);
  EXPECT_NE(summary_.notes[0].find("tokenizer"), std::string::npos);
  const GgufFile file = GgufFile::Open(path);
  EXPECT_FALSE(file.metadata().Has("tokenizer.ggml.model"));
  EXPECT_FALSE(file.metadata().Has("tokenizer.chat_template"));
  EXPECT_FALSE(Model::Load(path)->has_tokenizer());
  FileError(path, [&] { RequireTokenizer(*Model::Load(path)); });
}

TEST_F(ConvertMetadata, TokenizerOfAnotherModel) {
  WriteHfModel(folder_ / "hf", ReadHfModel(kBase));
  std::filesystem::copy_file("data/tokenizer/tokenizer.model", folder_ / "hf" / "tokenizer.model");
  EXPECT_EQ(FileError(folder_ / "hf", [&] { Run(folder_ / "hf"); }).kind(),
            ErrorKind::kCorruptFile);
  FileError(folder_ / "hf", [&] { Model::Load(folder_ / "hf"); });
  EXPECT_EQ(folder_.Names(), (std::vector<std::string>{"hf"}));
}

TEST_F(ConvertMetadata, GenerationDefaults) {
  const auto folder = FolderWithTokenizer();
  for (const char* text : {R"({"temperature": 0.7, "top_k": 20, "top_p": 0.8})",
                           R"({"do_sample": false, "temperature": 0.7})", R"({"do_sample": false})",
                           R"({"temperature": 1e9, "top_k": -3})",
                           R"({"temperature": "x", "top_k": [], "eos_token_id": [1, 6]})", "[]"}) {
    std::ofstream(folder / "generation_config.json") << text;
    const auto before = Model::Load(folder)->defaults();
    const auto after = Model::Load(Run(folder))->defaults();
    EXPECT_FLOAT_EQ(static_cast<float>(before.temperature), static_cast<float>(after.temperature))
        << text;
    EXPECT_EQ(before.top_k, after.top_k) << text;
    EXPECT_FLOAT_EQ(static_cast<float>(before.top_p), static_cast<float>(after.top_p)) << text;
  }
}

TEST_F(ConvertMetadata, TowersAreLeftOutWithANote) {
  HfModel model = ReadHfModel(kBase);
  model.config["vision_config"] = nlohmann::json::object();
  model.tensors["model.vision_tower.x"] = FloatTensor({2}, {1, 2});
  WriteHfModel(folder_ / "hf", model);
  Run(folder_ / "hf");
  EXPECT_TRUE(std::any_of(summary_.notes.begin(), summary_.notes.end(), [](const auto& note) {
    return note.find("vision") != std::string::npos;
  }));
}

}  // namespace
}  // namespace tandem::test
