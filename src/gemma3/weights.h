// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The weights of a Gemma 3 text model, found by name and checked against the hyper-parameters.
// Matrices are views into mapped files (which must outlive this); norms are decoded to float and
// owned here. Immutable once loaded.
#pragma once

#include <list>
#include <span>
#include <string>
#include <vector>

#include "gemma/output_tensors.h"
#include "gemma/weights.h"
#include "gemma3/hparams.h"

namespace tandem::gemma3 {

struct Weights {
  WeightView token_embedding;          // [V, D]
  WeightView head;                     // [V, D]; the token embedding unless a file has one more
  std::span<const float> output_norm;  // [D]
  std::vector<gemma::BlockWeights> layers;

  std::list<std::vector<float>> owned;  // what the spans point into
};

/// How a kind of file stores the weights of norms.
enum class NormForm {
  kWhole,    ///< As they multiply (GGUF).
  kLessOne,  ///< Less 1 (Hugging Face).
};

/// Finds and checks every tensor. Throws Error kNotFound (missing tensor), kCorruptFile (wrong
/// shape), naming `file` and the tensor, by its canonical name where there is no `namer`.
Weights LoadWeights(const gemma::TensorLookup& lookup, const HyperParams& params, NormForm norms,
                    const std::string& file, const gemma::TensorNamer& namer = {});

/// The tensors of a GGUF file of this model in the usual order: 13 per layer and 2 more.
std::vector<gemma::OutputTensor> ListTensors(const HyperParams& params, const Weights& weights);

}  // namespace tandem::gemma3
