// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Writes a file so that its name only ever shows the old content or the whole new one: bytes go to
// a temporary file beside the target; Commit() flushes, syncs and renames. Without Commit() the
// temporary file is removed. One thread at a time. A handler of a signal that ends the program can
// have the temporary files of all objects removed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace tandem {

class AtomicFile {
 public:
  /// Opens the temporary file. Throws Error kIo when the directory cannot be written.
  explicit AtomicFile(std::filesystem::path target);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// Appends bytes (buffered). Throws Error kIo when the disk refuses them.
  void Write(std::span<const std::byte> bytes);
  void Write(std::string_view text);
  /// Appends zero bytes up to the next multiple of `alignment`.
  void PadTo(uint64_t alignment);
  /// Bytes written so far.
  uint64_t size() const { return size_; }
  /// Makes the target show the new content. Call once, last.
  void Commit();

 private:
  void Flush();
  void WriteRaw(const std::byte* data, size_t size);

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  std::vector<std::byte> buffer_;
  uint64_t size_ = 0;
  int fd_ = -1;
};

/// Removes the temporary files that are there now, of every object and thread: for a signal handler
/// that ends the program next.
void RemoveTemporaryFiles() noexcept;

}  // namespace tandem
