// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/fault.h"

#include <dirent.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace tandem::test {
namespace {

// Written before `g_armed`, which publishes it to other threads.
Fault g_fault;
std::atomic<bool> g_armed{false};
std::array<std::atomic<uint64_t>, kCalls> g_counts;
std::atomic<bool> g_fired{false};
std::atomic<bool> g_fired_hard{false};
std::atomic<int64_t> g_blocks{0};
std::atomic<int64_t> g_mappings{0};

// Alignment 0 stands for what malloc gives.
void* Allocate(size_t size, size_t alignment, bool soft) {
  if (fault_internal::Fails(Call::kAllocation, soft)) return nullptr;
  if (size == 0) size = 1;
  void* block = alignment == 0
                    ? std::malloc(size)
                    : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (block != nullptr) g_blocks.fetch_add(1, std::memory_order_relaxed);
  return block;
}

void* AllocateOrThrow(size_t size, size_t alignment) {
  void* block = Allocate(size, alignment, false);
  if (block == nullptr) throw std::bad_alloc();
  return block;
}

void Free(void* block) {
  if (block == nullptr) return;
  g_blocks.fetch_sub(1, std::memory_order_relaxed);
  std::free(block);
}

}  // namespace

std::string_view CallName(Call call) {
  static constexpr std::array<std::string_view, kCalls> kNames = {
      "allocation",  "thread", "open", "stat",  "list", "link",   "map",
      "memory file", "resize", "read", "write", "sync", "rename", "mode"};
  return kNames[static_cast<size_t>(call)];
}

FaultInjection::FaultInjection(const Fault& fault) {
  g_fault = fault;
  for (auto& count : g_counts) count = 0;
  g_fired = false;
  g_fired_hard = false;
  g_armed.store(true, std::memory_order_release);
}

void FaultInjection::Stop() { g_armed = false; }

uint64_t FaultInjection::Count(Call call) const { return g_counts[static_cast<size_t>(call)]; }
bool FaultInjection::fired() const { return g_fired; }
bool FaultInjection::fired_softly() const { return g_fired && !g_fired_hard; }

int64_t LiveBlocks() { return g_blocks; }
int64_t LiveMappings() { return g_mappings; }

int64_t OpenDescriptors() {
  DIR* folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return -1;
  int64_t count = 0;
  while (::readdir(folder) != nullptr) ++count;
  ::closedir(folder);
  return count;
}

namespace fault_internal {

bool Fails(Call call, bool soft) {
  if (!g_armed.load(std::memory_order_acquire)) return false;
  const uint64_t number = ++g_counts[static_cast<size_t>(call)];
  if (g_fault.nth == 0 || call != g_fault.call) return false;
  if (g_fault.lasting ? number < g_fault.nth : number != g_fault.nth) return false;
  g_fired = true;
  if (!soft) g_fired_hard = true;
  return true;
}

int ErrorNumber() { return g_fault.error; }

void CountMapping(int change) { g_mappings += change; }

}  // namespace fault_internal
}  // namespace tandem::test

using tandem::test::Allocate;
using tandem::test::AllocateOrThrow;
using tandem::test::Free;

void* operator new(size_t size) { return AllocateOrThrow(size, 0); }
void* operator new[](size_t size) { return AllocateOrThrow(size, 0); }
void* operator new(size_t size, std::align_val_t alignment) {
  return AllocateOrThrow(size, static_cast<size_t>(alignment));
}
void* operator new[](size_t size, std::align_val_t alignment) {
  return AllocateOrThrow(size, static_cast<size_t>(alignment));
}
void* operator new(size_t size, const std::nothrow_t&) noexcept { return Allocate(size, 0, true); }
void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return Allocate(size, 0, true);
}
void* operator new(size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(size, static_cast<size_t>(alignment), true);
}
void* operator new[](size_t size, std::align_val_t alignment, const std::nothrow_t&) noexcept {
  return Allocate(size, static_cast<size_t>(alignment), true);
}

void operator delete(void* block) noexcept { Free(block); }
void operator delete[](void* block) noexcept { Free(block); }
void operator delete(void* block, size_t) noexcept { Free(block); }
void operator delete[](void* block, size_t) noexcept { Free(block); }
void operator delete(void* block, std::align_val_t) noexcept { Free(block); }
void operator delete[](void* block, std::align_val_t) noexcept { Free(block); }
void operator delete(void* block, size_t, std::align_val_t) noexcept { Free(block); }
void operator delete[](void* block, size_t, std::align_val_t) noexcept { Free(block); }
void operator delete(void* block, const std::nothrow_t&) noexcept { Free(block); }
void operator delete[](void* block, const std::nothrow_t&) noexcept { Free(block); }
void operator delete(void* block, std::align_val_t, const std::nothrow_t&) noexcept { Free(block); }
void operator delete[](void* block, std::align_val_t, const std::nothrow_t&) noexcept {
  Free(block);
}
