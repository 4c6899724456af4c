// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/hf.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <array>
#include <cmath>
#include <string_view>

#include "core/error.h"

namespace tandem::gemma3n {
namespace {

using gemma::JsonFields;
using nlohmann::json;

void ReadSparsity(const JsonFields& fields, HyperParams& p) {
  const json* pattern = fields.Find("activation_sparsity_pattern");
  const auto multiplier = [&](double fraction) -> std::optional<float> {
    if (fraction <= 0) return std::nullopt;
    if (!(fraction < 1)) fields.Bad("activation_sparsity_pattern", "a list of fractions below 1");
    return static_cast<float>(NormalQuantile(fraction));
  };
  for (int layer = 0; layer < p.layers; ++layer) {
    double fraction = p.layers > 10 && layer < 10 ? 0.95 : 0.0;
    if (pattern != nullptr) {
      const json& value = pattern->is_array() && static_cast<size_t>(layer) < pattern->size()
                              ? (*pattern)[static_cast<size_t>(layer)]
                              : *pattern;
      if (!value.is_number()) {
        fields.Bad("activation_sparsity_pattern", "a list with a number per layer");
      }
      fraction = value.get<double>();
    }
    p.sparsity.push_back(multiplier(fraction));
  }
}

struct NamePair {
  std::string_view canonical;
  std::string_view hf;
};

constexpr std::array<NamePair, 11> kLayerNames = {{
    {"inp_gate.weight", "per_layer_input_gate.weight"},
    {"proj.weight", "per_layer_projection.weight"},
    {"post_norm.weight", "post_per_layer_input_norm.weight"},
    {"altup_correct_scale.weight", "altup.correct_output_scale"},
    {"altup_correct_coef.weight", "altup.correction_coefs.weight"},
    {"altup_predict_coef.weight", "altup.prediction_coefs.weight"},
    {"altup_router.weight", "altup.modality_router.weight"},
    {"altup_router_norm.weight", "altup.router_norm.weight"},
    {"laurel_l.weight", "laurel.linear_left.weight"},
    {"laurel_r.weight", "laurel.linear_right.weight"},
    {"laurel_post_norm.weight", "laurel.post_laurel_norm.weight"},
}};

constexpr std::array<NamePair, 3> kModelNames = {{
    {"per_layer_token_embd.weight", "embed_tokens_per_layer.weight"},
    {"per_layer_model_proj.weight", "per_layer_model_projection.weight"},
    {"per_layer_proj_norm.weight", "per_layer_projection_norm.weight"},
}};

}  // namespace

bool IsHfConfig(const json& config) {
  return gemma::IsModelType(config, "gemma3n", "gemma3n_text");
}

HyperParams ReadHfConfig(const json& config, const std::string& file) {
  if (!IsHfConfig(config)) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: not a Gemma 3n configuration", file));
  }
  const JsonFields fields(gemma::TextConfig(config), file);
  HyperParams p;
  gemma::ReadStack(fields, kFamily, p);
  p.ple_vocab = fields.Int("vocab_size_per_layer_input", p.ple_vocab);
  p.ple_width = fields.Int("hidden_size_per_layer_input", p.ple_width);
  p.laurel_rank = fields.Int("laurel_rank", p.laurel_rank);
  p.shared_kv_layers = fields.Narrow("num_kv_shared_layers", p.shared_kv_layers);
  p.altup_inputs = fields.Narrow("altup_num_inputs", p.altup_inputs);
  p.altup_active = fields.Narrow("altup_active_idx", p.altup_active);
  p.altup_correct_scale = fields.Bool("altup_correct_scale", p.altup_correct_scale);
  // An explicit null means no clip, unlike an absent key.
  if (fields.IsNull("altup_coef_clip")) p.altup_coefficient_clip = INFINITY;
  p.altup_coefficient_clip = fields.Float("altup_coef_clip", p.altup_coefficient_clip);
  ReadSparsity(fields, p);
  p.Validate(file);
  return p;
}

std::string HfTensorName(const std::string& canonical, int index) {
  if (canonical == "altup_proj.weight") return fmt::format("altup_projections.{}.weight", index);
  if (canonical == "altup_unembd_proj.weight") {
    return fmt::format("altup_unembed_projections.{}.weight", index);
  }
  for (const NamePair& pair : kModelNames) {
    if (pair.canonical == canonical) return std::string(pair.hf);
  }
  const gemma::BlockName name = gemma::SplitBlockName(canonical);
  for (const NamePair& pair : kLayerNames) {
    if (pair.canonical == name.rest) return fmt::format("layers.{}.{}", name.layer, pair.hf);
  }
  return gemma::HfStackName(canonical);
}

}  // namespace tandem::gemma3n
