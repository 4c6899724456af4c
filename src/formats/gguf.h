// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// GGUF model files, versions 2 and 3, little-endian, whole or split into parts. Opening a file
// checks every count, length, offset and size in it against the bytes that are there, so that what
// an open GgufFile hands out lies inside the file. Owns the mappings; movable; immutable, so any
// number of threads may read it. Views and spans live as long as the object.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/mapped_file.h"
#include "formats/dtype.h"
#include "formats/gguf_metadata.h"
#include "formats/name_index.h"
#include "formats/weight_view.h"

namespace tandem {

/// Alignment of tensor data where general.alignment does not say otherwise, and the range of powers
/// of two that it may say.
inline constexpr uint64_t kGgufDefaultAlignment = 32;
inline constexpr uint64_t kGgufMinAlignment = 8;
inline constexpr uint64_t kGgufMaxAlignment = 65536;
/// Longest tensor name that is read, in bytes. The specification allows 63, and so does the writer.
inline constexpr uint64_t kGgufMaxTensorNameBytes = 255;

struct GgufTensor {
  std::string_view name;
  uint32_t type_number = 0;                  ///< As in the file; GgufTypeName names it.
  std::optional<DType> type;                 ///< nullopt for a type that we do not read.
  int n_dims = 1;                            ///< 1 to 4.
  std::array<int64_t, 4> ne = {1, 1, 1, 1};  ///< Elements per dimension, fastest first; all >= 1.
  uint64_t elements = 0;                     ///< Product of ne.
  uint64_t offset = 0;                       ///< Of the first byte, from the start of its part.
  uint64_t bytes = 0;                        ///< 0 for a type that we do not read.
  size_t part = 0;                           ///< Which file of a split model holds it, from 0.
  std::span<const std::byte> data;
};

struct GgufOptions {
  /// Lists tensors of types that we do not read instead of refusing the file. View() refuses them.
  bool allow_unsupported_types = false;
};

class GgufFile {
 public:
  /// Opens a model, given its only file or the first of its parts ("name-00001-of-0000N.gguf"; the
  /// others lie beside it). Throws Error: kNotFound (no file, a missing part), kIo, kCorruptFile,
  /// kUnsupported (another format, version 1, big-endian, a tensor type that we do not read),
  /// kInvalidArgument (a part other than the first).
  static GgufFile Open(const std::filesystem::path& path, GgufOptions options = {});
  /// The same for the bytes of an unsplit file in memory, which must outlive the result. `name`
  /// stands for the file in errors.
  static GgufFile FromBytes(std::span<const std::byte> bytes, std::string_view name,
                            GgufOptions options = {});

  /// Printable path of a part, for messages. Part 0 always exists.
  const std::string& part_name(size_t part = 0) const { return parts_[part].name; }
  /// Where a part was opened; empty for bytes in memory.
  const std::filesystem::path& part_path(size_t part = 0) const { return parts_[part].file.path(); }
  std::span<const std::byte> part_bytes(size_t part = 0) const { return parts_[part].bytes; }
  size_t part_count() const { return parts_.size(); }
  /// Bytes of all parts.
  uint64_t file_bytes() const;
  uint32_t version() const { return version_; }

  /// Metadata of the first part.
  const GgufMetadata& metadata() const { return metadata_; }
  /// The tensors of all parts, in file order.
  std::span<const GgufTensor> tensors() const { return tensors_; }
  const GgufTensor* FindTensor(std::string_view name) const;
  /// Throws Error kNotFound when there is none.
  const GgufTensor& GetTensor(std::string_view name) const;

  /// Matrix `index` of a tensor of this file: rows = ne[1], cols = ne[0]; a vector is one row. A
  /// tensor of 3 or 4 dimensions is a stack of ne[2] * ne[3] matrices. Throws Error: kUnsupported
  /// for a type that we do not read, kInvalidArgument for an index outside the stack.
  WeightView View(const GgufTensor& tensor, int64_t index = 0) const;

 private:
  struct Part {
    std::string name;
    MappedFile file;
    std::span<const std::byte> bytes;
  };

  GgufFile() = default;
  void AddPart(Part part, GgufOptions options);
  void AddOtherParts(const std::filesystem::path& first, GgufOptions options);
  void IndexTensors();

  std::vector<Part> parts_;
  uint32_t version_ = 0;
  GgufMetadata metadata_;
  std::vector<GgufTensor> tensors_;
  NameIndex index_;
};

}  // namespace tandem
