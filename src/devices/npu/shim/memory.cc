// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/shim/memory.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "devices/npu/shim/system.h"

namespace tandem::npu::shim {
namespace {

constexpr uint64_t kPage = 4096;
/// Of what lies in the heap.
constexpr uint64_t kHeapAlignment = 0x8000;
constexpr uint64_t kLargest = uint64_t{1} << 40;

uint64_t Up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }

void Drop(Bo& bo) {
  if (bo.fd < 0) return;
  if (!bo.bytes.empty()) munmap(bo.bytes.data(), bo.bytes.size());
  System().close(bo.fd);
}

}  // namespace

Memory::~Memory() {
  for (auto& [handle, bo] : bos_) Drop(bo);
}

uint32_t Memory::Insert(Bo bo) {
  bos_.emplace(next_handle_, bo);
  return next_handle_++;
}

int Memory::AddMemory(Bo& bo, int fd, uint64_t size) {
  void* const at = System().mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (at == MAP_FAILED) {
    const int error = errno;
    System().close(fd);
    return error;
  }
  bo.fd = fd;
  bo.bytes = {static_cast<std::byte*>(at), size};
  bo.map_offset = next_offset_;
  next_offset_ += size;
  return 0;
}

int Memory::Create(BoType type, uint64_t size, uint32_t& handle) {
  if (size == 0 || size > kLargest) return EINVAL;
  Bo bo;
  bo.type = type;
  bo.size = size;
  if (type == kBoDev) {
    Bo* const heap = Find(heap_);
    if (heap == nullptr || heap->user == 0) return EINVAL;
    std::vector<std::pair<uint64_t, uint64_t>> used;
    for (const auto& [id, other] : bos_) {
      if (other.type == kBoDev) used.emplace_back(other.address, other.address + other.size);
    }
    std::sort(used.begin(), used.end());
    uint64_t at = kHeapAddress;
    for (const auto& [begin, end] : used) {
      if (at + size <= begin) break;
      at = Up(end, kHeapAlignment);
    }
    if (at + size > kHeapAddress + heap->size) return EAGAIN;
    bo.address = at;
    bo.user = heap->user + (at - kHeapAddress);
    bo.bytes = heap->bytes.subspan(at - kHeapAddress, size);
    handle = Insert(bo);
    return 0;
  }
  const uint64_t bytes = Up(size, kPage);
  const int fd = memfd_create("tandem-npu-bo", MFD_CLOEXEC);
  if (fd < 0) return errno;
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    System().close(fd);
    return ENOMEM;
  }
  if (const int error = AddMemory(bo, fd, bytes); error != 0) return error;
  if (type == kBoDevHeap) {
    bo.address = kHeapAddress;
  } else {
    bo.address = next_address_;
    next_address_ += bytes + kPage;
  }
  handle = Insert(bo);
  if (type == kBoDevHeap) heap_ = handle;
  return 0;
}

int Memory::CreateFromUser(uint64_t address, uint64_t size, uint32_t& handle) {
  if (size == 0 || size > kLargest || address == 0 || address % kPage != 0) return EINVAL;
  Bo bo;
  bo.size = size;
  bo.user = address;
  bo.bytes = {reinterpret_cast<std::byte*>(address), size};
  bo.address = next_address_;
  next_address_ += Up(size, kPage) + kPage;
  handle = Insert(bo);
  return 0;
}

int Memory::Import(int fd, uint32_t& handle) {
  struct stat status {};
  if (fstat(fd, &status) != 0 || status.st_size <= 0) return EINVAL;
  for (auto& [id, other] : bos_) {
    struct stat known {};
    if (other.fd >= 0 && fstat(other.fd, &known) == 0 && known.st_ino == status.st_ino &&
        known.st_dev == status.st_dev) {
      ++other.users;
      handle = id;
      return 0;
    }
  }
  const int own = dup(fd);
  if (own < 0) return errno;
  Bo bo;
  bo.size = static_cast<uint64_t>(status.st_size);
  if (const int error = AddMemory(bo, own, Up(bo.size, kPage)); error != 0) return error;
  bo.address = next_address_;
  next_address_ += bo.bytes.size() + kPage;
  handle = Insert(bo);
  return 0;
}

int Memory::Close(uint32_t handle) {
  const auto found = bos_.find(handle);
  if (found == bos_.end()) return EINVAL;
  if (--found->second.users > 0) return 0;
  Drop(found->second);
  bos_.erase(found);
  if (heap_ == handle) heap_ = 0;
  return 0;
}

Bo* Memory::Find(uint32_t handle) {
  const auto found = bos_.find(handle);
  return found == bos_.end() ? nullptr : &found->second;
}

Bo* Memory::AtOffset(uint64_t offset) {
  for (auto& [handle, bo] : bos_) {
    if (bo.map_offset != 0 && bo.map_offset == offset) return &bo;
  }
  return nullptr;
}

Memory::Place Memory::At(uint64_t address) {
  for (auto& [handle, bo] : bos_) {
    if (bo.type == kBoDevHeap || address < bo.address) continue;
    const uint64_t offset = address - bo.address;
    if (offset < bo.bytes.size()) return {bo.bytes, offset};
  }
  return {};
}

}  // namespace tandem::npu::shim
