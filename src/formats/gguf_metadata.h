// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The key-value section of a GGUF file, in file order, with typed look-up. Strings and raw values
// are views of the file's bytes: they live as long as the GgufFile that owns them. Immutable; any
// number of threads may read it. Format: the GGUF specification, versions 2 and 3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/name_index.h"

namespace tandem {

class ByteReader;

/// Value types, with GGUF's numbers.
enum class GgufType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

/// "u32", "string", ...; "unknown" for a number that is no type.
std::string_view GgufValueTypeName(GgufType type);
/// Bytes of one value, or 0 for strings, arrays and unknown types.
size_t GgufValueBytes(GgufType type);

/// Longest key that is read or written, in bytes (specification).
inline constexpr uint64_t kGgufMaxKeyBytes = 65535;

struct GgufValue {
  std::string_view key;
  GgufType type = GgufType::kU8;
  GgufType element_type = GgufType::kU8;  ///< Of an array; otherwise the same as `type`.
  uint64_t count = 1;                     ///< Elements of an array; otherwise 1.
  /// The value as it lies in the file, after its type (and, for an array, element type and count).
  std::span<const std::byte> raw;
  std::vector<std::string_view> strings;  ///< The elements of an array of strings.

  bool is_array() const { return type == GgufType::kArray; }
};

/// Find... gives nullopt when the key is absent, Get... throws Error kNotFound. Both throw Error
/// kCorruptFile, naming file and key, when the value is there and does not convert:
/// - integers: from any integer type, or from a float that holds an integer (some old files store
///   counts as f32), when the value fits;
/// - floats: from any number;
/// - bools: from bool, or an integer that is 0 or 1;
/// - arrays: each element by the same rules; a scalar is not an array.
class GgufMetadata {
 public:
  GgufMetadata() = default;
  /// Reads `count` pairs. Refuses (kCorruptFile) duplicate, empty, overlong or unprintable keys,
  /// unknown types, bools other than 0 and 1; and (kUnsupported) arrays of arrays.
  GgufMetadata(ByteReader& reader, uint64_t count);

  /// All pairs in file order.
  std::span<const GgufValue> values() const { return values_; }
  const GgufValue* Find(std::string_view key) const;
  bool Has(std::string_view key) const { return Find(key) != nullptr; }

  std::optional<uint64_t> FindUint(std::string_view key) const;
  std::optional<int64_t> FindInt(std::string_view key) const;
  std::optional<double> FindFloat(std::string_view key) const;
  std::optional<bool> FindBool(std::string_view key) const;
  std::optional<std::string_view> FindString(std::string_view key) const;
  std::optional<std::vector<int64_t>> FindInts(std::string_view key) const;
  std::optional<std::vector<float>> FindFloats(std::string_view key) const;
  std::optional<std::vector<double>> FindDoubles(std::string_view key) const;
  std::optional<std::vector<bool>> FindBools(std::string_view key) const;
  std::optional<std::span<const std::string_view>> FindStrings(std::string_view key) const;

  uint64_t GetUint(std::string_view key) const;
  int64_t GetInt(std::string_view key) const;
  double GetFloat(std::string_view key) const;
  bool GetBool(std::string_view key) const;
  std::string_view GetString(std::string_view key) const;
  std::vector<int64_t> GetInts(std::string_view key) const;
  std::vector<float> GetFloats(std::string_view key) const;
  std::vector<double> GetDoubles(std::string_view key) const;
  std::vector<bool> GetBools(std::string_view key) const;
  std::span<const std::string_view> GetStrings(std::string_view key) const;

 private:
  template <typename T>
  std::optional<T> FindScalar(std::string_view key, std::string_view wanted) const;
  template <typename T>
  std::optional<std::vector<T>> FindArray(std::string_view key, std::string_view wanted) const;
  template <typename T>
  T Required(std::optional<T> found, std::string_view key) const;
  [[noreturn]] void FailConversion(const GgufValue& value, std::string_view wanted) const;

  std::string file_;
  std::vector<GgufValue> values_;
  NameIndex index_;
};

}  // namespace tandem
