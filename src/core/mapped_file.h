// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A read-only view of a whole file through mmap. Owns the mapping; movable, not copyable. Any
// number of threads may read it. The bytes live as long as the object.
//
// A file that somebody cuts while it is mapped, or whose disk fails, cannot be told from here: the
// system then sends SIGBUS to the thread that reads. MappedFileAt() tells a handler which file it
// was.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace tandem {

class MappedFile {
 public:
  MappedFile() = default;
  /// Maps `path`. Throws Error: kNotFound when there is no such file, kIo when it cannot be read
  /// or is not a regular file. An empty file maps to an empty span.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::filesystem::path& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  size_t size() const { return size_; }

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// What to say of a file that can no longer be read though it is mapped.
inline constexpr char kCutWhileInUse[] = "cut short, or not readable any more, while it was in use";

/// The path of a file that is mapped at `address`, or null. Safe inside a signal handler, where the
/// text is valid as long as nobody else moves or closes that file.
const char* MappedFileAt(const void* address) noexcept;

}  // namespace tandem
