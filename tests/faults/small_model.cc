// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "faults/small_model.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <fstream>
#include <span>
#include <string>
#include <vector>

#include "engine/convert_metadata.h"
#include "formats/gguf_writer.h"
#include "gemma3n/gguf.h"
#include "gemma3n/hf.h"
#include "support/hf_model.h"
#include "support/random_model.h"
#include "tokenizer/test_vocab.h"
#include "tokenizer/tokenizer.h"

namespace tandem::test {
namespace {

gemma3n::HyperParams SmallParams() {
  gemma3n::HyperParams params;
  params.layers = 4;
  params.width = 32;
  params.ffn = {64, 64, 64, 64};
  params.heads = 2;
  params.kv_heads = 1;
  params.head_dim = 16;
  params.vocab = 288;
  params.ple_vocab = 288;
  params.ple_width = 32;
  params.laurel_rank = 8;
  params.shared_kv_layers = 2;
  using enum gemma::LayerKind;
  params.kinds = {kSliding, kFull, kSliding, kFull};
  params.window = 4;
  params.altup_inputs = 2;
  params.sparsity = {1.2f, {}, {}, {}};
  params.context_length = 256;
  params.Validate("small model");
  return params;
}

const testing::RandomModel& Weights() {
  static const testing::RandomModel model = testing::MakeRandomModel(SmallParams(), 1);
  return model;
}

std::vector<float> Values(const gemma::OutputTensor& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.rows * tensor.cols));
  for (int64_t row = 0; row < tensor.rows; ++row) {
    tensor.ReadRow(row, values.data() + row * tensor.cols);
  }
  return values;
}

nlohmann::json Config(const gemma3n::HyperParams& params) {
  nlohmann::json kinds = nlohmann::json::array();
  for (const auto kind : params.kinds) {
    kinds.push_back(kind == gemma::LayerKind::kFull ? "full_attention" : "sliding_attention");
  }
  return {{"architectures", {"Gemma3nForCausalLM"}},
          {"model_type", "gemma3n_text"},
          {"vocab_size", params.vocab},
          {"hidden_size", params.width},
          {"intermediate_size", params.ffn},
          {"num_hidden_layers", params.layers},
          {"num_attention_heads", params.heads},
          {"num_key_value_heads", params.kv_heads},
          {"head_dim", params.head_dim},
          {"max_position_embeddings", params.context_length},
          {"sliding_window", params.window},
          {"layer_types", kinds},
          {"vocab_size_per_layer_input", params.ple_vocab},
          {"hidden_size_per_layer_input", params.ple_width},
          {"altup_num_inputs", params.altup_inputs},
          {"num_kv_shared_layers", params.shared_kv_layers},
          {"laurel_rank", params.laurel_rank},
          {"activation_sparsity_pattern", {0.9, 0.0, 0.0, 0.0}},
          {"eos_token_id", {1, 5}}};
}

void AddTensor(const gemma::OutputTensor& tensor, HfModel& model) {
  const std::vector<float> values = Values(tensor);
  std::vector<int64_t> shape(tensor.ne.rbegin(), tensor.ne.rend());
  const int64_t stack = shape.size() == 3 ? shape[0] : 1;
  if (stack > 1 || shape.size() == 3) shape.erase(shape.begin());
  const size_t each = values.size() / static_cast<size_t>(stack);
  for (int64_t i = 0; i < stack; ++i) {
    const auto begin = values.begin() + i * static_cast<int64_t>(each);
    const std::string name = gemma3n::HfTensorName(tensor.name, static_cast<int>(i));
    model.tensors["model." + name] =
        FloatTensor(shape, std::vector<float>(begin, begin + static_cast<int64_t>(each)));
  }
}

}  // namespace

Vocab SmallVocab() {
  Vocab vocab = BasicVocab(true);
  float score = -1;
  for (const char* piece : {"th", "the", " ", "he", "a", "b", "e", "h", "t", "\n", "o", "x"}) {
    AddPiece(vocab, piece == std::string(" ") ? std::string(kSpaceMark) : piece, score--);
  }
  return vocab;
}

void WriteSmallGguf(const std::filesystem::path& path) {
  const testing::RandomModel& model = Weights();
  const auto tensors = gemma3n::ListTensors(model.params, model.weights);
  GgufWriter writer(path);
  writer.AddString("general.architecture", gemma3n::kArchitecture);
  writer.AddString("general.name", "a model with a name that is not short");
  gemma3n::WriteGgufParams(model.params, writer);
  WriteTokenizer(Tokenizer(SmallVocab()), {}, model.params.vocab, writer);
  for (const auto& tensor : tensors) writer.AddTensor(tensor.name, DType::kF32, tensor.ne);
  writer.WriteHeader();
  for (const auto& tensor : tensors) {
    const std::vector<float> values = Values(tensor);
    writer.WriteTensorData(std::as_bytes(std::span(values)));
  }
  writer.Finish();
}

void WriteSmallFolder(const std::filesystem::path& folder, bool tokenizer_json) {
  const testing::RandomModel& weights = Weights();
  HfModel model;
  model.config = Config(weights.params);
  for (const auto& tensor : gemma3n::ListTensors(weights.params, weights.weights)) {
    AddTensor(tensor, model);
  }
  WriteHfModel(folder, model, 2);
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream(folder / name, std::ios::binary) << text;
  };
  write("generation_config.json", R"({"eos_token_id": [1, 5], "top_k": 7, "do_sample": true})");
  write("tokenizer_config.json",
        R"({"chat_template": "{{ a template of somebody else's making }}", "tokens": [{}, []]})");
  if (tokenizer_json) {
    write("tokenizer.json", ToTokenizerJson(SmallVocab(), true));
  } else {
    write("tokenizer.model", ToSentencePieceModel(SmallVocab()));
  }
}

}  // namespace tandem::test
