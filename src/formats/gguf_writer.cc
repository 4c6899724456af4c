// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/gguf_writer.h"

#include <fmt/format.h>

#include <type_traits>
#include <utility>

#include "core/checked.h"
#include "core/error.h"
#include "formats/gguf.h"

namespace tandem {
namespace {

constexpr size_t kMaxTensorNameBytes = 63;

template <typename T>
constexpr GgufType TypeOf() {
  if constexpr (std::is_same_v<T, uint8_t>) return GgufType::kU8;
  if constexpr (std::is_same_v<T, int8_t>) return GgufType::kI8;
  if constexpr (std::is_same_v<T, uint16_t>) return GgufType::kU16;
  if constexpr (std::is_same_v<T, int16_t>) return GgufType::kI16;
  if constexpr (std::is_same_v<T, uint32_t>) return GgufType::kU32;
  if constexpr (std::is_same_v<T, int32_t>) return GgufType::kI32;
  if constexpr (std::is_same_v<T, float>) return GgufType::kF32;
  if constexpr (std::is_same_v<T, bool>) return GgufType::kBool;
  if constexpr (std::is_same_v<T, uint64_t>) return GgufType::kU64;
  if constexpr (std::is_same_v<T, int64_t>) return GgufType::kI64;
  if constexpr (std::is_same_v<T, double>) return GgufType::kF64;
}

template <typename T>
void Append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

void AppendString(std::string& out, std::string_view text) {
  Append<uint64_t>(out, text.size());
  out += text;
}

uint64_t TensorBytes(std::string_view name, DType type, std::span<const int64_t> ne) {
  const auto fail = [&](const char* problem) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("tensor '{}' cannot be written as {}: {}", Printable(name),
                            DTypeName(type), problem));
  };
  if (ne.empty() || ne.size() > 4) fail("it has not 1 to 4 dimensions");
  std::optional<uint64_t> elements = 1;
  for (const int64_t size : ne) {
    if (size < 1) fail("a dimension is less than 1");
    if (elements) elements = CheckedMul(*elements, static_cast<uint64_t>(size));
  }
  if (ne[0] % BlockElements(type) != 0) fail("its rows are not whole blocks");
  std::optional<uint64_t> bytes;
  if (elements && *elements <= static_cast<uint64_t>(INT64_MAX)) {
    bytes = CheckedMul(*elements / static_cast<uint64_t>(BlockElements(type)),
                       static_cast<uint64_t>(BlockBytes(type)));
  }
  if (!bytes || *bytes > static_cast<uint64_t>(INT64_MAX)) fail("it is too large");
  return *bytes;
}

}  // namespace

GgufWriter::GgufWriter(const std::filesystem::path& path)
    : name_(Printable(path.string(), 4096)), file_(path) {}

void GgufWriter::BeginPair(std::string_view key, GgufType type) {
  if (header_written_) throw Error(ErrorKind::kInternal, name_ + ": a key after the header");
  if (!IsPrintableName(key) || key.size() > kGgufMaxKeyBytes || key == "general.alignment") {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: '{}' cannot be written as a key", name_, Printable(key)));
  }
  if (!keys_.emplace(key).second) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: key '{}' is given twice", name_, Printable(key)));
  }
  AppendString(pairs_, key);
  Append(pairs_, static_cast<uint32_t>(type));
}

void GgufWriter::BeginArray(std::string_view key, GgufType element_type, uint64_t count) {
  BeginPair(key, GgufType::kArray);
  Append(pairs_, static_cast<uint32_t>(element_type));
  Append(pairs_, count);
}

template <typename T>
void GgufWriter::Add(std::string_view key, T value) {
  BeginPair(key, TypeOf<T>());
  Append(pairs_, value);
}

template <typename T>
void GgufWriter::AddArray(std::string_view key, std::span<const T> values) {
  BeginArray(key, TypeOf<T>(), values.size());
  pairs_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
}

template void GgufWriter::Add(std::string_view, uint8_t);
template void GgufWriter::Add(std::string_view, int8_t);
template void GgufWriter::Add(std::string_view, uint16_t);
template void GgufWriter::Add(std::string_view, int16_t);
template void GgufWriter::Add(std::string_view, uint32_t);
template void GgufWriter::Add(std::string_view, int32_t);
template void GgufWriter::Add(std::string_view, uint64_t);
template void GgufWriter::Add(std::string_view, int64_t);
template void GgufWriter::Add(std::string_view, float);
template void GgufWriter::Add(std::string_view, double);
template void GgufWriter::Add(std::string_view, bool);
template void GgufWriter::AddArray(std::string_view, std::span<const uint8_t>);
template void GgufWriter::AddArray(std::string_view, std::span<const int8_t>);
template void GgufWriter::AddArray(std::string_view, std::span<const uint16_t>);
template void GgufWriter::AddArray(std::string_view, std::span<const int16_t>);
template void GgufWriter::AddArray(std::string_view, std::span<const uint32_t>);
template void GgufWriter::AddArray(std::string_view, std::span<const int32_t>);
template void GgufWriter::AddArray(std::string_view, std::span<const uint64_t>);
template void GgufWriter::AddArray(std::string_view, std::span<const int64_t>);
template void GgufWriter::AddArray(std::string_view, std::span<const float>);
template void GgufWriter::AddArray(std::string_view, std::span<const double>);

void GgufWriter::AddString(std::string_view key, std::string_view value) {
  BeginPair(key, GgufType::kString);
  AppendString(pairs_, value);
}

void GgufWriter::AddBools(std::string_view key, const std::vector<bool>& values) {
  BeginArray(key, GgufType::kBool, values.size());
  for (const bool value : values) pairs_ += static_cast<char>(value);
}

void GgufWriter::AddStrings(std::string_view key, std::span<const std::string_view> values) {
  BeginArray(key, GgufType::kString, values.size());
  for (const std::string_view value : values) AppendString(pairs_, value);
}

void GgufWriter::Copy(const GgufValue& value) {
  if (value.key == "general.alignment" || value.key.starts_with("split.")) return;
  if (value.is_array()) {
    BeginArray(value.key, value.element_type, value.count);
  } else {
    BeginPair(value.key, value.type);
  }
  pairs_.append(reinterpret_cast<const char*>(value.raw.data()), value.raw.size());
}

void GgufWriter::AddTensor(std::string_view name, DType type, std::span<const int64_t> ne) {
  if (header_written_) throw Error(ErrorKind::kInternal, name_ + ": a tensor after the header");
  if (!IsPrintableName(name) || name.size() > kMaxTensorNameBytes) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: '{}' cannot be written as the name of a tensor: at most {} bytes "
                            "of text",
                            name_, Printable(name), kMaxTensorNameBytes));
  }
  const uint64_t bytes = TensorBytes(name, type, ne);
  if (!tensor_names_.emplace(name).second) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: tensor '{}' is given twice", name_, Printable(name)));
  }
  tensors_.push_back({std::string(name), type, {ne.begin(), ne.end()}, bytes});
}

void GgufWriter::WriteHeader() {
  if (header_written_) throw Error(ErrorKind::kInternal, name_ + ": a second header");
  std::string header = "GGUF";
  Append<uint32_t>(header, 3);
  Append<uint64_t>(header, tensors_.size());
  Append<uint64_t>(header, keys_.size());
  file_.Write(header);
  file_.Write(pairs_);
  std::string infos;
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors_) {
    AppendString(infos, tensor.name);
    Append(infos, static_cast<uint32_t>(tensor.ne.size()));
    for (const int64_t size : tensor.ne) Append(infos, static_cast<uint64_t>(size));
    Append(infos, static_cast<uint32_t>(tensor.type));
    Append(infos, offset);
    const auto end = CheckedAdd(offset, tensor.bytes);
    const auto next = end ? CheckedAlign(*end, kGgufDefaultAlignment) : std::nullopt;
    if (!next) throw Error(ErrorKind::kInvalidArgument, name_ + ": more than 2^64 bytes of data");
    offset = *next;
  }
  file_.Write(infos);
  file_.PadTo(kGgufDefaultAlignment);
  header_written_ = true;
}

void GgufWriter::WriteTensorData(std::span<const std::byte> bytes) {
  if (!header_written_ || current_ == tensors_.size()) {
    throw Error(ErrorKind::kInternal, name_ + ": tensor data before the header or after the last");
  }
  const Tensor& tensor = tensors_[current_];
  if (bytes.size() > tensor.bytes - received_) {
    throw Error(ErrorKind::kInternal,
                fmt::format("{}: {} bytes too many for tensor '{}'", name_,
                            bytes.size() - (tensor.bytes - received_), Printable(tensor.name)));
  }
  file_.Write(bytes);
  received_ += bytes.size();
  if (received_ < tensor.bytes) return;
  file_.PadTo(kGgufDefaultAlignment);
  ++current_;
  received_ = 0;
}

void GgufWriter::Finish() {
  if (!header_written_) throw Error(ErrorKind::kInternal, name_ + ": finished without a header");
  if (current_ != tensors_.size()) {
    throw Error(ErrorKind::kInternal, fmt::format("{}: tensor '{}' got {} of {} bytes", name_,
                                                  Printable(tensors_[current_].name), received_,
                                                  tensors_[current_].bytes));
  }
  file_.Commit();
}

}  // namespace tandem
