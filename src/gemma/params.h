// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the text models of the Gemma family have in common: a stack of decoder layers with sandwich
// norms, grouped heads with a norm of their own, local and global attention with a RoPE base each,
// a gated FFN, a tied head. Plain data; each model's hyper-parameters add what is its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tandem::gemma {

/// Most layers that a file may ask for.
inline constexpr int64_t kMaxLayers = 1024;

/// Bounds on what a file may ask for: far above any Gemma, far below what would make a product of
/// two of them overflow or a single buffer absurd.
inline constexpr int64_t kMaxWidth = 1 << 17;
inline constexpr int64_t kMaxFfn = 1 << 20;
inline constexpr int64_t kMaxVocab = 1 << 22;
inline constexpr int64_t kMaxHeads = 1024;
inline constexpr int64_t kMaxContext = 1 << 24;

enum class LayerKind {
  kSliding,  ///< Attends to the last `window` positions, local RoPE base.
  kFull,     ///< Attends to everything, global RoPE base.
};

struct StackParams {
  int layers = 0;                ///< L
  int64_t width = 0;             ///< D
  std::vector<int64_t> ffn;      ///< F of each layer (MatFormer slices differ by layer).
  int heads = 0;                 ///< H
  int kv_heads = 0;              ///< G
  int head_dim = 0;              ///< dh
  int64_t vocab = 0;             ///< V, rows of the token embedding and of the logits.
  std::vector<LayerKind> kinds;  ///< [L]
  int64_t window = 0;
  float rope_theta_full = 1e6f;
  float rope_theta_sliding = 1e4f;
  float rope_factor_full = 1;  ///< Divides the frequencies of full layers (linear RoPE scaling).
  float eps = 1e-6f;
  float logit_soft_cap = 0;  ///< 0 = none.
  int64_t context_length = 0;
};

/// One model of the family, as far as reading its files goes.
struct Family {
  const char* name;          ///< For people: "Gemma 3n".
  const char* architecture;  ///< general.architecture, and the prefix of its keys.
  int64_t period;            ///< Every how many layers one is full, where a file does not say.
  int64_t ffn;               ///< FFN width where a config.json does not say.
  bool linear_rope;          ///< Whether files may scale RoPE linearly.
  bool lists;                ///< Whether its GGUF keys are lists by layer: FFN widths, kinds.
};

/// Kinds of layers of which every `period`-th is full; none when it is not positive.
std::vector<LayerKind> PeriodicKinds(int layers, int64_t period);

/// Refuses what makes no sense, naming the file. Throws Error kCorruptFile.
class ParamCheck {
 public:
  ParamCheck(const std::string& file, const Family& family) : file_(file), family_(family) {}

  void InRange(const char* what, int64_t value, int64_t low, int64_t high) const;
  void Require(bool condition, const std::string& what) const;
  /// Everything in `params`.
  void Stack(const StackParams& params) const;

 private:
  std::string Hint() const;

  const std::string& file_;
  const Family& family_;
};

}  // namespace tandem::gemma
