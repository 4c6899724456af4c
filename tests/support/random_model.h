// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Small Gemma 3n models of any shape with random weights, in memory.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "gemma3n/hparams.h"
#include "gemma3n/weights.h"

namespace tandem::testing {

struct RandomModel {
  gemma3n::HyperParams params;
  gemma3n::Weights weights;
  std::list<std::vector<std::byte>> storage;  // of the matrices
};

/// Random weights for these hyper-parameters: matrices in `type` where its blocks fit the rows,
/// else F32.
RandomModel MakeRandomModel(const gemma3n::HyperParams& params, uint64_t seed,
                            DType type = DType::kF32);

/// Rows and columns of a tensor by its GGUF name, as the loader expects them; of a vector: 1 row.
std::pair<int64_t, int64_t> TensorShape(const gemma3n::HyperParams& params,
                                        const std::string& name);

/// Hyper-parameters of a small model, every one drawn: heads, AltUp streams and active one, FFN
/// widths by layer, window and sharing pattern, sparsity, with or without soft cap and scale.
gemma3n::HyperParams RandomParams(uint64_t seed);

std::vector<int32_t> RandomIds(int64_t vocab, size_t count, uint64_t seed);

}  // namespace tandem::testing
