// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Hyper-parameters of Gemma 3n's text model. Plain data; Validate() is the one place that decides
// whether they make sense together. Keys and defaults follow the published config.json and the
// gemma3n keys of GGUF.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gemma/params.h"

namespace tandem::gemma3n {

using gemma::LayerKind;

inline constexpr gemma::Family kFamily = {
    .name = "Gemma 3n",
    .architecture = "gemma3n",
    .period = 5,
    .ffn = 16384,
    .linear_rope = false,
    .lists = true,
};

struct HyperParams : gemma::StackParams {
  /// The published E4B, but for what is said by layer.
  HyperParams() {
    layers = 35;
    width = 2048;
    heads = 8;
    kv_heads = 2;
    head_dim = 256;
    vocab = 262400;
    window = 512;
    logit_soft_cap = 30;
    context_length = 32768;
  }

  int64_t ple_vocab = 262144;          ///< Ids with a per-layer embedding of their own.
  int64_t ple_width = 256;             ///< P
  int64_t laurel_rank = 64;            ///< R
  int shared_kv_layers = 15;           ///< The last layers, which own no keys and values.
  int altup_inputs = 4;                ///< A
  int altup_active = 0;                ///< a
  float altup_coefficient_clip = 120;  ///< Weights of the AltUp coefficients are clamped to this.
  bool altup_correct_scale = true;
  /// Multiplier of the standard deviation in the activation sparsity of each layer; nullopt where
  /// the layer is dense.                                                                     [L]
  std::vector<std::optional<float>> sparsity;

  /// First layer that shares another's keys and values; `layers` when none does.
  int FirstShared() const { return layers - shared_kv_layers; }
  bool OwnsKv(int layer) const { return layer < FirstShared(); }
  /// The layer whose keys and values `layer` attends over: itself, or the last owner of its kind.
  /// REQUIRES: validated.
  int KvSource(int layer) const;

  /// Throws Error kCorruptFile (contradiction) or kUnsupported (size beyond limits), naming `file`.
  void Validate(const std::string& file) const;
};

/// Multiplier of the standard deviation that leaves `fraction` of a normal distribution below
/// mean + multiplier * deviation: the inverse normal distribution function. REQUIRES: in (0, 1).
double NormalQuantile(double fraction);

}  // namespace tandem::gemma3n
