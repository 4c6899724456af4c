// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3/hf.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cmath>

#include "core/error.h"
#include "gemma/hf.h"

namespace tandem::gemma3 {

bool IsHfConfig(const nlohmann::json& config) {
  return gemma::IsModelType(config, "gemma3", "gemma3_text");
}

HyperParams ReadHfConfig(const nlohmann::json& config, const std::string& file) {
  if (!IsHfConfig(config)) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: not a Gemma 3 configuration", file));
  }
  const gemma::JsonFields fields(gemma::TextConfig(config), file);
  HyperParams p;
  gemma::ReadStack(fields, kFamily, p);
  const float scalar = fields.Float("query_pre_attn_scalar", 256);
  if (!(scalar > 0)) fields.Bad("query_pre_attn_scalar", "positive");
  p.attention_scale = 1.0f / std::sqrt(scalar);
  if (fields.Float("attn_logit_softcapping", 0) != 0) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: a soft cap of attention is not something that Gemma 3 has", file));
  }
  // Embedding models made from Gemma 3 attend both ways.
  if (fields.Bool("use_bidirectional_attention", false)) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{}: a model that attends in both directions writes no text", file));
  }
  p.Validate(file);
  return p;
}

}  // namespace tandem::gemma3
