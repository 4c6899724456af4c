// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Hugging Face folders as they exist in the wild: one random model rewritten in every form that
// exports have had gives the same logits, bit for bit, and a broken one gives one clear error.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <fstream>
#include <limits>

#include "core/float_types.h"
#include "gemma3n/hf.h"
#include "support/hf_model.h"
#include "support/model_test.h"
#include "tandem/model.h"

namespace tandem::test {
namespace {

using nlohmann::json;

const std::string kPrefix = "model.language_model.";

// Beyond the window of 16, so that local and global layers differ.
std::vector<int32_t> SomeIds() {
  auto ids = GoldenIds("data/random/base/golden.safetensors");
  ids.resize(40);
  return ids;
}

// One layer that owns keys and values, one that shares them, and what belongs to no layer.
bool IsSample(const std::string& name) {
  return name.find("layers.") == std::string::npos || name.find("layers.1.") != std::string::npos ||
         name.find("layers.7.") != std::string::npos;
}

class HfFiles : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    base_ = new HfModel(ReadHfModel("data/random/base"));
    logits_ = new std::vector<float>(test::Logits("data/random/base", SomeIds()));
  }
  static void TearDownTestSuite() {
    delete base_;
    delete logits_;
  }

  std::vector<float> LogitsOf(const HfModel& model, int shards = 1) const {
    WriteHfModel(folder_ / "model", model, shards);
    return Logits(folder_ / "model", SomeIds());
  }
  void ExpectSame(const HfModel& model, int shards = 1) const {
    EXPECT_TRUE(SameBits(LogitsOf(model, shards), *logits_));
  }
  // Of a folder that was written whole before.
  void WriteConfig(const HfModel& model) const {
    std::ofstream(folder_ / "model" / "config.json") << model.config;
  }
  Error ErrorOf(const HfModel& model) const {
    WriteHfModel(folder_ / "model", model);
    return FileError(folder_ / "model", [&] { Model::Load(folder_ / "model"); });
  }

  static HfModel* base_;
  static std::vector<float>* logits_;
  TemporaryFolder folder_;
};

HfModel* HfFiles::base_ = nullptr;
std::vector<float>* HfFiles::logits_ = nullptr;

TEST_F(HfFiles, BaseIsTheGolden) {
  const auto golden = GoldenLogits("data/random/base/golden.safetensors");
  EXPECT_LT(LargestDifference(*logits_, std::span(golden).first(logits_->size())), 2e-3f);
}

TEST_F(HfFiles, AnyPrefix) {
  for (const std::string prefix : {"language_model.model.", "language_model.", "model.", ""}) {
    SCOPED_TRACE(prefix);
    HfModel model = *base_;
    RenameTensors(model,
                  [&](const std::string& name) { return prefix + name.substr(kPrefix.size()); });
    ExpectSame(model);
  }
}

TEST_F(HfFiles, TextConfigAtTheRoot) {
  HfModel model = *base_;
  model.config = json(base_->config["text_config"]);
  model.config["architectures"] = {"Gemma3nForCausalLM"};
  RenameTensors(model,
                [&](const std::string& name) { return "model." + name.substr(kPrefix.size()); });
  ExpectSame(model);
}

TEST_F(HfFiles, OldAndNewRopeKeys) {
  HfModel now = *base_;
  now.text()["rope_parameters"]["full_attention"]["rope_theta"] = 5e5;
  now.text()["rope_parameters"]["sliding_attention"]["rope_theta"] = 2e4;
  HfModel old = *base_;
  old.text().erase("rope_parameters");
  old.text()["rope_theta"] = 5e5;
  old.text()["rope_local_base_freq"] = 2e4;
  old.text()["rope_scaling"] = nullptr;
  const auto logits = LogitsOf(now);
  EXPECT_FALSE(SameBits(logits, *logits_));
  EXPECT_TRUE(SameBits(logits, LogitsOf(old)));
  HfModel none = *base_;
  none.text().erase("rope_parameters");
  ExpectSame(none);
}

TEST_F(HfFiles, ScalarFfnWidth) {
  HfModel model = *base_;
  model.text()["intermediate_size"] = 256;
  ExpectSame(model);
}

TEST_F(HfFiles, LayerTypes) {
  HfModel absent = *base_;
  absent.text().erase("layer_types");
  ExpectSame(absent);
  HfModel longer = *base_;
  for (int i = 0; i < 5; ++i) longer.text()["layer_types"].push_back("full_attention");
  ExpectSame(longer);
  HfModel other = *base_;
  other.text()["layer_types"][1] = "full_attention";
  EXPECT_FALSE(SameBits(LogitsOf(other), *logits_));
}

TEST_F(HfFiles, Sharded) {
  ExpectSame(*base_, 3);
  ExpectSame(*base_, 2);
}

TEST_F(HfFiles, AnyFloatType) {
  // Halves of 8 significant bits are exact in bfloat16 too.
  HfModel half = *base_;
  for (auto& [name, tensor] : half.tensors) tensor = StoredAs(tensor, DType::kF16);
  HfModel brain = half;
  for (auto& [name, tensor] : brain.tensors) tensor = StoredAs(tensor, DType::kBF16);
  HfModel whole = half;
  for (auto& [name, tensor] : whole.tensors) tensor = StoredAs(tensor, DType::kF32);
  const auto logits = LogitsOf(whole);
  EXPECT_TRUE(SameBits(LogitsOf(half), logits));
  EXPECT_TRUE(SameBits(LogitsOf(brain), logits));
}

TEST_F(HfFiles, TowersAreIgnoredWithANote) {
  HfModel model = *base_;
  model.config["vision_config"] = {{"model_type", "gemma3n_vision"}, {"hidden_size", 2048}};
  model.config["audio_config"] = {{"model_type", "gemma3n_audio"}, {"hidden_size", 1536}};
  model.tensors["model.vision_tower.timm_model.conv_stem.conv.weight"] =
      FloatTensor({2, 3, 3, 3}, std::vector<float>(54, 1));
  model.tensors["model.audio_tower.conformer.0.norm.weight"] = FloatTensor({3}, {1, 2, 3});
  model.tensors["model.embed_vision.embedding.weight"] = FloatTensor({1, 2}, {1, 2});
  model.tensors["model.vision_tower.count"] = {"I64", {}, std::vector<std::byte>(8)};
  ExpectSame(model);
  const auto notes = Model::Load(folder_ / "model")->notes();
  ASSERT_EQ(notes.size(), 1u);
  EXPECT_NE(notes[0].find("vision"), std::string::npos) << notes[0];
  EXPECT_TRUE(Model::Load("data/random/base")->notes().empty());
}

TEST_F(HfFiles, KeysAndValuesOfSharedLayersDoNotMatter) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const bool right_shape : {true, false}) {
    HfModel model = *base_;
    for (int layer = 5; layer < 10; ++layer) {
      const std::string name = kPrefix + "layers." + std::to_string(layer) + ".self_attn.";
      const int64_t rows = right_shape ? 64 : 3;
      const HfTensor garbage =
          FloatTensor({rows, 128}, std::vector<float>(static_cast<size_t>(rows) * 128, nan));
      model.tensors[name + "k_proj.weight"] = garbage;
      model.tensors[name + "v_proj.weight"] = garbage;
      model.tensors[name + "k_norm.weight"] =
          FloatTensor({right_shape ? 32 : 7}, std::vector<float>(right_shape ? 32 : 7, nan));
    }
    ExpectSame(model);
  }
}

TEST_F(HfFiles, TiedHeadAndOldKeysAreIgnored) {
  HfModel model = *base_;
  model.tensors["lm_head.weight"] = model.tensors[kPrefix + "embed_tokens.weight"];
  model.text()["query_pre_attn_scalar"] = 256;
  model.text()["altup_lr_multiplier"] = 1.0;
  model.text()["attn_logit_softcapping"] = nullptr;
  ExpectSame(model);
}

TEST_F(HfFiles, SparsityNullAndAbsent) {
  HfModel dense = *base_;
  dense.text()["activation_sparsity_pattern"] = std::vector<double>(10, 0.0);
  const auto logits = LogitsOf(dense);
  EXPECT_FALSE(SameBits(logits, *logits_));
  // Ten layers or fewer are dense when nothing is said, the published models' first ten are not.
  HfModel null = *base_;
  null.text()["activation_sparsity_pattern"] = nullptr;
  EXPECT_TRUE(SameBits(LogitsOf(null), logits));
  HfModel absent = *base_;
  absent.text().erase("activation_sparsity_pattern");
  EXPECT_TRUE(SameBits(LogitsOf(absent), logits));
}

TEST(HfConfig, DefaultsAreThePublishedE4b) {
  const auto p = gemma3n::ReadHfConfig({{"model_type", "gemma3n_text"}}, "config.json");
  EXPECT_EQ(p.layers, 35);
  EXPECT_EQ(p.FirstShared(), 20);
  EXPECT_EQ(p.ffn, std::vector<int64_t>(35, 16384));
  EXPECT_EQ(p.vocab, 262400);
  EXPECT_EQ(p.ple_vocab, 262144);
  for (int layer = 0; layer < 35; ++layer) {
    const auto i = static_cast<size_t>(layer);
    EXPECT_EQ(p.kinds[i] == gemma3n::LayerKind::kFull, layer % 5 == 4);
    EXPECT_EQ(p.sparsity[i].has_value(), layer < 10);
  }
  EXPECT_NEAR(*p.sparsity[0], 1.6448536f, 1e-6);
  EXPECT_EQ(p.KvSource(20), 18);
  EXPECT_EQ(p.KvSource(34), 19);
}

TEST_F(HfFiles, NoSharedLayers) {
  HfModel model = *base_;
  for (int layer = 5; layer < 10; ++layer) {
    const auto name = [&](int l) {
      return kPrefix + "layers." + std::to_string(l) + ".self_attn.";
    };
    for (const char* suffix : {"k_proj.weight", "v_proj.weight", "k_norm.weight"}) {
      model.tensors[name(layer) + suffix] = model.tensors.at(name(layer - 5) + suffix);
    }
  }
  model.text()["num_kv_shared_layers"] = 0;
  const auto logits = LogitsOf(model);
  EXPECT_FALSE(SameBits(logits, *logits_));
  EXPECT_LT(LargestDifference(logits, logits), 1e-30f);  // finite
}

TEST_F(HfFiles, EachTensorMissing) {
  for (const auto& [name, tensor] : base_->tensors) {
    if (!IsSample(name)) continue;
    HfModel model = *base_;
    model.tensors.erase(name);
    const Error error = ErrorOf(model);
    EXPECT_EQ(error.kind(), ErrorKind::kNotFound);
    EXPECT_NE(error.message().find(name.substr(kPrefix.size())), std::string::npos)
        << name << ": " << error.message();
  }
}

TEST_F(HfFiles, EachTensorOfAnotherShape) {
  for (const auto& [name, tensor] : base_->tensors) {
    if (!IsSample(name)) continue;
    HfModel model = *base_;
    HfTensor& changed = model.tensors[name];
    const size_t row = changed.data.size() / static_cast<size_t>(changed.shape[0]);
    changed.shape[0] -= 1;
    changed.data.resize(changed.data.size() - row);
    const Error error = ErrorOf(model);
    EXPECT_EQ(error.kind(), ErrorKind::kCorruptFile);
    EXPECT_NE(error.message().find("'" + name + "'"), std::string::npos) << error.message();
  }
}

TEST_F(HfFiles, EachTensorAsIntegers) {
  for (const auto& [name, tensor] : base_->tensors) {
    if (!IsSample(name)) continue;
    HfModel model = *base_;
    HfTensor& changed = model.tensors[name];
    changed.dtype = "I8";
    changed.data.resize(changed.data.size() / 2);
    const Error error = ErrorOf(model);
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_NE(error.message().find("'" + name + "'"), std::string::npos) << error.message();
    EXPECT_NE(error.message().find("I8"), std::string::npos) << error.message();
  }
}

TEST_F(HfFiles, MissingFiles) {
  const auto load = [&] { Model::Load(folder_ / "model"); };
  WriteHfModel(folder_ / "model", *base_);
  std::filesystem::remove(folder_ / "model" / "config.json");
  EXPECT_EQ(FileError(folder_ / "model", load).kind(), ErrorKind::kNotFound);
  std::ofstream(folder_ / "model" / "config.json") << "{\"model_type\": ";
  EXPECT_EQ(FileError(folder_ / "model", load).kind(), ErrorKind::kCorruptFile);
  for (const char* text : {"[]", "3", "null", "{}", "\"gemma3n\"", "{\"model_type\":[\"x\\n\"]}"}) {
    std::ofstream(folder_ / "model" / "config.json") << text;
    EXPECT_EQ(FileError(folder_ / "model", load).kind(), ErrorKind::kUnsupported) << text;
  }
  WriteHfModel(folder_ / "model", *base_);
  std::filesystem::remove(folder_ / "model" / "model.safetensors");
  EXPECT_EQ(FileError(folder_ / "model", load).kind(), ErrorKind::kNotFound);
  WriteHfModel(folder_ / "model", *base_, 3);
  std::filesystem::remove(folder_ / "model" / "model-00002-of-00003.safetensors");
  EXPECT_EQ(FileError(folder_ / "model", load).kind(), ErrorKind::kNotFound);
}

TEST_F(HfFiles, ForeignModels) {
  for (const char* type : {"gemma2", "llama", "gemma4", "gemma3n_vision", "a\nb\x01"}) {
    HfModel model = *base_;
    model.config["model_type"] = type;
    model.text()["model_type"] = std::string(type) + "_text2";
    EXPECT_EQ(ErrorOf(model).kind(), ErrorKind::kUnsupported) << type;
  }
  HfModel untied = *base_;
  untied.text()["tie_word_embeddings"] = false;
  EXPECT_EQ(ErrorOf(untied).kind(), ErrorKind::kUnsupported);
  HfModel relu = *base_;
  relu.text()["hidden_activation"] = "relu\n";
  EXPECT_EQ(ErrorOf(relu).kind(), ErrorKind::kUnsupported);
}

TEST_F(HfFiles, ForeignRope) {
  const json yarn = {{"rope_type", "yarn"}, {"rope_theta", 1e6}, {"factor", 8.0}};
  for (const char* kind : {"full_attention", "sliding_attention"}) {
    HfModel model = *base_;
    model.text()["rope_parameters"][kind] = yarn;
    EXPECT_EQ(ErrorOf(model).kind(), ErrorKind::kUnsupported) << kind;
  }
  for (const json& scaling : {yarn, json{{"type", "linear"}, {"factor", 8.0}},
                              json{{"rope_type", "a\nb"}}, json{{"rope_type", {1, 2}}}}) {
    HfModel model = *base_;
    model.text()["rope_scaling"] = scaling;
    EXPECT_EQ(ErrorOf(model).kind(), ErrorKind::kUnsupported) << scaling;
  }
  HfModel flat = *base_;
  flat.text()["rope_parameters"] = yarn;
  EXPECT_EQ(ErrorOf(flat).kind(), ErrorKind::kUnsupported);
}

TEST_F(HfFiles, NumbersThatMakeNoSense) {
  WriteHfModel(folder_ / "model", *base_);
  const std::vector<json> values = {0,
                                    -1,
                                    int64_t{1} << 40,
                                    uint64_t{1} << 63,
                                    1.5,
                                    1e300,
                                    "a\nb",
                                    json::array({1}),
                                    true,
                                    json::object()};
  for (const char* key :
       {"num_hidden_layers", "hidden_size", "num_attention_heads", "num_key_value_heads",
        "head_dim", "vocab_size", "vocab_size_per_layer_input", "hidden_size_per_layer_input",
        "laurel_rank", "num_kv_shared_layers", "sliding_window", "altup_num_inputs",
        "altup_active_idx", "max_position_embeddings", "intermediate_size"}) {
    for (const json& value : values) {
      if (value == 0 && std::string(key) == "altup_active_idx") continue;
      HfModel model{base_->config, {}};
      model.text()[key] = value;
      WriteConfig(model);
      SCOPED_TRACE(std::string(key) + " = " + value.dump());
      FileError(folder_ / "model", [&] { Model::Load(folder_ / "model"); });
    }
  }
  for (const char* key :
       {"rms_norm_eps", "final_logit_softcapping", "altup_coef_clip", "rope_theta",
        "rope_local_base_freq", "altup_correct_scale", "layer_types", "activation_sparsity_pattern",
        "rope_parameters", "rope_scaling", "hidden_activation", "tie_word_embeddings"}) {
    for (const json& value : values) {
      HfModel model{base_->config, {}};
      model.text()[key] = value;
      WriteConfig(model);
      SCOPED_TRACE(std::string(key) + " = " + value.dump());
      FailsCleanlyIfAtAll(folder_ / "model", [&] { Model::Load(folder_ / "model"); });
    }
  }
}

TEST_F(HfFiles, ListsOfTheWrongLength) {
  for (const char* key : {"layer_types", "intermediate_size", "activation_sparsity_pattern"}) {
    HfModel model = *base_;
    model.text()[key].erase(0);
    EXPECT_EQ(ErrorOf(model).kind(), ErrorKind::kCorruptFile) << key;
  }
}

}  // namespace
}  // namespace tandem::test
