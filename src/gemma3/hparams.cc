// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "gemma3/hparams.h"

#include <fmt/format.h>

#include <cmath>

namespace tandem::gemma3 {
namespace {

constexpr int kLayersOf27B = 62;

}  // namespace

void HyperParams::Validate(const std::string& file) const {
  const gemma::ParamCheck check(file, kFamily);
  check.Stack(*this);
  check.Require(std::isfinite(attention_scale) && attention_scale > 0,
                fmt::format("attention scale is {}", attention_scale));
}

float DefaultAttentionScale(const gemma::StackParams& params) {
  const float size = params.layers == kLayersOf27B && params.heads > 0
                         ? static_cast<float>(params.width) / static_cast<float>(params.heads)
                         : static_cast<float>(params.head_dim);
  return 1.0f / std::sqrt(size);
}

}  // namespace tandem::gemma3
