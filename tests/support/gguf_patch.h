// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// For tests: a GGUF file in memory, to be altered and written again. Keys and tensors keep their
// order; a changed key stays in its place, a new one goes to the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "formats/dtype.h"
#include "formats/gguf_metadata.h"

namespace tandem::test {

struct PatchTensor {
  std::string name;
  DType type = DType::kF32;
  std::vector<int64_t> ne;  ///< Fastest first.
  std::vector<std::byte> data;

  /// Unpacks all elements.
  std::vector<float> Values() const;
  /// Replaces data and type, packing `values` in rows of ne[0].
  void Store(DType new_type, const std::vector<float>& values);
};

class GgufPatch {
 public:
  explicit GgufPatch(const std::filesystem::path& path);

  bool Has(std::string_view key) const;
  std::vector<std::string> Keys() const;
  void Remove(std::string_view key);
  /// T as in GgufWriter::Add; a bool is a bool.
  template <typename T>
  void Set(std::string_view key, T value) {
    SetRaw(key, TypeOf<T>(), TypeOf<T>(), 1, {reinterpret_cast<const char*>(&value), sizeof value});
  }
  void SetString(std::string_view key, std::string_view value);
  void SetStrings(std::string_view key, const std::vector<std::string>& values);
  template <typename T>
  void SetArray(std::string_view key, const std::vector<T>& values) {
    std::string raw;
    for (const T value : values) raw.append(reinterpret_cast<const char*>(&value), sizeof value);
    SetRaw(key, GgufType::kArray, TypeOf<T>(), values.size(), std::move(raw));
  }

  std::vector<PatchTensor>& tensors() { return tensors_; }
  PatchTensor& Tensor(std::string_view name);
  void RemoveTensor(std::string_view name);

  /// Version 2 has the same layout as 3.
  void Write(const std::filesystem::path& path, uint32_t version = 3) const;
  /// Writes `<stem>-0000i-of-0000n.gguf`, keys in the first; returns its path.
  std::filesystem::path WriteParts(const std::filesystem::path& stem, int parts) const;

 private:
  GgufPatch() = default;

  struct Pair {
    std::string key;
    GgufType type;
    GgufType element_type;
    uint64_t count;
    std::string raw;
  };

  template <typename T>
  static constexpr GgufType TypeOf() {
    if constexpr (std::is_same_v<T, bool>) return GgufType::kBool;
    if constexpr (std::is_same_v<T, float>) return GgufType::kF32;
    if constexpr (std::is_same_v<T, double>) return GgufType::kF64;
    if constexpr (std::is_same_v<T, uint8_t>) return GgufType::kU8;
    if constexpr (std::is_same_v<T, uint32_t>) return GgufType::kU32;
    if constexpr (std::is_same_v<T, int32_t>) return GgufType::kI32;
    if constexpr (std::is_same_v<T, uint64_t>) return GgufType::kU64;
    if constexpr (std::is_same_v<T, int64_t>) return GgufType::kI64;
  }
  static std::string Serialize(const std::vector<Pair>& pairs, std::span<const PatchTensor> tensors,
                               uint32_t version);
  void SetRaw(std::string_view key, GgufType type, GgufType element_type, uint64_t count,
              std::string raw);

  std::vector<Pair> pairs_;
  std::vector<PatchTensor> tensors_;
};

}  // namespace tandem::test
