// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads all of a model's files: their hashes, and whether every stored number is one. Loading reads
// headers only, so damage inside the weights shows here first.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/model.h"

namespace tandem {

struct CheckedFile {
  std::string name;  ///< Printable path.
  uint64_t bytes = 0;
  std::array<uint8_t, 16> hash{};  ///< XXH3, 128 bits, of the content.
};

/// A tensor with numbers that are infinite or no numbers.
struct BadTensor {
  std::string name;            ///< Printable.
  std::string type;            ///< "q8_0", "F32"; as the file says.
  std::vector<int64_t> shape;  ///< Slowest dimension first.
  std::vector<int64_t> first;  ///< Index of the first such value, or of its block's first value.
  uint64_t count = 0;          ///< Values, or scales and minimums of blocks.
};

struct CheckResult {
  std::vector<CheckedFile> files;
  int tensors = 0;                   ///< Scanned.
  uint64_t tensor_bytes = 0;         ///< Scanned.
  std::vector<std::string> skipped;  ///< "name (type)" of tensors whose type we do not read.
  std::vector<BadTensor> bad;
  double seconds = 0;

  bool ok() const { return bad.empty(); }
};

/// Bytes read, bytes in all, and what is being read. May throw to stop.
using CheckProgress = std::function<void(uint64_t done, uint64_t total, std::string_view name)>;

/// Checks the files that `model` was loaded from: all parts of a GGUF file; of a folder the
/// safetensors of the model, towers included, and the JSON, tokenizer and template files beside
/// them. Throws Error kIo.
CheckResult CheckModel(const Model& model, const CheckProgress& progress = {});

}  // namespace tandem
