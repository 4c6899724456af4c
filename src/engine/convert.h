// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a model as one GGUF file: from Hugging Face folders or other GGUF files, in another weight
// type, whole or as a MatFormer slice. Memory stays bounded whatever the size; the output appears
// only when complete.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

struct ConvertOptions {
  std::filesystem::path source;  ///< GGUF file or Hugging Face folder; empty = the built-in model.
  std::filesystem::path output;
  std::string type = "q8_0";  ///< One of ConvertTypes().
  std::string slice;          ///< Preset name ("e2b"), or empty.
  std::string slice_skip;     ///< Layers to leave out, "20-24" or "5,7,9-11"; or empty.
  std::string slice_ffn;      ///< FFN widths of the kept layers, "8192" or a list; or empty.
  int threads = 0;
};

/// "f32", "f16", "bf16", "q8_0", "q4_0", "q4_k", "q6_k", "q4_k_m".
std::vector<std::string> ConvertTypes();

struct ConvertSummary {
  int tensors = 0;
  int layers = 0;
  uint64_t bytes = 0;    ///< Of the output.
  uint64_t weights = 0;  ///< Elements of all tensors.
  double seconds = 0;
  /// Bytes of tensor data by type name.
  std::map<std::string, uint64_t> bytes_by_type;
  /// Tensors that could not have the asked type, by "wanted -> got" with the count.
  std::map<std::string, int> fallbacks;
  /// What the source's loading had to say (towers ignored, ...).
  std::vector<std::string> notes;
};

/// Bytes of tensor data written, bytes in all, and the tensor being written.
using ConvertProgress = std::function<void(uint64_t done, uint64_t total, std::string_view tensor)>;

/// Throws Error: as Model::Load for the source; kInvalidArgument (type, slice, output would replace
/// a source); kIo.
ConvertSummary Convert(const ConvertOptions& options, const ConvertProgress& progress = {});

}  // namespace tandem
