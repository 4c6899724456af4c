// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The weights of a Gemma 3n text model, found by name and checked against the hyper-parameters.
// Matrices are views into mapped files (which must outlive this); norms and the small AltUp
// matrices are decoded to float and owned here. Immutable once loaded.
#pragma once

#include <cstdint>
#include <list>
#include <span>
#include <string>
#include <vector>

#include "formats/weight_view.h"
#include "gemma/weights.h"
#include "gemma3n/hparams.h"

namespace tandem::gemma3n {

using gemma::TensorLookup;
using gemma::TensorNamer;

struct LayerWeights : gemma::BlockWeights {
  std::span<const float> laurel_norm;                                 // [D]
  std::span<const float> ple_norm;                                    // [D]
  std::span<const float> router_norm, router;                         // [D], [A, D]
  std::span<const float> predict_coefficients, correct_coefficients;  // [A*A, A], [A, A]
  std::span<const float> correct_scale;                               // [D] or empty
  WeightView laurel_left, laurel_right;                               // [R, D], [D, R]
  WeightView ple_gate, ple_output;                                    // [P, D], [D, P]
  WeightView ple_projection;  // [P, D]: this layer's rows of the model projection
  int64_t ple_column = 0;     // first column of this layer in the per-layer table
};

struct Weights {
  WeightView token_embedding;                  // [V, D]
  WeightView ple_table;                        // [rows, any number of layers * P]
  std::vector<WeightView> altup_projections;   // A - 1 of [D, D]
  std::vector<WeightView> altup_unembeddings;  // A - 1 of [D, D]
  std::span<const float> ple_projection_norm;  // [P]
  std::span<const float> output_norm;          // [D]
  std::vector<LayerWeights> layers;

  std::list<std::vector<float>> owned;  // what the spans point into
};

/// Finds and checks every tensor. Throws Error kNotFound (missing tensor), kCorruptFile (wrong
/// shape), naming `file` and the tensor, by its canonical name where there is no `namer`.
Weights LoadWeights(const TensorLookup& lookup, const HyperParams& params, const std::string& file,
                    const TensorNamer& namer = {});

}  // namespace tandem::gemma3n
