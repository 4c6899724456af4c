// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// NumPy's .npy files, format version 1.0, little-endian float32 and int64 in C order: a streaming
// writer (one thread at a time) and a reader for tests and tools.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/atomic_file.h"

namespace tandem {

/// T: float or int64_t. The file appears under its name only with Finish().
template <typename T>
class NpyWriter {
 public:
  /// Writes the header for an array of `shape` (slowest dimension first; all >= 0). Throws Error
  /// kIo; kInvalidArgument for a shape that makes no array.
  NpyWriter(const std::filesystem::path& path, std::span<const int64_t> shape);

  /// Appends elements, any number at a time. Throws Error kInternal past the end of the array.
  void Write(std::span<const T> elements);
  /// Checks that the array is complete, and commits. Call once, last.
  void Finish();

 private:
  std::string name_;
  AtomicFile file_;
  uint64_t missing_ = 0;
};

template <typename T>
struct NpyArray {
  std::vector<int64_t> shape;
  std::vector<T> values;
};

/// Reads a whole array of exactly this type (float or int64_t). Throws Error: kNotFound, kIo,
/// kCorruptFile, kUnsupported (another type, Fortran order, another version).
template <typename T>
NpyArray<T> ReadNpy(const std::filesystem::path& path);

}  // namespace tandem
