// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <random>
#include <system_error>
#include <utility>

#include "core/error.h"
#include "core/file_status.h"
#include "core/mapped_file.h"

namespace tandem {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;
constexpr int kMaxAttempts = 100;
constexpr int kMaxLinks = 40;  // as many as Linux follows

[[noreturn]] void ThrowIo(const std::filesystem::path& path, const char* action) {
  const int code = errno;
  throw Error(
      ErrorKind::kIo,
      fmt::format("{}: cannot {}: {}", Printable(path.string(), 4096), action, std::strerror(code)),
      code == ENOSPC ? "free some disk space and try again" : "");
}

// A symbolic link is followed, dangling or not, so that the file it names is written and the link
// stays.
std::filesystem::path FollowLinks(std::filesystem::path path) {
  std::error_code error;
  for (int i = 0; std::filesystem::is_symlink(LinkStatus(path)); ++i) {
    const auto next = std::filesystem::read_symlink(path, error);
    if (error) {
      throw Error(ErrorKind::kIo, fmt::format("{}: cannot read this link: {}",
                                              Printable(path.string(), 4096), error.message()));
    }
    if (i == kMaxLinks) {
      throw Error(ErrorKind::kIo,
                  fmt::format("{}: a chain of links without end", Printable(path.string(), 4096)));
    }
    path = next.is_absolute() ? next : path.parent_path() / next;
  }
  return path;
}

// Names of temporary files, for RemoveTemporaryFiles(): in fixed places, since a signal handler can
// take no lock. Programs write one file or a few at a time.
constinit std::atomic<const char*> g_temporaries[16];
static_assert(std::atomic<const char*>::is_always_lock_free);

void Remember(const char* name) noexcept {
  for (auto& place : g_temporaries) {
    const char* free = nullptr;
    if (place.compare_exchange_strong(free, name)) return;
  }
}

void Forget(const char* name) noexcept {
  for (auto& place : g_temporaries) {
    const char* expected = name;
    if (place.compare_exchange_strong(expected, nullptr)) return;
  }
}

}  // namespace

void RemoveTemporaryFiles() noexcept {
  for (const auto& place : g_temporaries) {
    if (const char* name = place) ::unlink(name);
  }
}

AtomicFile::AtomicFile(std::filesystem::path target) : target_(FollowLinks(std::move(target))) {
  // Renaming would put a file in the place of a device or a pipe, /dev/null for one.
  const auto status = FileStatus(target_);
  const bool replaces = std::filesystem::exists(status);
  if (replaces && !std::filesystem::is_regular_file(status)) {
    throw Error(ErrorKind::kIo,
                fmt::format("{}: {}", Printable(target_.string(), 4096),
                            std::filesystem::is_directory(status) ? "is a directory"
                                                                  : "not a regular file"));
  }
  // Everything that may throw comes before there is a file to remove.
  buffer_.reserve(kBufferBytes);
  // The new content keeps the permissions of the old: never more than those, and all of them where
  // the system lets them be set.
  const auto mode = replaces ? static_cast<mode_t>(status.permissions()) & 0777 : 0666;
  std::random_device random;
  for (int attempt = 0; fd_ < 0 && attempt < kMaxAttempts; ++attempt) {
    temporary_ = target_.string() + fmt::format(".{:08x}", random());
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd_ < 0 && errno != EEXIST) break;
  }
  if (fd_ < 0) ThrowIo(target_, "create a file beside it");
  Remember(temporary_.c_str());
  if (replaces) ::fchmod(fd_, static_cast<mode_t>(status.permissions()));
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  ::unlink(temporary_.c_str());
  Forget(temporary_.c_str());
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
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = EIO;  // no progress, no reason given: trying again may last for ever
    // The system reads what it writes, and says in this way what a program gets SIGBUS for.
    if (const char* source = written < 0 && errno == EFAULT ? MappedFileAt(data) : nullptr) {
      throw Error(ErrorKind::kIo, fmt::format("{}: {}", Printable(source, 4096), kCutWhileInUse));
    }
    if (written <= 0) ThrowIo(temporary_, "write");
    data += written;
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::Commit() {
  const std::filesystem::path directory =
      target_.has_parent_path() ? target_.parent_path() : std::filesystem::path(".");
  Flush();
  if (::fsync(fd_) != 0) ThrowIo(temporary_, "sync");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) ThrowIo(target_, "replace");
  // From here on the new content is there, and nothing may throw.
  ::close(std::exchange(fd_, -1));
  Forget(temporary_.c_str());
  // The rename itself is durable only once the directory is synced; a file system that cannot
  // sync a directory has no such step, so a failure here is not one.
  const int directory_fd = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory_fd >= 0) {
    ::fsync(directory_fd);
    ::close(directory_fd);
  }
}

}  // namespace tandem
