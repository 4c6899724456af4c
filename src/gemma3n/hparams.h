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

namespace tandem::gemma3n {

/// Most layers that a file may ask for.
inline constexpr int64_t kMaxLayers = 1024;

enum class LayerKind {
  kSliding,  ///< Attends to the last `window` positions, local RoPE base.
  kFull,     ///< Attends to everything, global RoPE base.
};

struct HyperParams {
  int layers = 35;               ///< L
  int64_t width = 2048;          ///< D
  std::vector<int64_t> ffn;      ///< F of each layer (MatFormer slices differ by layer).
  int heads = 8;                 ///< H
  int kv_heads = 2;              ///< G
  int head_dim = 256;            ///< dh
  int64_t vocab = 262400;        ///< V, rows of the token embedding and of the logits.
  int64_t ple_vocab = 262144;    ///< Ids with a per-layer embedding of their own.
  int64_t ple_width = 256;       ///< P
  int64_t laurel_rank = 64;      ///< R
  int shared_kv_layers = 15;     ///< The last layers, which own no keys and values.
  std::vector<LayerKind> kinds;  ///< [L]
  int64_t window = 512;
  int altup_inputs = 4;                ///< A
  int altup_active = 0;                ///< a
  float altup_coefficient_clip = 120;  ///< Weights of the AltUp coefficients are clamped to this.
  bool altup_correct_scale = true;
  /// Multiplier of the standard deviation in the activation sparsity of each layer; nullopt where
  /// the layer is dense.                                                                     [L]
  std::vector<std::optional<float>> sparsity;
  float rope_theta_full = 1e6f;
  float rope_theta_sliding = 1e4f;
  float eps = 1e-6f;
  float logit_soft_cap = 30;  ///< 0 = none.
  int64_t context_length = 32768;

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
