// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a model is made of, as plain data for reports.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tandem/engine.h"

namespace tandem {

struct TensorInfo {
  std::string name;
  std::string type;
  std::vector<int64_t> shape;  ///< Slowest dimension first.
  uint64_t bytes = 0;
};

struct ModelInfo {
  std::string source;
  std::string format;  ///< "GGUF v3" or "Hugging Face".
  std::string architecture;
  std::string name;
  uint64_t file_bytes = 0;
  uint64_t weights = 0;  ///< Elements of all text tensors.
  /// Hyper-parameters with a readable name each, in a sensible order.
  std::vector<std::pair<std::string, std::string>> shape;
  /// Per type: tensors and bytes.
  std::map<std::string, std::pair<int, uint64_t>> types;
  std::vector<TensorInfo> tensors;
  /// Matrices that one decoded token reads, per-layer embedding rows left out.
  uint64_t bytes_per_token = 0;
  /// "4096 pieces, SentencePiece BPE", or why there is none.
  std::string tokenizer;
  int64_t context_length = 0;
  std::vector<std::string> notes;
};

ModelInfo Describe(const Model& model);

/// Memory of running `model` with `context` tokens: weights as mapped (an upper bound: pages come
/// in as they are used), keys and values, activations.
struct MemoryNeed {
  uint64_t weights = 0;
  uint64_t streamed = 0;  ///< Of the weights, what every token reads: the rest is looked up in.
  uint64_t kv = 0;
  uint64_t activations = 0;
  uint64_t copies = 0;  ///< Weights that the CPU keeps in another order (cpu_device.h).
};
MemoryNeed EstimateMemory(const Model& model, int64_t context, KvType kv, int64_t chunk = 256);

}  // namespace tandem
