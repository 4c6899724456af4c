// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The files that random-model writes are models: every type loads, says what was asked for, and
// computes.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include "engine/model_text.h"
#include "engine/quantize_plan.h"
#include "engine/source.h"
#include "gemma3/gguf.h"
#include "gemma3n/gguf.h"
#include "tandem/engine.h"

namespace tandem {
namespace {

class RandomModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "tandem-random-XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  /// Whether random-model with these arguments succeeds.
  bool Make(const std::string& name, const std::string& arguments) const {
    return std::system(fmt::format("'{}' -o '{}' {} >'{}' 2>&1", TANDEM_RANDOM_MODEL,
                                   Path(name).string(), arguments, Path("log").string())
                           .c_str()) == 0;
  }
  std::filesystem::path Path(const std::string& name) const { return folder_ / name; }
  std::string Bytes(const std::string& name) const {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

 private:
  std::filesystem::path folder_;
};

class RandomModelTypeTest : public RandomModelTest,
                            public ::testing::WithParamInterface<std::string> {};

void ExpectTinyShape(const gemma3n::HyperParams& p) {
  EXPECT_EQ(p.layers, 10);
  EXPECT_EQ(p.shared_kv_layers, 4);
  EXPECT_EQ(p.width, 256);
  EXPECT_EQ(p.ffn, std::vector<int64_t>(10, 512));
  EXPECT_EQ(p.heads, 4);
  EXPECT_EQ(p.kv_heads, 2);
  EXPECT_EQ(p.head_dim, 64);
  EXPECT_EQ(p.vocab, 1024);
  EXPECT_EQ(p.ple_vocab, 1024);
  EXPECT_EQ(p.ple_width, 32);
  EXPECT_EQ(p.laurel_rank, 16);
  EXPECT_EQ(p.window, 8);
  for (size_t layer = 0; layer < 10; ++layer) {
    EXPECT_EQ(p.kinds[layer] == gemma3n::LayerKind::kFull, layer % 5 == 4) << layer;
    ASSERT_EQ(p.sparsity[layer].has_value(), layer < 3) << layer;
    EXPECT_NEAR(p.sparsity[layer].value_or(1.6448536f), 1.6448536f, 1e-6f) << layer;
  }
}

TEST_P(RandomModelTypeTest, LoadsAndComputes) {
  ASSERT_TRUE(Make("m.gguf", "--size tiny --type " + GetParam())) << Bytes("log");
  const ModelSource source = OpenSource(Path("m.gguf"));
  ExpectTinyShape(gemma3n::ReadGgufParams(*source.gguf));

  // Other engines load KV-shared layers with keys and values, too.
  const GgufFile& file = *source.gguf;
  EXPECT_EQ(file.tensors().size(), 24u * 10 + 7);
  const QuantizePlan plan = *FindQuantizePlan(GetParam());
  EXPECT_EQ(file.FindTensor("blk.2.ffn_gate.weight")->type, plan.matrix);
  EXPECT_EQ(file.FindTensor("token_embd.weight")->type, plan.token_table);
  EXPECT_EQ(file.FindTensor("altup_proj.weight")->type, plan.sensitive);
  EXPECT_EQ(file.FindTensor("output_norm.weight")->type, DType::kF32);
  EXPECT_NE(file.FindTensor("blk.9.attn_k.weight"), nullptr);

  const auto model = Model::Load(Path("m.gguf"));
  const std::string text = "a fox\nand \xc3\xa9";
  const auto ids = RequireTokenizer(*model).Encode(text, {.add_bos = true});
  EXPECT_EQ(ids[0], 2);
  EXPECT_EQ(RequireTokenizer(*model).Decode(ids), text);
  EXPECT_NO_THROW(RequireChat(*model));

  EngineOptions options;
  options.threads = 2;
  Engine engine(model, options);
  const auto session = engine.NewSession(64);
  const auto logits = session->Append(ids);
  ASSERT_EQ(logits.size(), 1024u);
  for (const float logit : logits) ASSERT_TRUE(std::isfinite(logit));
  // Spread as in a trained model: neither flat nor pressed against the cap.
  const double square = std::inner_product(logits.begin(), logits.end(), logits.begin(), 0.0);
  EXPECT_NEAR(std::sqrt(square / 1024), 4, 1);
  EXPECT_NE(std::max_element(logits.begin(), logits.end()),
            std::min_element(logits.begin(), logits.end()));
  const float before = logits[7];
  const int32_t next[] = {600};
  EXPECT_NE(session->Append(next)[7], before);
}

INSTANTIATE_TEST_SUITE_P(Types, RandomModelTypeTest, ::testing::ValuesIn(QuantizePlanNames()),
                         [](const auto& instance) { return instance.param; });

TEST_F(RandomModelTest, SeedDecidesTheBytesAndThreadsDoNot) {
  ASSERT_TRUE(Make("a", "--size tiny --type q4_k_m --seed 5 --threads 1"));
  ASSERT_TRUE(Make("b", "--size tiny --type q4_k_m --seed 5 --threads 3"));
  ASSERT_TRUE(Make("c", "--size tiny --type q4_k_m --seed 6 --threads 1"));
  const std::string bytes = Bytes("a");
  EXPECT_TRUE(bytes == Bytes("b"));
  EXPECT_EQ(bytes.size(), Bytes("c").size());
  EXPECT_FALSE(bytes == Bytes("c"));
}

TEST_F(RandomModelTest, RowsDiffer) {
  ASSERT_TRUE(Make("m", "--size tiny --type f32"));
  const ModelSource source = OpenSource(Path("m"));
  const auto params = gemma3n::ReadGgufParams(*source.gguf);
  const gemma3n::Weights weights =
      gemma3n::LoadWeights(gemma3n::GgufLookup(*source.gguf), params, source.name);
  const WeightView& table = weights.token_embedding;
  std::vector<float> first(256), other(256);
  table.ReadRow(0, first.data());
  const double norm = std::inner_product(first.begin(), first.end(), first.begin(), 0.0);
  EXPECT_NEAR(norm, 1, 0.3);
  for (int64_t row = 1; row < table.rows; ++row) {
    table.ReadRow(row, other.data());
    EXPECT_LT(std::inner_product(first.begin(), first.end(), other.begin(), 0.0), 0.5) << row;
  }
}

TEST_F(RandomModelTest, TakesAnyShape) {
  ASSERT_TRUE(Make("m",
                   "--size tiny --layers 5 --shared 0 --width 96 --ffn 64 --heads 3 "
                   "--kv-heads 1 --head-dim 32 --vocab 700 --ple-width 16 --laurel-rank 8 "
                   "--window 4 --type q4_k --gate-scale 100 --sample-deviation"))
      << Bytes("log");
  const ModelSource source = OpenSource(Path("m"));
  const auto p = gemma3n::ReadGgufParams(*source.gguf);
  EXPECT_EQ(p.layers, 5);
  EXPECT_EQ(p.shared_kv_layers, 0);
  EXPECT_EQ(p.width, 96);
  EXPECT_EQ(p.vocab, 700);
  ASSERT_TRUE(p.sparsity[0].has_value());
  EXPECT_NEAR(*p.sparsity[0], 1.6448536f * std::sqrt(64.0f / 63.0f), 1e-6f);
  // Rows of 96 hold no block of 256.
  EXPECT_EQ(source.gguf->FindTensor("blk.0.ffn_gate.weight")->type, DType::kQ5_0);
  EXPECT_EQ(source.gguf->FindTensor("blk.0.ffn_down.weight")->type, DType::kQ5_0);
}

// The published shapes of Gemma 3, their widths cut down: layers, heads, windows and scales are
// whole.
TEST_F(RandomModelTest, Gemma3OfEverySize) {
  struct Size {
    const char* name;
    int layers, full, heads, kv_heads;
    int64_t window;
    float rope_factor, scale;
  };
  for (const Size& size :
       {Size{"270m", 18, 3, 4, 1, 512, 1, 1 / 16.0f}, Size{"1b", 26, 4, 4, 1, 512, 1, 1 / 16.0f},
        Size{"4b", 34, 5, 8, 4, 1024, 8, 1 / 16.0f}, Size{"12b", 48, 8, 16, 8, 1024, 8, 1 / 16.0f},
        Size{"27b", 62, 10, 32, 16, 1024, 8, 1 / std::sqrt(3.0f)}}) {
    SCOPED_TRACE(size.name);
    // The scale of 27B is of its width over its heads.
    ASSERT_TRUE(Make(
        "m",
        fmt::format("--size gemma3-{} --width 96 --ffn 64 --vocab 600 --type q8_0", size.name)))
        << Bytes("log");
    const ModelSource source = OpenSource(Path("m"));
    const auto p = gemma3::ReadGgufParams(*source.gguf);
    EXPECT_EQ(p.layers, size.layers);
    EXPECT_EQ(std::count(p.kinds.begin(), p.kinds.end(), gemma3::LayerKind::kFull), size.full);
    EXPECT_EQ(p.heads, size.heads);
    EXPECT_EQ(p.kv_heads, size.kv_heads);
    EXPECT_EQ(p.window, size.window);
    EXPECT_EQ(p.rope_factor_full, size.rope_factor);
    EXPECT_FLOAT_EQ(p.attention_scale, size.scale);
    EXPECT_EQ(source.gguf->tensors().size(), 13u * static_cast<size_t>(size.layers) + 2);

    const auto model = Model::Load(Path("m"));
    EXPECT_EQ(model->architecture(), "gemma3");
    Engine engine(model);
    const auto ids = RequireTokenizer(*model).Encode("a fox", {.add_bos = true});
    const auto session = engine.NewSession(64);
    const auto logits = session->Append(ids);
    const double square = std::inner_product(logits.begin(), logits.end(), logits.begin(), 0.0);
    EXPECT_NEAR(std::sqrt(square / 600), 4, 1);
  }
  EXPECT_FALSE(Make("other", "--size gemma3-1b --shared 2"));
  EXPECT_FALSE(std::filesystem::exists(Path("other")));
}

TEST_F(RandomModelTest, TakesATokenizerFile) {
  ASSERT_TRUE(Make("m", "--size tiny --type q8_0 --tokenizer data/tokenizer/tokenizer.model"))
      << Bytes("log");
  const auto model = Model::Load(Path("m"));
  const Tokenizer expected = LoadTokenizer("data/tokenizer/tokenizer.model");
  EXPECT_EQ(model->vocab_rows(), static_cast<int64_t>(expected.size()));
  const std::string text = "The capital of France is Paris.";
  EXPECT_EQ(RequireTokenizer(*model).Encode(text), expected.Encode(text));
}

TEST_F(RandomModelTest, RefusesWhatIsNoModel) {
  for (const char* arguments :
       {"--size e9", "--size tiny --type q9", "--size tiny --vocab 100", "--size tiny --heads 3",
        "--size tiny --shared 10", "--size tiny --layers 0", "--size tiny --tokenizer nowhere"}) {
    EXPECT_FALSE(Make("m", arguments)) << arguments;
    EXPECT_FALSE(std::filesystem::exists(Path("m"))) << arguments;
    EXPECT_NE(Bytes("log").find("random-model: "), std::string::npos) << arguments;
  }
}

}  // namespace
}  // namespace tandem
