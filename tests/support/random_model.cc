// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/random_model.h"

#include <cmath>
#include <cstring>
#include <map>
#include <random>

namespace tandem::testing {
namespace {

using gemma3n::HyperParams;
using gemma3n::LayerKind;

int64_t Pick(std::mt19937_64& random, std::initializer_list<int64_t> choices) {
  return choices.begin()[random() % choices.size()];
}

}  // namespace

std::pair<int64_t, int64_t> TensorShape(const HyperParams& params, const std::string& name) {
  const int64_t kv_width = int64_t{params.kv_heads} * params.head_dim;
  const int64_t q_width = int64_t{params.heads} * params.head_dim;
  const int64_t d = params.width;
  const int64_t a = params.altup_inputs;
  const std::string rest = name.starts_with("blk.") ? name.substr(name.find('.', 4) + 1) : name;
  const int layer = name.starts_with("blk.") ? std::stoi(name.substr(4)) : 0;
  const int64_t ffn = params.ffn[static_cast<size_t>(layer)];
  const std::map<std::string, std::pair<int64_t, int64_t>> shapes = {
      {"token_embd.weight", {params.vocab, d}},
      {"per_layer_token_embd.weight", {params.ple_vocab, params.layers * params.ple_width}},
      {"altup_proj.weight", {d, d}},
      {"altup_unembd_proj.weight", {d, d}},
      {"per_layer_proj_norm.weight", {1, params.ple_width}},
      {"per_layer_model_proj.weight", {params.layers * params.ple_width, d}},
      {"attn_q_norm.weight", {1, params.head_dim}},
      {"attn_k_norm.weight", {1, params.head_dim}},
      {"altup_router.weight", {a, d}},
      {"altup_predict_coef.weight", {a * a, a}},
      {"altup_correct_coef.weight", {a, a}},
      {"attn_q.weight", {q_width, d}},
      {"attn_k.weight", {kv_width, d}},
      {"attn_v.weight", {kv_width, d}},
      {"attn_output.weight", {d, q_width}},
      {"ffn_gate.weight", {ffn, d}},
      {"ffn_up.weight", {ffn, d}},
      {"ffn_down.weight", {d, ffn}},
      {"laurel_l.weight", {params.laurel_rank, d}},
      {"laurel_r.weight", {d, params.laurel_rank}},
      {"inp_gate.weight", {params.ple_width, d}},
      {"proj.weight", {d, params.ple_width}},
  };
  const auto it = shapes.find(rest);
  return it == shapes.end() ? std::pair<int64_t, int64_t>{1, d} : it->second;
}

RandomModel MakeRandomModel(const HyperParams& params, uint64_t seed, DType type) {
  RandomModel model;
  model.params = params;
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  std::map<std::pair<std::string, int>, WeightView> made;
  const auto make = [&](const std::string& name, int64_t rows, int64_t cols) {
    const bool norm =
        name.find("norm") != std::string::npos || name.find("_scale") != std::string::npos;
    const bool coefficient = name.find("_coef") != std::string::npos;
    const float deviation = norm ? 0.1f : coefficient ? 0.4f : 1.0f / std::sqrt(float(cols));
    const bool packed = !norm && !coefficient && cols % BlockElements(type) == 0 &&
                        params.ple_width % BlockElements(type) == 0;
    const DType stored = packed ? type : DType::kF32;
    std::vector<std::byte>& bytes =
        model.storage.emplace_back(static_cast<size_t>(rows) * RowBytes(stored, cols));
    std::vector<float> row(static_cast<size_t>(cols));
    for (int64_t r = 0; r < rows; ++r) {
      for (float& v : row) v = (norm ? 1.0f : 0.0f) + deviation * normal(random);
      QuantizeRow(stored, row.data(),
                  bytes.data() + static_cast<size_t>(r) * RowBytes(stored, cols), cols);
    }
    return WeightView{stored, rows, cols, RowBytes(stored, cols), bytes.data()};
  };
  // The loader asks for each tensor by name and checks its shape, which is not known here: answer
  // with what it expects, by the kind of name.
  const auto lookup = [&](const std::string& name, int index) -> std::optional<WeightView> {
    const auto it = made.find({name, index});
    if (it != made.end()) return it->second;
    const auto [rows, cols] = TensorShape(params, name);
    return made[{name, index}] = make(name, rows, cols);
  };
  model.weights = LoadWeights(lookup, params, "random model");
  return model;
}

HyperParams RandomParams(uint64_t seed) {
  std::mt19937_64 random(seed);
  HyperParams p;
  p.layers = static_cast<int>(Pick(random, {1, 2, 3, 5, 6, 7}));
  p.width = Pick(random, {32, 48, 96});
  p.kv_heads = static_cast<int>(Pick(random, {1, 2, 3}));
  p.heads = p.kv_heads * static_cast<int>(Pick(random, {1, 2, 4}));
  p.head_dim = static_cast<int>(Pick(random, {2, 8, 18, 32}));
  p.vocab = Pick(random, {50, 131});
  p.ple_vocab = p.vocab - Pick(random, {0, 7});
  p.ple_width = Pick(random, {8, 32});
  p.laurel_rank = Pick(random, {1, 8, 17});
  p.window = Pick(random, {1, 3, 8, 100});
  p.altup_inputs = static_cast<int>(Pick(random, {1, 2, 3, 4, 5}));
  p.altup_active = static_cast<int>(random() % static_cast<uint64_t>(p.altup_inputs));
  p.altup_correct_scale = Pick(random, {0, 1}) != 0;
  p.logit_soft_cap = static_cast<float>(Pick(random, {0, 5, 30}));
  p.rope_theta_full = 1e5f;
  p.rope_theta_sliding = 1e3f;
  p.context_length = 256;
  for (int layer = 0; layer < p.layers; ++layer) {
    p.ffn.push_back(Pick(random, {16, 64, 100}));
    p.kinds.push_back(Pick(random, {0, 1, 2}) == 0 ? LayerKind::kFull : LayerKind::kSliding);
    const int64_t sparse = Pick(random, {0, 1, 2});
    p.sparsity.push_back(sparse == 0 ? std::nullopt : std::optional(sparse == 1 ? 1.64485f : 0.3f));
  }
  // As many shared layers as the draw asks for and the kinds allow.
  p.shared_kv_layers = static_cast<int>(random() % static_cast<uint64_t>(p.layers));
  const auto valid = [&] {
    for (int layer = p.FirstShared(); layer < p.layers; ++layer) {
      if (p.KvSource(layer) < 0) return false;
    }
    return true;
  };
  while (!valid()) --p.shared_kv_layers;
  p.Validate("random parameters");
  return p;
}

std::vector<int32_t> RandomIds(int64_t vocab, size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> ids(count);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint64_t>(vocab));
  return ids;
}

}  // namespace tandem::testing
