// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reports about models: their sums are right.
#include "engine/info.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "engine/convert.h"
#include "formats/gguf.h"
#include "support/hf_model.h"
#include "support/model_test.h"
#include "tandem/model.h"

namespace tandem::test {
namespace {

const std::filesystem::path kBase = "data/random/base";
const std::filesystem::path kFable = "../models/fable-e4b-q8_0.gguf";

bool Contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// Whether a decoded token streams the tensor: matrices, from their names in either format.
bool IsStreamed(const std::string& name) {
  for (const char* small : {"norm", "router", "coef", "correct_scale", "correct_output_scale",
                            "per_layer_token_embd", "embed_tokens_per_layer"}) {
    if (Contains(name, small)) return false;
  }
  return true;
}

void CheckSums(const std::filesystem::path& path, uint64_t unread_bytes = 0) {
  SCOPED_TRACE(path);
  const ModelInfo info = Describe(*Model::Load(path));
  std::map<std::string, std::pair<int, uint64_t>> types;
  uint64_t elements = 0;
  uint64_t streamed = 0;
  for (const TensorInfo& tensor : info.tensors) {
    auto& [count, bytes] = types[tensor.type];
    ++count;
    bytes += tensor.bytes;
    uint64_t product = 1;
    for (const int64_t size : tensor.shape) product *= static_cast<uint64_t>(size);
    elements += product;
    if (IsStreamed(tensor.name)) streamed += tensor.bytes;
  }
  EXPECT_EQ(info.types, types);
  EXPECT_EQ(info.weights, elements);
  EXPECT_EQ(info.bytes_per_token, streamed - unread_bytes);
  EXPECT_EQ(info.architecture, "gemma3n");
  EXPECT_FALSE(info.tokenizer.empty());
}

TEST(Info, SumsAddUp) {
  const TemporaryFolder folder;
  CheckSums(kBase);
  CheckSums("data/random/mha");
  CheckSums(kFable);
  ConvertOptions options;
  options.source = kBase;
  for (const std::string& type : ConvertTypes()) {
    options.output = folder / (type + ".gguf");
    options.type = type;
    const ConvertSummary summary = Convert(options);
    CheckSums(options.output);
    const ModelInfo info = Describe(*Model::Load(options.output));
    EXPECT_EQ(info.file_bytes, std::filesystem::file_size(options.output));
    EXPECT_EQ(info.weights, summary.weights);
    EXPECT_EQ(info.format, "GGUF v3");
  }
}

TEST(Info, UnusedKeysAndValuesAreNotRead) {
  const TemporaryFolder folder;
  HfModel model = ReadHfModel(kBase);
  const std::string from = "model.language_model.layers.1.self_attn.";
  uint64_t unread = 0;
  for (int layer = 5; layer < 10; ++layer) {
    const std::string to = "model.language_model.layers." + std::to_string(layer) + ".self_attn.";
    for (const char* suffix : {"k_proj.weight", "v_proj.weight", "k_norm.weight"}) {
      const HfTensor& tensor = model.tensors[to + suffix] = model.tensors.at(from + suffix);
      if (tensor.shape.size() == 2) unread += tensor.data.size();
    }
  }
  WriteHfModel(folder / "model", model);
  CheckSums(folder / "model", unread);
}

TEST(Info, Names) {
  const ModelInfo info = Describe(*Model::Load(kFable));
  EXPECT_EQ(info.tensors.size(), 24u * 15 + 7 - 3 * 10);
  EXPECT_TRUE(Contains(info.tokenizer, "4096 pieces")) << info.tokenizer;
  EXPECT_EQ(info.context_length, 4096);
  EXPECT_EQ(Describe(*Model::Load(kBase)).format, "Hugging Face");
  EXPECT_EQ(Describe(*Model::LoadEmbedded()).source, "built-in fable");
}

TEST(Memory, KeysAndValues) {
  const auto model = Model::Load(kBase);
  // Layers 0-3 look back 16 tokens and keep 64 to go back at no cost, layer 4 all; [2, 32] of each
  // key and value.
  for (const int64_t chunk : {1, 8, 256}) {
    for (const int64_t context : {1, 20, 300, 512}) {
      const auto positions =
          static_cast<uint64_t>(4 * std::min(context, 15 + chunk + 64) + context);
      for (const auto& [kv, bytes] : {std::pair(KvType::kF32, 64 * 4u),
                                      {KvType::kF16, 64 * 2u},
                                      {KvType::kQ8, 64 / 32 * 34u}}) {
        const MemoryNeed need = EstimateMemory(*model, context, kv, chunk);
        EXPECT_EQ(need.kv, positions * 2 * bytes);
        EngineOptions options;
        options.threads = 1;
        options.kv = kv;
        options.chunk = chunk;
        Engine engine(model, options);
        EXPECT_EQ(engine.NewSession(context)->kv_bytes(), need.kv);
      }
    }
  }
}

TEST(Memory, GrowsWithWhatIsAskedFor) {
  const auto model = Model::Load(kFable);
  const MemoryNeed small = EstimateMemory(*model, 128, KvType::kAuto, 16);
  const MemoryNeed large = EstimateMemory(*model, 4096, KvType::kAuto, 256);
  EXPECT_EQ(small.weights, std::filesystem::file_size(kFable));
  EXPECT_EQ(large.weights, small.weights);
  EXPECT_GT(large.kv, small.kv);
  EXPECT_GT(large.activations, small.activations);
  // At least the four streams of every row, and no more than a few dozen rows of the widest.
  EXPECT_GE(large.activations, 256u * 4 * 256 * 4);
  EXPECT_LE(large.activations, 256u * 4096 * 4 * 4);
}

}  // namespace
}  // namespace tandem::test
