// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3 in Hugging Face folders: the numbers of the GGUF file of the same weights, published
// configurations of every size, and one clear error for a broken folder.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <cmath>

#include "gemma/hf.h"
#include "gemma3/hf.h"
#include "gemma3/weights.h"
#include "support/hf_model.h"
#include "support/model_test.h"
#include "support/random_gemma3.h"
#include "tandem/model.h"

namespace tandem::test {
namespace {

using nlohmann::json;

std::vector<int32_t> SomeIds() {
  std::vector<int32_t> ids;
  for (int32_t i = 0; i < 30; ++i) ids.push_back((i * 37 + 11) % 288);
  return ids;
}

const testing::RandomGemma3& Small() {
  static const testing::RandomGemma3 model =
      testing::MakeRandomGemma3(testing::SmallGemma3Params(), 3);
  return model;
}

// The folder of Small(), as Hugging Face stores it: norms less 1.
HfModel SmallFolder(const std::string& prefix) {
  const gemma3::HyperParams& p = Small().params;
  HfModel model;
  model.config = {{"model_type", "gemma3_text"},
                  {"vocab_size", p.vocab},
                  {"hidden_size", p.width},
                  {"intermediate_size", p.ffn[0]},
                  {"num_hidden_layers", p.layers},
                  {"num_attention_heads", p.heads},
                  {"num_key_value_heads", p.kv_heads},
                  {"head_dim", p.head_dim},
                  {"query_pre_attn_scalar", p.head_dim},
                  {"max_position_embeddings", p.context_length},
                  {"sliding_window", p.window},
                  {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}},
                  {"final_logit_softcapping", nullptr},
                  {"attn_logit_softcapping", nullptr}};
  for (const auto& tensor : gemma3::ListTensors(p, Small().weights)) {
    std::vector<float> values(static_cast<size_t>(tensor.rows * tensor.cols));
    for (int64_t row = 0; row < tensor.rows; ++row) {
      tensor.ReadRow(row, values.data() + row * tensor.cols);
    }
    if (!tensor.vector.empty()) {
      for (float& value : values) value -= 1;
    }
    const std::vector<int64_t> shape(tensor.ne.rbegin(), tensor.ne.rend());
    model.tensors[prefix + gemma::HfStackName(tensor.name)] = FloatTensor(shape, values);
  }
  return model;
}

class Gemma3Folder : public ::testing::Test {
 protected:
  std::filesystem::path path() const { return folder_ / "model"; }
  std::vector<float> LogitsOf(const HfModel& model, int shards = 1) const {
    WriteHfModel(path(), model, shards);
    return Logits(path(), SomeIds());
  }
  Error ErrorOf(const HfModel& model) const {
    WriteHfModel(path(), model);
    return FileError(path(), [&] { Model::Load(path()); });
  }

  TemporaryFolder folder_;
};

TEST_F(Gemma3Folder, IsTheGgufFile) {
  testing::WriteGemma3Gguf(Small(), folder_ / "model.gguf");
  const auto logits = Logits(folder_ / "model.gguf", SomeIds());
  EXPECT_TRUE(SameBits(LogitsOf(SmallFolder("model.")), logits));
  EXPECT_TRUE(SameBits(LogitsOf(SmallFolder("language_model.model."), 3), logits));
  // The multimodal form: nested, with a tower that is left out.
  HfModel nested = SmallFolder("model.language_model.");
  json text = std::move(nested.config);
  nested.config = {{"model_type", "gemma3"}, {"text_config", text}, {"vision_config", {{"a", 1}}}};
  nested.tensors["model.vision_tower.x"] = FloatTensor({2}, {1, 2});
  EXPECT_TRUE(SameBits(LogitsOf(nested), logits));
  EXPECT_EQ(Model::Load(path())->notes().size(), 1u);
  // Newer exports have one RoPE object per kind of layer.
  HfModel rope = SmallFolder("model.");
  rope.config.erase("rope_scaling");
  EXPECT_FALSE(SameBits(LogitsOf(rope), logits));
  rope.config["rope_parameters"] = {
      {"full_attention", {{"rope_type", "linear"}, {"factor", 8.0}, {"rope_theta", 1e6}}},
      {"sliding_attention", {{"rope_type", "default"}, {"rope_theta", 1e4}}}};
  EXPECT_TRUE(SameBits(LogitsOf(rope), logits));
  HfModel scalar = SmallFolder("model.");
  scalar.config["query_pre_attn_scalar"] = 168;
  EXPECT_FALSE(SameBits(LogitsOf(scalar), logits));
}

TEST(Gemma3Config, PublishedSizes) {
  const auto read = [](const json& config) { return gemma3::ReadHfConfig(config, "config.json"); };
  // 4B says little: the rest are the defaults.
  const auto p = read({{"model_type", "gemma3"},
                       {"text_config",
                        {{"model_type", "gemma3_text"},
                         {"hidden_size", 2560},
                         {"intermediate_size", 10240},
                         {"num_hidden_layers", 34},
                         {"rope_scaling", {{"factor", 8.0}, {"rope_type", "linear"}}},
                         {"sliding_window", 1024}}}});
  EXPECT_EQ(p.layers, 34);
  EXPECT_EQ(p.heads, 8);
  EXPECT_EQ(p.kv_heads, 4);
  EXPECT_EQ(p.head_dim, 256);
  EXPECT_EQ(p.vocab, 262208);
  EXPECT_EQ(p.window, 1024);
  EXPECT_EQ(p.context_length, 131072);
  EXPECT_EQ(p.rope_factor_full, 8);
  EXPECT_EQ(p.rope_theta_full, 1e6f);
  EXPECT_EQ(p.rope_theta_sliding, 1e4f);
  EXPECT_EQ(p.logit_soft_cap, 0);
  EXPECT_FLOAT_EQ(p.attention_scale, 1 / 16.0f);
  for (size_t layer = 0; layer < 34; ++layer) {
    EXPECT_EQ(p.kinds[layer] == gemma3::LayerKind::kFull, layer % 6 == 5) << layer;
  }
  const auto large = read({{"model_type", "gemma3_text"},
                           {"hidden_size", 5376},
                           {"num_hidden_layers", 62},
                           {"num_attention_heads", 32},
                           {"num_key_value_heads", 16},
                           {"head_dim", 128},
                           {"query_pre_attn_scalar", 168}});
  EXPECT_FLOAT_EQ(large.attention_scale, gemma3::DefaultAttentionScale(large));
  const auto tiny = read({{"model_type", "gemma3_text"},
                          {"num_hidden_layers", 18},
                          {"_sliding_window_pattern", 6},
                          {"use_bidirectional_attention", false}});
  EXPECT_EQ(tiny.kinds, gemma::PeriodicKinds(18, 6));
}

TEST_F(Gemma3Folder, EachTensorMissingOrOfAnotherShape) {
  const HfModel whole = SmallFolder("model.");
  for (const auto& [name, tensor] : whole.tensors) {
    if (name.find("layers.") != std::string::npos && name.find("layers.5.") == std::string::npos) {
      continue;
    }
    SCOPED_TRACE(name);
    HfModel model = whole;
    model.tensors.erase(name);
    const Error missing = ErrorOf(model);
    EXPECT_EQ(missing.kind(), ErrorKind::kNotFound);
    EXPECT_NE(missing.message().find(name.substr(6)), std::string::npos) << missing.message();
    model = whole;
    HfTensor& changed = model.tensors[name];
    const size_t row = changed.data.size() / static_cast<size_t>(changed.shape[0]);
    changed.shape[0] -= 1;
    changed.data.resize(changed.data.size() - row);
    const Error wrong = ErrorOf(model);
    EXPECT_EQ(wrong.kind(), ErrorKind::kCorruptFile);
    EXPECT_NE(wrong.message().find("'" + name + "'"), std::string::npos) << wrong.message();
  }
}

TEST_F(Gemma3Folder, ForeignThings) {
  const auto changed = [&](const char* key, const json& value) {
    HfModel model = SmallFolder("model.");
    model.config[key] = value;
    return ErrorOf(model).kind();
  };
  EXPECT_EQ(changed("model_type", "gemma2"), ErrorKind::kUnsupported);
  EXPECT_EQ(changed("hidden_activation", "silu"), ErrorKind::kUnsupported);
  EXPECT_EQ(changed("tie_word_embeddings", false), ErrorKind::kUnsupported);
  EXPECT_EQ(changed("attention_bias", true), ErrorKind::kUnsupported);
  EXPECT_EQ(changed("attn_logit_softcapping", 50.0), ErrorKind::kUnsupported);
  EXPECT_EQ(changed("use_bidirectional_attention", true), ErrorKind::kUnsupported);
  EXPECT_EQ(changed("rope_scaling", {{"rope_type", "yarn"}, {"factor", 8.0}}),
            ErrorKind::kUnsupported);
  for (const json& value : {json(0), json(-1), json("a\nb"), json(true), json(1e300)}) {
    EXPECT_EQ(changed("query_pre_attn_scalar", value), ErrorKind::kCorruptFile) << value;
    EXPECT_EQ(changed("sliding_window", value), ErrorKind::kCorruptFile) << value;
    EXPECT_EQ(changed("rope_scaling", {{"rope_type", "linear"}, {"factor", value}}),
              ErrorKind::kCorruptFile)
        << value;
  }
}

}  // namespace
}  // namespace tandem::test
