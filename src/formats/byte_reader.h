// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A cursor over the bytes of a file that somebody else owns. Every read is checked against what is
// left; a read past the end is an Error that names the file, the offset and the thing being read.
#pragma once

#include <fmt/format.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "core/error.h"

namespace tandem {

/// A T from any address, aligned or not. The formats are little-endian, and so is the host.
template <typename T>
T LoadUnaligned(const std::byte* source) {
  static_assert(std::is_arithmetic_v<T> && std::endian::native == std::endian::little);
  T value;
  std::memcpy(&value, source, sizeof value);
  return value;
}

inline constexpr const char* kDownloadAgain =
    "the file is damaged or incomplete: download it again";

class ByteReader {
 public:
  /// `file` (printable) must outlive the reader.
  ByteReader(std::span<const std::byte> bytes, std::string_view file)
      : bytes_(bytes), file_(file) {}

  std::string_view file() const { return file_; }
  uint64_t size() const { return bytes_.size(); }
  uint64_t offset() const { return offset_; }
  uint64_t remaining() const { return bytes_.size() - offset_; }
  /// The bytes not read yet.
  std::span<const std::byte> Rest() const { return bytes_.subspan(offset_); }

  /// The next `size` bytes. `what` says what they are, for the error.
  std::span<const std::byte> Take(uint64_t size, const char* what) {
    if (size > remaining()) {
      throw Error(ErrorKind::kCorruptFile,
                  fmt::format("{}: cut short: {} at offset {} takes {} bytes, the file has {} left",
                              file_, what, offset_, size, remaining()),
                  kDownloadAgain);
    }
    const auto taken = bytes_.subspan(offset_, size);
    offset_ += size;
    return taken;
  }

  template <typename T>
  T Read(const char* what) {
    return LoadUnaligned<T>(Take(sizeof(T), what).data());
  }

  /// A string of GGUF: a 64-bit length and that many bytes, at most `limit`.
  std::string_view ReadString(const char* what, uint64_t limit = UINT64_MAX) {
    const auto length = Read<uint64_t>(what);
    if (length > limit) {
      Fail(fmt::format("{} of {} bytes, the limit is {}", what, length, limit));
    }
    const auto bytes = Take(length, what);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }

  /// Refuses a count of items that could not fit into the rest of the file, so that it is safe to
  /// allocate for.
  void CheckCount(uint64_t count, uint64_t least_bytes_each, const char* what) const {
    if (count > remaining() / least_bytes_each) {
      Fail(fmt::format("{} {} announced, more than the {} bytes left can hold", count, what,
                       remaining()));
    }
  }

  /// Throws kCorruptFile with the file and the current offset.
  [[noreturn]] void Fail(const std::string& problem) const {
    throw Error(ErrorKind::kCorruptFile,
                fmt::format("{}: before offset {}: {}", file_, offset_, problem), kDownloadAgain);
  }

 private:
  std::span<const std::byte> bytes_;
  std::string_view file_;
  uint64_t offset_ = 0;
};

}  // namespace tandem
