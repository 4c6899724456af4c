// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace tandem {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;

[[noreturn]] void ThrowIo(const std::filesystem::path& path, const char* action) {
  const int code = errno;
  throw Error(
      ErrorKind::kIo,
      fmt::format("{}: cannot {}: {}", Printable(path.string(), 4096), action, std::strerror(code)),
      code == ENOSPC ? "free some disk space and try again" : "");
}

}  // namespace

AtomicFile::AtomicFile(std::filesystem::path target) : target_(std::move(target)) {
  // A symbolic link is followed, so that the file it names is replaced and the link stays.
  std::error_code ignored;
  if (std::filesystem::is_symlink(target_, ignored)) {
    target_ = std::filesystem::weakly_canonical(target_);
  }
  // Renaming would put a file in the place of a device or a pipe, /dev/null for one.
  const auto status = std::filesystem::status(target_, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw Error(ErrorKind::kIo,
                fmt::format("{}: {}", Printable(target_.string(), 4096),
                            std::filesystem::is_directory(status) ? "is a directory"
                                                                  : "not a regular file"));
  }
  std::string pattern = target_.string() + ".XXXXXX";
  fd_ = ::mkostemp(pattern.data(), O_CLOEXEC);
  if (fd_ < 0) ThrowIo(target_, "create a file beside it");
  temporary_ = pattern;
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd_, 0666 & ~mask);
  buffer_.reserve(kBufferBytes);
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::Write(std::span<const std::byte> bytes) {
  size_ += bytes.size();
  if (buffer_.size() + bytes.size() > kBufferBytes) Flush();
  if (bytes.size() >= kBufferBytes) {
    WriteRaw(bytes.data(), bytes.size());
  } else {
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  }
}

void AtomicFile::Write(std::string_view text) {
  Write(std::as_bytes(std::span(text.data(), text.size())));
}

void AtomicFile::PadTo(uint64_t alignment) {
  static constexpr std::byte kZeros[64] = {};
  while (size_ % alignment != 0) {
    Write(std::span(kZeros, std::min<uint64_t>(sizeof kZeros, alignment - size_ % alignment)));
  }
}

void AtomicFile::Flush() {
  WriteRaw(buffer_.data(), buffer_.size());
  buffer_.clear();
}

void AtomicFile::WriteRaw(const std::byte* data, size_t size) {
  while (size > 0) {
    const ssize_t written = ::write(fd_, data, size);
    if (written < 0) {
      if (errno == EINTR) continue;
      ThrowIo(temporary_, "write");
    }
    data += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::Commit() {
  Flush();
  if (::fsync(fd_) != 0) ThrowIo(temporary_, "sync");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) ThrowIo(target_, "replace");
  ::close(std::exchange(fd_, -1));
  // The rename itself is durable only once the directory is synced; a file system that cannot
  // sync a directory has no such step, so a failure here is not one.
  const std::filesystem::path directory =
      target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
  const int directory_fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_fd >= 0) {
    ::fsync(directory_fd);
    ::close(directory_fd);
  }
}

}  // namespace tandem
