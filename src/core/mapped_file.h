// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A read-only view of a whole file through mmap. Owns the mapping; movable, not copyable. Any
// number of threads may read it. The bytes live as long as the object.
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

}  // namespace tandem
