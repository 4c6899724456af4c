// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A model's weights as the tensors of a GGUF file to be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/weight_view.h"
#include "gemma/weights.h"

namespace tandem::gemma {

/// What a tensor is for, as far as the choice of its type goes.
enum class TensorRole {
  kVector,      ///< Norms, scales and coefficients.
  kSensitive,   ///< Small matrices that a model cannot lose precision in: AltUp, LAuReL, PLE ones.
  kTokenTable,  ///< Token embedding, which is the output head too.
  kPleTable,    ///< Per-layer embeddings.
  kAttention,   ///< Query, key, output.
  kValue,       ///< Value, which the usual mixes keep finer.
  kFfn,         ///< Gate, up.
  kFfnDown,     ///< Down, which the usual mixes keep finer.
};

/// A tensor of a GGUF file to be: rows of `cols` floats read from views, in GGUF's order.
struct OutputTensor {
  std::string name;
  std::vector<int64_t> ne;  ///< Fastest first.
  TensorRole role = TensorRole::kVector;
  int layer = -1;
  int64_t cols = 0;
  int64_t rows = 0;               ///< Of all matrices of the stack.
  std::vector<WeightView> stack;  ///< Matrices one after the other; or
  std::span<const float> vector;  ///< decoded values; or
  WeightView table;               ///< rows gathered from column ranges of a table,
  std::vector<int64_t> columns;   ///< first column of each range,
  int64_t column_width = 0;       ///< of this length. Rows past the table are zeros.

  /// Unpacks one row.
  void ReadRow(int64_t row, float* target) const;
  /// Copies the bytes of one row to `target` when the source stores it in `type`. Returns whether.
  bool CopyRow(int64_t row, DType type, std::byte* target) const;
};

/// Decoded values, `cols` a row.
OutputTensor VectorTensor(std::string name, std::span<const float> values, int64_t cols,
                          int layer = -1);
/// Matrices one below the other, as one matrix.
OutputTensor MatrixTensor(std::string name, std::vector<WeightView> stack, TensorRole role,
                          int layer = -1);

/// Appends the tensors of BlockWeights in the usual order, less those that are not there.
void AppendBlock(const BlockWeights& block, int layer, std::vector<OutputTensor>& out);

}  // namespace tandem::gemma
