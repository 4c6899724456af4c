// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/npy.h"

#include <fmt/format.h>

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

#include "core/checked.h"
#include "core/error.h"
#include "core/mapped_file.h"
#include "formats/byte_reader.h"

namespace tandem {
namespace {

static_assert(std::endian::native == std::endian::little);

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;

template <typename T>
constexpr std::string_view kDescr = std::is_same_v<T, float> ? "<f4" : "<i8";

std::optional<uint64_t> Product(std::span<const int64_t> shape, uint64_t bytes_each) {
  std::optional<uint64_t> product = bytes_each;
  for (const int64_t size : shape) {
    if (size < 0) return std::nullopt;
    if (product) product = CheckedMul(*product, static_cast<uint64_t>(size));
  }
  return product;
}

/// The header is a Python literal: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const ByteReader& reader) : text_(text), reader_(reader) {}

  void Parse() {
    Expect('{');
    while (!Accept('}')) {
      const std::string_view key = ParseQuoted();
      Expect(':');
      if (key == "descr") {
        descr = ParseQuoted();
      } else if (key == "fortran_order") {
        fortran_order = ParseWord() != "False";
      } else if (key == "shape") {
        ParseShape();
      } else {
        Fail();
      }
      if (!Accept(',')) {
        Expect('}');
        break;
      }
    }
    SkipSpace();
    if (!text_.empty()) Fail();
  }

  std::string_view descr;
  bool fortran_order = true;
  std::optional<std::vector<int64_t>> shape;

 private:
  [[noreturn]] void Fail() const { reader_.Fail("the header is not that of an .npy array"); }

  void SkipSpace() {
    const size_t begin = text_.find_first_not_of(" \n");
    text_.remove_prefix(begin == std::string_view::npos ? text_.size() : begin);
  }

  bool Accept(char c) {
    SkipSpace();
    if (!text_.starts_with(c)) return false;
    text_.remove_prefix(1);
    return true;
  }

  void Expect(char c) {
    if (!Accept(c)) Fail();
  }

  std::string_view ParseQuoted() {
    Expect('\'');
    const size_t end = text_.find('\'');
    if (end == std::string_view::npos) Fail();
    const std::string_view quoted = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return quoted;
  }

  std::string_view ParseWord() {
    SkipSpace();
    const std::string_view word = text_.substr(0, text_.find_first_of(" ,}"));
    text_.remove_prefix(word.size());
    return word;
  }

  void ParseShape() {
    Expect('(');
    shape.emplace();
    while (!Accept(')')) {
      SkipSpace();
      int64_t size = 0;
      const auto [end, code] = std::from_chars(text_.data(), text_.data() + text_.size(), size);
      if (code != std::errc() || size < 0) Fail();
      text_.remove_prefix(static_cast<size_t>(end - text_.data()));
      shape->push_back(size);
      if (!Accept(',')) {
        Expect(')');
        break;
      }
    }
  }

  std::string_view text_;
  const ByteReader& reader_;
};

}  // namespace

template <typename T>
NpyWriter<T>::NpyWriter(const std::filesystem::path& path, std::span<const int64_t> shape)
    : name_(Printable(path.string(), 4096)), file_(path) {
  const auto bytes = Product(shape, sizeof(T));
  std::string dimensions;
  for (const int64_t size : shape) dimensions += fmt::format("{},", size);
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}",
                                   kDescr<T>, dimensions);
  const size_t prefix = kMagic.size() + 2 + sizeof(uint16_t);
  // Spaces and a newline end the header, so that the data starts aligned.
  const size_t total = (prefix + header.size() + 1 + kAlignment - 1) / kAlignment * kAlignment;
  if (!bytes || total - prefix > UINT16_MAX) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{}: an array of shape ({}) cannot be written", name_, dimensions));
  }
  missing_ = *bytes / sizeof(T);
  header.resize(total - prefix - 1, ' ');
  header += '\n';
  file_.Write(kMagic);
  file_.Write(std::string_view("\x01\x00", 2));
  const auto length = static_cast<uint16_t>(header.size());
  file_.Write(std::as_bytes(std::span(&length, 1)));
  file_.Write(header);
}

template <typename T>
void NpyWriter<T>::Write(std::span<const T> elements) {
  if (elements.size() > missing_) {
    throw Error(ErrorKind::kInternal, name_ + ": more elements than the shape has");
  }
  file_.Write(std::as_bytes(elements));
  missing_ -= elements.size();
}

template <typename T>
void NpyWriter<T>::Finish() {
  if (missing_ != 0) {
    throw Error(ErrorKind::kInternal, fmt::format("{}: {} elements missing", name_, missing_));
  }
  file_.Commit();
}

template <typename T>
NpyArray<T> ReadNpy(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string name = Printable(path.string(), 4096);
  ByteReader reader(file.bytes(), name);
  if (std::memcmp(reader.Take(kMagic.size(), "the magic").data(), kMagic.data(), kMagic.size()) !=
      0) {
    reader.Fail("not an .npy file");
  }
  const auto unsupported = [&](std::string_view what) {
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: an .npy array {}", name, what));
  };
  if (reader.Read<uint16_t>("the version") != 1) unsupported("of a version other than 1.0");
  const auto bytes = reader.Take(reader.Read<uint16_t>("the header length"), "the header");
  HeaderParser header({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, reader);
  header.Parse();
  if (header.descr != kDescr<T>) unsupported(fmt::format("that is not of type {}", kDescr<T>));
  if (header.fortran_order) unsupported("in Fortran order");
  if (!header.shape) reader.Fail("the header has no shape");
  const auto total = Product(*header.shape, sizeof(T));
  if (!total) reader.Fail("the array has more than 2^64 bytes");
  const auto data = reader.Take(*total, "the data");
  NpyArray<T> array{*header.shape, std::vector<T>(data.size() / sizeof(T))};
  if (!data.empty()) std::memcpy(array.values.data(), data.data(), data.size());
  return array;
}

template class NpyWriter<float>;
template class NpyWriter<int64_t>;
template NpyArray<float> ReadNpy(const std::filesystem::path&);
template NpyArray<int64_t> ReadNpy(const std::filesystem::path&);

}  // namespace tandem
