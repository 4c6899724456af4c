// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/random_gemma3.h"

#include <cmath>
#include <random>
#include <span>
#include <string>

#include "formats/gguf_writer.h"
#include "gemma3/gguf.h"

namespace tandem::testing {
namespace {

using gemma3::HyperParams;
using gemma3::LayerKind;

class Maker {
 public:
  Maker(RandomGemma3& model, uint64_t seed, DType type)
      : model_(model), random_(seed), type_(type) {}

  WeightView Make(const std::string& name) {
    const auto [rows, cols] = TensorShape(model_.params, name);
    const bool norm = name.find("norm") != std::string::npos;
    const DType stored = !norm && cols % BlockElements(type_) == 0 ? type_ : DType::kF32;
    std::vector<std::byte>& bytes =
        model_.storage.emplace_back(static_cast<size_t>(rows) * RowBytes(stored, cols));
    std::vector<float> row(static_cast<size_t>(cols));
    for (int64_t r = 0; r < rows; ++r) {
      for (float& v : row) {
        v = norm ? 1 + std::round(25.6f * normal_(random_)) / 256
                 : normal_(random_) / std::sqrt(static_cast<float>(cols));
      }
      QuantizeRow(stored, row.data(),
                  bytes.data() + static_cast<size_t>(r) * RowBytes(stored, cols), cols);
    }
    return {stored, rows, cols, RowBytes(stored, cols), bytes.data()};
  }

 private:
  RandomGemma3& model_;
  std::mt19937_64 random_;
  std::normal_distribution<float> normal_;
  DType type_;
};

int64_t Pick(std::mt19937_64& random, std::initializer_list<int64_t> choices) {
  return choices.begin()[random() % choices.size()];
}

}  // namespace

std::pair<int64_t, int64_t> TensorShape(const HyperParams& p, const std::string& name) {
  const bool block = name.starts_with("blk.");
  const std::string rest = block ? name.substr(name.find('.', 4) + 1) : name;
  const int64_t ffn = p.ffn[block ? std::stoul(name.substr(4)) : 0];
  const int64_t q = int64_t{p.heads} * p.head_dim;
  const int64_t kv = int64_t{p.kv_heads} * p.head_dim;
  if (rest == "token_embd.weight") return {p.vocab, p.width};
  if (rest == "attn_q.weight") return {q, p.width};
  if (rest == "attn_k.weight" || rest == "attn_v.weight") return {kv, p.width};
  if (rest == "attn_output.weight") return {p.width, q};
  if (rest == "attn_q_norm.weight" || rest == "attn_k_norm.weight") return {1, p.head_dim};
  if (rest == "ffn_gate.weight" || rest == "ffn_up.weight") return {ffn, p.width};
  if (rest == "ffn_down.weight") return {p.width, ffn};
  return {1, p.width};
}

RandomGemma3 MakeRandomGemma3(const HyperParams& params, uint64_t seed, DType type) {
  RandomGemma3 model;
  model.params = params;
  Maker maker(model, seed, type);
  const auto lookup = [&](const std::string& name, int) -> std::optional<WeightView> {
    if (name == "output.weight") return std::nullopt;
    return maker.Make(name);
  };
  model.weights = gemma3::LoadWeights(lookup, params, gemma3::NormForm::kWhole, "random model");
  return model;
}

HyperParams RandomGemma3Params(uint64_t seed) {
  std::mt19937_64 random(seed);
  HyperParams p;
  p.layers = static_cast<int>(Pick(random, {1, 2, 3, 6, 7}));
  p.width = Pick(random, {32, 48, 96});
  p.kv_heads = static_cast<int>(Pick(random, {1, 2, 3}));
  p.heads = p.kv_heads * static_cast<int>(Pick(random, {1, 2, 4}));
  p.head_dim = static_cast<int>(Pick(random, {2, 8, 18, 32}));
  p.vocab = Pick(random, {50, 131});
  p.window = Pick(random, {1, 3, 8, 100});
  p.rope_theta_full = 1e5f;
  p.rope_theta_sliding = 1e3f;
  p.rope_factor_full = static_cast<float>(Pick(random, {1, 3, 8}));
  p.logit_soft_cap = static_cast<float>(Pick(random, {0, 0, 30}));
  p.attention_scale = 1.0f / std::sqrt(static_cast<float>(Pick(random, {p.head_dim, 7, 168})));
  p.context_length = 256;
  for (int layer = 0; layer < p.layers; ++layer) {
    p.ffn.push_back(Pick(random, {16, 64, 100}));
    p.kinds.push_back(Pick(random, {0, 1, 2}) == 0 ? LayerKind::kFull : LayerKind::kSliding);
  }
  p.Validate("random parameters");
  return p;
}

HyperParams SmallGemma3Params() {
  HyperParams p;
  p.layers = 7;
  p.width = 48;
  p.heads = 4;
  p.kv_heads = 2;
  p.head_dim = 16;
  p.vocab = 288;
  p.window = 8;
  p.context_length = 256;
  p.rope_factor_full = 8;
  p.attention_scale = gemma3::DefaultAttentionScale(p);
  p.ffn.assign(7, 64);
  p.kinds = gemma::PeriodicKinds(p.layers, 6);
  p.Validate("small model");
  return p;
}

void WriteGemma3Gguf(const RandomGemma3& model, const std::filesystem::path& path) {
  const auto tensors = gemma3::ListTensors(model.params, model.weights);
  GgufWriter writer(path);
  writer.AddString("general.architecture", gemma3::kFamily.architecture);
  gemma3::WriteGgufParams(model.params, writer);
  for (const auto& tensor : tensors) writer.AddTensor(tensor.name, DType::kF32, tensor.ne);
  writer.WriteHeader();
  for (const auto& tensor : tensors) {
    std::vector<float> values(static_cast<size_t>(tensor.rows * tensor.cols));
    for (int64_t row = 0; row < tensor.rows; ++row) {
      tensor.ReadRow(row, values.data() + row * tensor.cols);
    }
    writer.WriteTensorData(std::as_bytes(std::span(values)));
  }
  writer.Finish();
}

}  // namespace tandem::testing
