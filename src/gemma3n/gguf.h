// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3n as GGUF stores it: metadata keys, and the list of tensors a file holds.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_writer.h"
#include "gemma3n/hparams.h"
#include "gemma3n/weights.h"

namespace tandem::gemma3n {

/// The value of general.architecture.
inline constexpr const char* kArchitecture = "gemma3n";

/// Reads the gemma3n.* keys as they exist in the wild (files of different ages, and Ollama's); what
/// has no key comes from tensor shapes. The result is validated. Throws Error kUnsupported for
/// another architecture, kNotFound, kCorruptFile.
HyperParams ReadGgufParams(const GgufFile& file);

/// Finds tensors of `file`, which must outlive the result.
TensorLookup GgufLookup(const GgufFile& file);

/// Declares the gemma3n.* keys.
void WriteGgufParams(const HyperParams& params, GgufWriter& writer);

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

/// The tensors of a GGUF file of this model in the usual order: 24 per layer (less the key and
/// value tensors that KV-shared layers have no use for) and 7 more. The per-layer table gets zero
/// rows up to the vocabulary, as other engines expect. `params` and `weights` must outlive the
/// result.
std::vector<OutputTensor> ListTensors(const HyperParams& params, const Weights& weights);

}  // namespace tandem::gemma3n
