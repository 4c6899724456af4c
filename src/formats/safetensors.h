// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads safetensors: one file, or the set of files of a Hugging Face folder. Opening checks every
// length, shape and offset against the bytes that are there. Owns the mappings; movable; immutable,
// so any number of threads may read it. Spans and views live as long as the object.
//
// The format does not align tensor data: a tensor may start at any address. Readers of WeightView
// load rows bytewise, so views are safe; casting data to float* is not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/mapped_file.h"
#include "formats/name_index.h"
#include "formats/weight_view.h"

namespace tandem {

/// Longest JSON header that is read (specification), in bytes.
inline constexpr uint64_t kSafetensorsMaxHeaderBytes = 100'000'000;

struct SafetensorsTensor {
  std::string name;
  std::string dtype;           ///< As in the file: "F32", "BF16", "I64", ...
  std::vector<int64_t> shape;  ///< Slowest dimension first; all >= 0; empty for a scalar.
  std::span<const std::byte> data;
  size_t file = 0;  ///< Which file of the set holds it.
};

struct SafetensorsContent {
  std::vector<SafetensorsTensor> tensors;       ///< By name.
  std::map<std::string, std::string> metadata;  ///< The header's __metadata__.
};

/// Parses the bytes of one file, which must outlive the result. `name` (printable) stands for the
/// file in errors. Throws Error kCorruptFile: header longer than the file or the limit, not JSON or
/// not of the right members, data outside the file, of the wrong size or overlapping. Gaps between
/// tensors are accepted.
SafetensorsContent ParseSafetensors(std::span<const std::byte> bytes, std::string_view name);

class SafetensorsSet {
 public:
  /// Opens a .safetensors file; or a folder with model.safetensors, else with
  /// model.safetensors.index.json and the files it names (plain names inside the folder). Of an
  /// indexed set, exactly the tensors of the index are in the result. Throws Error: kNotFound (no
  /// such file, a file of the index missing), kIo, kCorruptFile, kUnsupported.
  static SafetensorsSet Open(const std::filesystem::path& path);

  /// The tensors of all files, by name.
  std::span<const SafetensorsTensor> tensors() const { return tensors_; }
  /// nullptr when there is none.
  const SafetensorsTensor* Find(std::string_view name) const;
  /// Throws Error kNotFound when there is none.
  const SafetensorsTensor& Get(std::string_view name) const;
  /// The __metadata__ of the first file.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  size_t file_count() const { return files_.size(); }
  /// Printable path of a file of the set, for messages.
  const std::string& file_name(size_t file) const { return names_[file]; }
  std::span<const std::byte> file_bytes(size_t file) const { return files_[file].bytes(); }

  /// A tensor of this set as a matrix: a scalar or vector is one row; leading dimensions of 1
  /// beyond two are dropped. Throws Error kUnsupported for a type other than F32, F16 and BF16, for
  /// more dimensions and for a tensor without elements.
  WeightView View(const SafetensorsTensor& tensor) const;

 private:
  SafetensorsSet() = default;
  SafetensorsContent AddFile(const std::filesystem::path& path);
  void OpenIndexed(const std::filesystem::path& index);
  void IndexTensors();

  std::vector<MappedFile> files_;
  std::vector<std::string> names_;
  std::vector<SafetensorsTensor> tensors_;
  std::map<std::string, std::string> metadata_;
  NameIndex index_;
};

}  // namespace tandem
