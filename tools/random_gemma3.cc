// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "random_gemma3.h"

#include <algorithm>
#include <cmath>

#include "random_weights.h"

namespace tandem {
namespace {

constexpr float kNormSpread = 0.05f;

struct Shape {
  const char* name;
  int layers;
  int64_t width, ffn;
  int heads, kv_heads, head_dim;
  bool large;  ///< Sees images too: another vocabulary and window, a context stretched by linear
               ///< RoPE.
};
constexpr Shape kShapes[] = {
    {"gemma3-270m", 18, 640, 2048, 4, 1, 256, false},
    {"gemma3-1b", 26, 1152, 6912, 4, 1, 256, false},
    {"gemma3-4b", 34, 2560, 10240, 8, 4, 256, true},
    {"gemma3-12b", 48, 3840, 15360, 16, 8, 256, true},
    {"gemma3-27b", 62, 5376, 21504, 32, 16, 128, true},
};

// No data stands behind it: only whether there is any is looked at, and that the head is the table.
WeightView Matrix(int64_t rows, int64_t cols) {
  static constexpr std::byte kSomething{};
  return {DType::kF32, rows, cols, 0, &kSomething};
}

}  // namespace

std::optional<gemma3::HyperParams> Gemma3Preset(const std::string& size) {
  for (const Shape& shape : kShapes) {
    if (size != shape.name) continue;
    gemma3::HyperParams p;
    p.layers = shape.layers;
    p.width = shape.width;
    p.ffn = {shape.ffn};
    p.heads = shape.heads;
    p.kv_heads = shape.kv_heads;
    p.head_dim = shape.head_dim;
    p.vocab = shape.large ? 262208 : 262144;
    p.window = shape.large ? 1024 : 512;
    p.context_length = shape.large ? 131072 : 32768;
    p.rope_factor_full = shape.large ? 8 : 1;
    return p;
  }
  return std::nullopt;
}

void CompleteGemma3(gemma3::HyperParams& p) {
  p.ffn.resize(static_cast<size_t>(std::max(0, p.layers)), p.ffn.at(0));
  p.kinds = gemma::PeriodicKinds(p.layers, gemma3::kFamily.period);
  p.attention_scale = gemma3::DefaultAttentionScale(p);
}

gemma3::Weights SketchGemma3(const gemma3::HyperParams& p, uint64_t seed) {
  gemma3::Weights weights;
  RandomStream stream(~seed);
  const auto vector = [&](int64_t count, float mean, float deviation) -> std::span<const float> {
    std::vector<float>& values = weights.owned.emplace_back();
    for (int64_t i = 0; i < count; ++i) values.push_back(mean + deviation * stream.Normal());
    return values;
  };
  weights.token_embedding = weights.head = Matrix(p.vocab, p.width);
  // Trained models spread their logits about this far.
  weights.output_norm = vector(p.width, 4, 4 * kNormSpread);
  // This gives the scores of attention a deviation of 2: favourites without a choice of one.
  const float head = std::sqrt(2 / (std::sqrt(static_cast<float>(p.head_dim)) * p.attention_scale));
  for (const int64_t ffn : p.ffn) {
    gemma::BlockWeights& w = weights.layers.emplace_back();
    for (auto* norm : {&w.attention_norm, &w.post_attention_norm, &w.ffn_norm, &w.post_ffn_norm}) {
      *norm = vector(p.width, 1, kNormSpread);
    }
    w.q_norm = vector(p.head_dim, head, kNormSpread * head);
    w.k_norm = vector(p.head_dim, head, kNormSpread * head);
    w.query = Matrix(int64_t{p.heads} * p.head_dim, p.width);
    w.key = w.value = Matrix(int64_t{p.kv_heads} * p.head_dim, p.width);
    w.output = Matrix(p.width, w.query.rows);
    w.gate = w.up = Matrix(ffn, p.width);
    w.down = Matrix(p.width, ffn);
  }
  return weights;
}

}  // namespace tandem
