// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Hyper-parameters of Gemma 3's text models: 270M, 1B, 4B, 12B, 27B. Plain data. Keys and defaults
// follow the published config.json and the gemma3 keys of GGUF.
#pragma once

#include <string>

#include "gemma/params.h"

namespace tandem::gemma3 {

using gemma::LayerKind;

inline constexpr gemma::Family kFamily = {
    .name = "Gemma 3",
    .architecture = "gemma3",
    .period = 6,
    .ffn = 9216,
    .linear_rope = true,
    .lists = false,
};

struct HyperParams : gemma::StackParams {
  /// What a config.json means that says nothing, but for what is said by layer.
  HyperParams() {
    layers = 26;
    width = 2304;
    heads = 8;
    kv_heads = 4;
    head_dim = 256;
    vocab = 262208;
    window = 4096;
    context_length = 131072;
  }

  float attention_scale = 1.0f / 16;  ///< Of the products of queries and keys.

  /// Throws Error kCorruptFile (contradiction) or kUnsupported (size beyond limits), naming `file`.
  void Validate(const std::string& file) const;
};

/// The scale that GGUF files mean that do not say one: of the head dimension, but for the 27B
/// model, which was trained with that of its width over its heads.
float DefaultAttentionScale(const gemma::StackParams& params);

}  // namespace tandem::gemma3
