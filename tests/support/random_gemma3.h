// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Small Gemma 3 models of any shape with random weights: in memory, as a GGUF file, as a folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "formats/dtype.h"
#include "gemma3/hparams.h"
#include "gemma3/weights.h"

namespace tandem::testing {

struct RandomGemma3 {
  gemma3::HyperParams params;
  gemma3::Weights weights;
  std::list<std::vector<std::byte>> storage;  // of the matrices
};

/// Random weights for these hyper-parameters: matrices in `type` where its blocks fit the rows,
/// else F32. Norms are multiples of 1/256, so that they stay the same less 1 and plus 1.
RandomGemma3 MakeRandomGemma3(const gemma3::HyperParams& params, uint64_t seed,
                              DType type = DType::kF32);

/// Rows and columns of a tensor by its GGUF name; of a vector: 1 row.
std::pair<int64_t, int64_t> TensorShape(const gemma3::HyperParams& params, const std::string& name);

/// Hyper-parameters of a small model, every one drawn: heads, window and kinds of layers, FFN
/// widths, RoPE, attention scale, soft cap.
gemma3::HyperParams RandomGemma3Params(uint64_t seed);

/// Hyper-parameters of one small model: 7 layers, windows of 8, 48 wide, 288 ids.
gemma3::HyperParams SmallGemma3Params();

/// Writes `model` as other people's converters do: without keys for what is the default.
void WriteGemma3Gguf(const RandomGemma3& model, const std::filesystem::path& path);

}  // namespace tandem::testing
