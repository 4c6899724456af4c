// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_metadata.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <concepts>
#include <utility>

#include "core/checked.h"
#include "core/error.h"
#include "formats/byte_reader.h"

namespace tandem {
namespace {

struct TypeTraits {
  std::string_view name;
  size_t bytes;
};

constexpr std::array<TypeTraits, 13> kTypes = {{{"u8", 1},
                                                {"i8", 1},
                                                {"u16", 2},
                                                {"i16", 2},
                                                {"u32", 4},
                                                {"i32", 4},
                                                {"f32", 4},
                                                {"bool", 1},
                                                {"string", 0},
                                                {"array", 0},
                                                {"u64", 8},
                                                {"i64", 8},
                                                {"f64", 8}}};

// The least bytes of a pair: key length, one character, type, one byte of value.
constexpr uint64_t kLeastPairBytes = 8 + 1 + 4 + 1;

template <typename To, typename From>
std::optional<To> CastNumber(From value) {
  if constexpr (std::floating_point<To>) {
    return static_cast<To>(value);
  } else if constexpr (std::floating_point<From>) {
    // Both limits are powers of two, so exact in either float type; NaN fails the comparisons.
    constexpr auto kEnd = static_cast<From>(std::same_as<To, uint64_t> ? 0x1p64 : 0x1p63);
    constexpr auto kBegin = static_cast<From>(std::same_as<To, uint64_t> ? 0.0 : -0x1p63);
    if (!(value >= kBegin && value < kEnd) || value != std::trunc(value)) return std::nullopt;
    return static_cast<To>(value);
  } else {
    if (!std::in_range<To>(value)) return std::nullopt;
    return static_cast<To>(value);
  }
}

template <typename To>
std::optional<To> Convert(GgufType type, const std::byte* data) {
  switch (type) {
    case GgufType::kU8: return CastNumber<To>(LoadUnaligned<uint8_t>(data));
    case GgufType::kI8: return CastNumber<To>(LoadUnaligned<int8_t>(data));
    case GgufType::kU16: return CastNumber<To>(LoadUnaligned<uint16_t>(data));
    case GgufType::kI16: return CastNumber<To>(LoadUnaligned<int16_t>(data));
    case GgufType::kU32: return CastNumber<To>(LoadUnaligned<uint32_t>(data));
    case GgufType::kI32: return CastNumber<To>(LoadUnaligned<int32_t>(data));
    case GgufType::kF32: return CastNumber<To>(LoadUnaligned<float>(data));
    case GgufType::kU64: return CastNumber<To>(LoadUnaligned<uint64_t>(data));
    case GgufType::kI64: return CastNumber<To>(LoadUnaligned<int64_t>(data));
    case GgufType::kF64: return CastNumber<To>(LoadUnaligned<double>(data));
    case GgufType::kBool:
    case GgufType::kString:
    case GgufType::kArray: return std::nullopt;
  }
  return std::nullopt;
}

template <>
std::optional<bool> Convert<bool>(GgufType type, const std::byte* data) {
  if (type == GgufType::kF32 || type == GgufType::kF64) return std::nullopt;
  const auto number = Convert<uint64_t>(type == GgufType::kBool ? GgufType::kU8 : type, data);
  if (!number || *number > 1) return std::nullopt;
  return *number == 1;
}

void CheckBools(const ByteReader& reader, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes) {
    if (byte > std::byte{1}) reader.Fail("a bool that is neither 0 nor 1");
  }
}

void ReadStrings(ByteReader& reader, GgufValue& value) {
  reader.CheckCount(value.count, sizeof(uint64_t), "strings");
  value.strings.reserve(value.count);
  for (uint64_t i = 0; i < value.count; ++i) {
    value.strings.push_back(reader.ReadString("a string of an array"));
  }
}

void ReadElements(ByteReader& reader, GgufValue& value) {
  const size_t bytes = GgufValueBytes(value.element_type);
  const auto total = CheckedMul(value.count, bytes);
  if (!total) reader.Fail(fmt::format("an array of {} elements", value.count));
  value.raw = reader.Take(*total, "an array");
  if (value.element_type == GgufType::kBool) CheckBools(reader, value.raw);
}

GgufType ReadType(ByteReader& reader, std::string_view key) {
  const auto number = reader.Read<uint32_t>("a value type");
  if (number >= kTypes.size()) {
    reader.Fail(fmt::format("key '{}' has the unknown value type {}", Printable(key), number));
  }
  return static_cast<GgufType>(number);
}

void ReadArray(ByteReader& reader, GgufValue& value) {
  value.element_type = ReadType(reader, value.key);
  value.count = reader.Read<uint64_t>("an array length");
  if (value.element_type == GgufType::kArray) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: key '{}' is an array of arrays",
                                                     reader.file(), Printable(value.key)));
  }
  if (value.element_type != GgufType::kString) return ReadElements(reader, value);
  const auto rest = reader.Rest();
  ReadStrings(reader, value);
  value.raw = rest.first(rest.size() - reader.remaining());
}

GgufValue ReadPair(ByteReader& reader) {
  GgufValue value;
  value.key = reader.ReadString("a key", kGgufMaxKeyBytes);
  if (value.key.empty()) reader.Fail("an empty key");
  if (!IsPrintableName(value.key)) {
    reader.Fail(fmt::format("key '{}' is not text", Printable(value.key)));
  }
  value.type = ReadType(reader, value.key);
  value.element_type = value.type;
  if (value.type == GgufType::kArray) {
    ReadArray(reader, value);
  } else if (value.type == GgufType::kString) {
    const auto rest = reader.Rest();
    reader.ReadString("a string value");
    value.raw = rest.first(rest.size() - reader.remaining());
  } else {
    value.raw = reader.Take(GgufValueBytes(value.type), "a value");
    if (value.type == GgufType::kBool) CheckBools(reader, value.raw);
  }
  return value;
}

}  // namespace

std::string_view GgufValueTypeName(GgufType type) {
  const auto number = static_cast<uint32_t>(type);
  return number < kTypes.size() ? kTypes[number].name : "unknown";
}

size_t GgufValueBytes(GgufType type) {
  const auto number = static_cast<uint32_t>(type);
  return number < kTypes.size() ? kTypes[number].bytes : 0;
}

GgufMetadata::GgufMetadata(ByteReader& reader, uint64_t count) : file_(reader.file()) {
  reader.CheckCount(count, kLeastPairBytes, "metadata keys");
  values_.reserve(count);
  for (uint64_t i = 0; i < count; ++i) values_.push_back(ReadPair(reader));
  std::vector<std::string_view> keys;
  keys.reserve(values_.size());
  for (const GgufValue& value : values_) keys.push_back(value.key);
  index_ = NameIndex(keys);
  if (const auto duplicate = index_.Duplicate()) {
    reader.Fail(fmt::format("key '{}' occurs twice", Printable(*duplicate)));
  }
}

const GgufValue* GgufMetadata::Find(std::string_view key) const {
  const auto position = index_.Find(key);
  return position ? &values_[*position] : nullptr;
}

void GgufMetadata::FailConversion(const GgufValue& value, std::string_view wanted) const {
  const std::string type = value.is_array() ? fmt::format("an array of {} {}", value.count,
                                                          GgufValueTypeName(value.element_type))
                                            : std::string(GgufValueTypeName(value.type));
  throw Error(ErrorKind::kCorruptFile,
              fmt::format("{}: key '{}' holds {}, which cannot be read as {}", file_,
                          Printable(value.key), type, wanted));
}

template <typename T>
std::optional<T> GgufMetadata::FindScalar(std::string_view key, std::string_view wanted) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return std::nullopt;
  const auto number = Convert<T>(value->type, value->raw.data());
  if (!number) FailConversion(*value, wanted);
  return number;
}

template <typename T>
std::optional<std::vector<T>> GgufMetadata::FindArray(std::string_view key,
                                                      std::string_view wanted) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return std::nullopt;
  const size_t bytes = GgufValueBytes(value->element_type);
  if (!value->is_array() || (bytes == 0 && value->count > 0)) FailConversion(*value, wanted);
  std::vector<T> elements;
  elements.reserve(value->count);
  for (uint64_t i = 0; i < value->count; ++i) {
    const auto element = Convert<T>(value->element_type, value->raw.data() + i * bytes);
    if (!element) FailConversion(*value, wanted);
    elements.push_back(*element);
  }
  return elements;
}

std::optional<uint64_t> GgufMetadata::FindUint(std::string_view key) const {
  return FindScalar<uint64_t>(key, "a non-negative integer");
}

std::optional<int64_t> GgufMetadata::FindInt(std::string_view key) const {
  return FindScalar<int64_t>(key, "an integer");
}

std::optional<double> GgufMetadata::FindFloat(std::string_view key) const {
  return FindScalar<double>(key, "a number");
}

std::optional<bool> GgufMetadata::FindBool(std::string_view key) const {
  return FindScalar<bool>(key, "true or false");
}

std::optional<std::string_view> GgufMetadata::FindString(std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (value->type != GgufType::kString) FailConversion(*value, "a string");
  const auto text = value->raw.subspan(sizeof(uint64_t));
  return std::string_view(reinterpret_cast<const char*>(text.data()), text.size());
}

std::optional<std::vector<int64_t>> GgufMetadata::FindInts(std::string_view key) const {
  return FindArray<int64_t>(key, "an array of integers");
}

std::optional<std::vector<float>> GgufMetadata::FindFloats(std::string_view key) const {
  return FindArray<float>(key, "an array of numbers");
}

std::optional<std::vector<double>> GgufMetadata::FindDoubles(std::string_view key) const {
  return FindArray<double>(key, "an array of numbers");
}

std::optional<std::vector<bool>> GgufMetadata::FindBools(std::string_view key) const {
  return FindArray<bool>(key, "an array of true or false");
}

std::optional<std::span<const std::string_view>> GgufMetadata::FindStrings(
    std::string_view key) const {
  const GgufValue* value = Find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_array() || value->element_type != GgufType::kString) {
    FailConversion(*value, "an array of strings");
  }
  return std::span(value->strings);
}

template <typename T>
T GgufMetadata::Required(std::optional<T> found, std::string_view key) const {
  if (found) return *std::move(found);
  throw Error(ErrorKind::kNotFound, fmt::format("{}: key '{}' is missing", file_, Printable(key)),
              "the file is not of this kind of model, or was converted by an incompatible tool");
}

uint64_t GgufMetadata::GetUint(std::string_view key) const { return Required(FindUint(key), key); }
int64_t GgufMetadata::GetInt(std::string_view key) const { return Required(FindInt(key), key); }
double GgufMetadata::GetFloat(std::string_view key) const { return Required(FindFloat(key), key); }
bool GgufMetadata::GetBool(std::string_view key) const { return Required(FindBool(key), key); }
std::string_view GgufMetadata::GetString(std::string_view key) const {
  return Required(FindString(key), key);
}
std::vector<int64_t> GgufMetadata::GetInts(std::string_view key) const {
  return Required(FindInts(key), key);
}
std::vector<float> GgufMetadata::GetFloats(std::string_view key) const {
  return Required(FindFloats(key), key);
}
std::vector<double> GgufMetadata::GetDoubles(std::string_view key) const {
  return Required(FindDoubles(key), key);
}
std::vector<bool> GgufMetadata::GetBools(std::string_view key) const {
  return Required(FindBools(key), key);
}
std::span<const std::string_view> GgufMetadata::GetStrings(std::string_view key) const {
  return Required(FindStrings(key), key);
}

}  // namespace tandem
