// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a GGUF file, version 3, alignment 32: first declare all keys and tensors, then stream the
// tensors' data in the order of their declaration. The file appears under its name only with
// Finish(), complete and synced. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/atomic_file.h"
#include "formats/dtype.h"
#include "formats/gguf_metadata.h"

namespace tandem {

/// Calls out of order and wrong amounts of data are Error kInternal; a key or tensor that the
/// format does not allow is Error kInvalidArgument; a full disk is Error kIo.
class GgufWriter {
 public:
  /// Opens a temporary file beside `path`. Throws Error kIo.
  explicit GgufWriter(const std::filesystem::path& path);

  /// A number or bool, stored as exactly T: Add<uint32_t>("gemma3n.block_count", 35).
  /// T: uint8_t ... int64_t, float, double, bool.
  template <typename T>
  void Add(std::string_view key, T value);
  void AddString(std::string_view key, std::string_view value);
  /// An array of numbers stored as exactly T (not bool).
  template <typename T>
  void AddArray(std::string_view key, std::span<const T> values);
  void AddBools(std::string_view key, const std::vector<bool>& values);
  void AddStrings(std::string_view key, std::span<const std::string_view> values);
  /// Copies a pair byte for byte. Pairs that describe the file they came from and would be untrue
  /// of this one (general.alignment, split.*) are left out.
  void Copy(const GgufValue& value);

  /// Declares a tensor of 1 to 4 dimensions, fastest first, each at least 1, rows of whole blocks.
  /// `name` has 1 to 63 bytes.
  void AddTensor(std::string_view name, DType type, std::span<const int64_t> ne);
  /// Writes everything declared. No Add... afterwards.
  void WriteHeader();
  /// Appends data to the first tensor that is not full yet; never more than it still takes.
  void WriteTensorData(std::span<const std::byte> bytes);
  /// Bytes of the file so far.
  uint64_t file_bytes() const { return file_.size(); }
  /// Checks that every tensor is full, then makes the file appear. Call once, last.
  void Finish();

 private:
  struct Tensor {
    std::string name;
    DType type = DType::kF32;
    std::vector<int64_t> ne;
    uint64_t bytes = 0;
  };

  void BeginPair(std::string_view key, GgufType type);
  void BeginArray(std::string_view key, GgufType element_type, uint64_t count);

  std::string name_;
  AtomicFile file_;
  std::string pairs_;  ///< The key-value section, as it will stand in the file.
  std::set<std::string, std::less<>> keys_;
  std::vector<Tensor> tensors_;
  std::set<std::string, std::less<>> tensor_names_;
  bool header_written_ = false;
  size_t current_ = 0;     ///< Tensor that gets the next data.
  uint64_t received_ = 0;  ///< Bytes that it has got.
};

}  // namespace tandem
