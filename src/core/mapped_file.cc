// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/mapped_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace tandem {
namespace {

// What is mapped, for MappedFileAt(): in fixed places, since a signal handler can take no lock and
// a table that grows could fail. A model is one file or a few; of more than there are places the
// last go unnamed.
struct Place {
  std::atomic<const std::byte*> data{nullptr};
  std::atomic<size_t> size{0};
  std::atomic<const char*> name{nullptr};
};
constinit Place g_places[256];
static_assert(std::atomic<const char*>::is_always_lock_free);

void Remember(const std::byte* data, size_t size, const char* name) noexcept {
  for (Place& place : g_places) {
    const std::byte* free = nullptr;
    if (place.data.load(std::memory_order_relaxed) != nullptr ||
        !place.data.compare_exchange_strong(free, data)) {
      continue;
    }
    place.name = name;
    place.size = size;  // Last: an empty place holds no address.
    return;
  }
}

Place* PlaceOf(const std::byte* data) noexcept {
  if (data == nullptr) return nullptr;
  for (Place& place : g_places) {
    if (place.data.load(std::memory_order_relaxed) == data) return &place;
  }
  return nullptr;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const std::string name = Printable(path.string(), 4096);
  // O_NONBLOCK: opening a pipe must not wait for a writer; it is refused below.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      throw Error(ErrorKind::kNotFound, fmt::format("{}: no such file", name));
    }
    throw Error(ErrorKind::kIo, fmt::format("{}: cannot open: {}", name, std::strerror(errno)));
  }
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    const int code = errno;
    ::close(fd);
    throw Error(ErrorKind::kIo, fmt::format("{}: cannot open: {}", name, std::strerror(code)));
  }
  if (!S_ISREG(status.st_mode)) {
    ::close(fd);
    throw Error(ErrorKind::kIo, fmt::format("{}: not a regular file", name));
  }
  size_ = static_cast<size_t>(status.st_size);
  if (size_ > 0) {
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, fd, 0);
    if (address == MAP_FAILED) {
      const int code = errno;
      ::close(fd);
      throw Error(ErrorKind::kIo,
                  fmt::format("{}: cannot map {} bytes: {}", name, size_, std::strerror(code)));
    }
    data_ = static_cast<const std::byte*>(address);
    Remember(data_, size_, path_.c_str());
  }
  ::close(fd);
}

MappedFile::MappedFile(MappedFile&& other) noexcept { *this = std::move(other); }

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  // A short path lies inside the object, so that its text has moved.
  for (const MappedFile* file : {this, &other}) {
    if (Place* place = PlaceOf(file->data_)) place->name = file->path_.c_str();
  }
  return *this;
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  if (Place* place = PlaceOf(data_)) {
    place->size = 0;
    place->name = nullptr;
    place->data = nullptr;
  }
  ::munmap(const_cast<std::byte*>(data_), size_);
}

const char* MappedFileAt(const void* address) noexcept {
  const auto* at = static_cast<const std::byte*>(address);
  for (const Place& place : g_places) {
    const std::byte* begin = place.data;
    const size_t size = place.size;
    // Compared as numbers: pointers into different objects have no order.
    if (reinterpret_cast<uintptr_t>(at) - reinterpret_cast<uintptr_t>(begin) < size) {
      return place.name;
    }
  }
  return nullptr;
}

}  // namespace tandem
