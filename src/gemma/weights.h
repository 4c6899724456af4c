// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights found by name and checked against the hyper-parameters. Matrices are views into mapped
// files (which must outlive them); norms and small matrices are decoded to float.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "formats/weight_view.h"
#include "gemma/params.h"

namespace tandem::gemma {

/// Finds the matrix of a canonical (GGUF) tensor name, or nullopt. `index` picks one of a stack:
/// GGUF stacks Gemma 3n's AltUp projections in one 3-D tensor, Hugging Face stores them one by one.
/// Throws Error for a tensor that is there and cannot be viewed.
using TensorLookup = std::function<std::optional<WeightView>(const std::string& name, int index)>;

/// What the files call the tensor that TensorLookup finds, for messages.
using TensorNamer = std::function<std::string(const std::string& name, int index)>;

/// What a layer of any model of the family has. Layers that share another's keys and values may
/// lack key, value and k_norm.
struct BlockWeights {
  std::span<const float> attention_norm, post_attention_norm;  // [D]
  std::span<const float> ffn_norm, post_ffn_norm;              // [D]
  std::span<const float> q_norm, k_norm;                       // [dh]
  WeightView query, key, value, output;                        // [H dh, D], [G dh, D] x2, [D, H dh]
  WeightView gate, up, down;                                   // [F, D] x2, [D, F]
};

/// "blk.3.attn_q.weight".
std::string BlockTensor(int layer, const char* suffix);

/// Throws Error kNotFound (missing tensor), kCorruptFile (wrong shape), naming `file` and the
/// tensor, by its canonical name where there is no `namer`. Borrows all it is given.
class WeightLoader {
 public:
  WeightLoader(const TensorLookup& lookup, const StackParams& params, const Family& family,
               const std::string& file, const TensorNamer& namer,
               std::list<std::vector<float>>& owned)
      : lookup_(lookup),
        params_(params),
        family_(family),
        file_(file),
        namer_(namer),
        owned_(owned) {}

  /// What is added to the weights of norms: 1 for files that store them less 1.
  void SetNormShift(float shift) { norm_shift_ = shift; }

  std::optional<WeightView> Find(const std::string& name) const { return lookup_(name, 0); }
  WeightView Required(const std::string& name, int index = 0) const;
  WeightView Matrix(const std::string& name, int64_t rows, int64_t cols, int index = 0) const;
  /// Decoded values, which live as long as `owned`.
  std::span<float> Small(const std::string& name, int64_t rows, int64_t cols);
  std::span<const float> Norm(const std::string& name, int64_t size);
  /// Everything that BlockWeights holds, less key, value and k_norm unless `owns_kv`.
  void LoadBlock(int layer, bool owns_kv, BlockWeights& block);
  /// Takes key, value and k_norm of a layer that has no use for them, where the file has them in
  /// the right shape: other engines expect them in a converted file.
  void KeepUnusedKv(int layer, BlockWeights& block);

  [[noreturn]] void WrongShape(const std::string& name, int index, const WeightView& view,
                               int64_t rows, int64_t cols) const;

 private:
  std::string Shown(const std::string& name, int index) const;
  int64_t KvWidth() const { return int64_t{params_.kv_heads} * params_.head_dim; }

  const TensorLookup& lookup_;
  const StackParams& params_;
  const Family& family_;
  const std::string& file_;
  const TensorNamer& namer_;
  std::list<std::vector<float>>& owned_;
  float norm_shift_ = 0;
};

}  // namespace tandem::gemma
