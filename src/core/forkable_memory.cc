// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/forkable_memory.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace tandem {
namespace {

[[noreturn]] void NoMemory(size_t size) {
  throw Error(ErrorKind::kResource,
              fmt::format("no memory: {} MB were asked for: {}", size >> 20, std::strerror(errno)));
}

}  // namespace

class ForkableMemory::Backing {
 public:
  // Opened in here, so that it is closed whatever happens to the maker.
  Backing() : fd_(::memfd_create("tandem", MFD_CLOEXEC)) {}
  Backing(const Backing&) = delete;
  Backing& operator=(const Backing&) = delete;
  ~Backing() {
    if (fd_ >= 0) ::close(fd_);
  }
  /// Negative where there are no such files.
  int fd() const { return fd_; }

 private:
  int fd_;
};

ForkableMemory::ForkableMemory(size_t size) : size_(size) {
  if (size == 0) return;
  auto backing = std::make_shared<Backing>();
  if (backing->fd() >= 0) {
    if (::ftruncate(backing->fd(), static_cast<off_t>(size)) != 0) NoMemory(size);
    backing_ = std::move(backing);
  }
  Map(/*is_private=*/false);
}

// Maps the backing file, at the same address when there is one already: pointers into the block
// stay good.
void ForkableMemory::Map(bool is_private) {
  const int sharing = backing_ == nullptr ? MAP_PRIVATE | MAP_ANONYMOUS
                      : is_private        ? MAP_PRIVATE | MAP_NORESERVE
                                          : MAP_SHARED;
  const int fixed = data_ == nullptr ? 0 : MAP_FIXED;
  void* address = ::mmap(data_, size_, PROT_READ | PROT_WRITE, sharing | fixed,
                         backing_ == nullptr ? -1 : backing_->fd(), 0);
  if (address == MAP_FAILED) {
    // A fixed mapping that fails may have taken the old one with it. All that was written so far
    // is in the file: put that back.
    const int error = errno;
    if (fixed != 0) {
      (void)::mmap(data_, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, backing_->fd(), 0);
    }
    errno = error;
    NoMemory(size_);
  }
  data_ = static_cast<std::byte*>(address);
  private_ = is_private;
}

ForkableMemory::ForkableMemory(ForkableMemory&& other) noexcept { *this = std::move(other); }

ForkableMemory& ForkableMemory::operator=(ForkableMemory&& other) noexcept {
  std::swap(backing_, other.backing_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(private_, other.private_);
  return *this;
}

ForkableMemory::~ForkableMemory() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

ForkableMemory ForkableMemory::Fork(std::span<const Range> used) {
  if (size_ == 0) return {};
  if (backing_ == nullptr || private_) {
    ForkableMemory copy(size_);
    for (const Range& range : used) {
      std::memcpy(copy.data_ + range.begin, data_ + range.begin, range.end - range.begin);
    }
    return copy;
  }
  // So far every write went to the file, which now stays as it is: both copies see it through
  // private mappings, whose written pages are their own.
  ForkableMemory copy;
  copy.size_ = size_;
  copy.backing_ = backing_;
  copy.Map(/*is_private=*/true);
  Map(/*is_private=*/true);
  return copy;
}

}  // namespace tandem
