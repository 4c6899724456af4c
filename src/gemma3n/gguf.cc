// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/gguf.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

namespace tandem::gemma3n {
namespace {

// The published PLE vocabulary of files whose tables are padded to the 262,400 rows of the token
// embedding: their padding rows are zeros, where the reference reads row 0.
constexpr int64_t kPaddedVocab = 262400;
constexpr int64_t kPublishedPleVocab = 262144;

// Finite values that stand for "no threshold": the quantile of a fraction that is 0 up to rounding.
constexpr float kDenseBelow = -8.0f;
// Stands for a threshold at exactly the mean, since 0 means dense.
constexpr float kMeanThreshold = 1e-30f;

// Our own: no published model needs it, since their clip of 120 is the default and coefficients in
// files are clipped already.
constexpr const char* kClipKey = "altup.coef_clip";

void ReadSparsity(const gemma::GgufKeys& keys, HyperParams& p) {
  const std::string key = keys.Key("activation_sparsity_scale");
  auto scales = keys.metadata().FindFloats(key);
  if (!scales) {
    // Files without the key are of the published models.
    scales.emplace();
    for (int layer = 0; layer < p.layers; ++layer) {
      scales->push_back(p.layers > 10 && layer < 10 ? static_cast<float>(NormalQuantile(0.95)) : 0);
    }
  }
  if (scales->size() < static_cast<size_t>(p.layers)) {
    keys.WrongCount(key, scales->size(), p.layers);
  }
  for (size_t layer = 0; layer < static_cast<size_t>(p.layers); ++layer) {
    const float scale = (*scales)[layer];
    const bool dense = !std::isfinite(scale) || scale == 0 || scale < kDenseBelow;
    p.sparsity.push_back(dense ? std::nullopt : std::optional<float>(scale));
  }
}

// Any layer that has one makes it an error for another to have none.
bool HasCorrectScale(const GgufFile& file, int layers) {
  for (int layer = 0; layer < layers; ++layer) {
    if (file.FindTensor(fmt::format("blk.{}.altup_correct_scale.weight", layer)) != nullptr) {
      return true;
    }
  }
  return false;
}

}  // namespace

HyperParams ReadGgufParams(const GgufFile& file) {
  const gemma::GgufKeys keys(file, kFamily);
  HyperParams p;
  gemma::ReadStack(keys, p);
  p.shared_kv_layers = keys.Narrow("attention.shared_kv_layers", p.layers == 30 ? 10 : 15);
  p.altup_inputs = keys.Narrow("altup.num_inputs", p.altup_inputs);
  p.altup_active = keys.Narrow("altup.active_idx", p.altup_active);
  p.altup_correct_scale = file.metadata()
                              .FindBool(keys.Key("altup.correct_scale"))
                              .value_or(HasCorrectScale(file, p.layers));
  p.altup_coefficient_clip = keys.Float(kClipKey, p.altup_coefficient_clip);
  p.ple_width =
      keys.Int("embedding_length_per_layer_input", keys.Tensor("per_layer_proj_norm.weight").ne[0]);
  const int64_t ple_rows = keys.Tensor("per_layer_token_embd.weight").ne[1];
  p.ple_vocab = keys.Int("vocab_size_per_layer_input",
                         ple_rows == kPaddedVocab ? kPublishedPleVocab : ple_rows);
  p.laurel_rank = keys.Tensor("blk.0.laurel_l.weight").ne[1];
  ReadSparsity(keys, p);
  p.Validate(file.part_name());
  return p;
}

void WriteGgufParams(const HyperParams& p, GgufWriter& writer) {
  const auto key = [](const char* name) { return fmt::format("{}.{}", kArchitecture, name); };
  const auto u32 = [&](const char* name, int64_t value) {
    writer.Add<uint32_t>(key(name), static_cast<uint32_t>(value));
  };
  gemma::WriteStack(p, kFamily, writer);
  u32("attention.shared_kv_layers", p.shared_kv_layers);
  u32("embedding_length_per_layer_input", p.ple_width);
  u32("vocab_size_per_layer_input", p.ple_vocab);
  u32("altup.num_inputs", p.altup_inputs);
  u32("altup.active_idx", p.altup_active);
  if (p.altup_coefficient_clip != HyperParams().altup_coefficient_clip) {
    writer.Add<float>(key(kClipKey), p.altup_coefficient_clip);
  }
  std::vector<float> sparsity;
  for (const auto& multiplier : p.sparsity) {
    sparsity.push_back(!multiplier        ? -std::numeric_limits<float>::infinity()
                       : *multiplier == 0 ? kMeanThreshold
                                          : *multiplier);
  }
  writer.AddArray<float>(key("activation_sparsity_scale"), sparsity);
}

}  // namespace tandem::gemma3n
