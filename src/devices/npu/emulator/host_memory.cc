// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/emulator/host_memory.h"

namespace tandem::npu {

uint64_t HostMemory::Add(std::span<std::byte> bytes) {
  constexpr uint64_t kPage = 4096;
  const uint64_t begin = next_;
  ranges_.push_back({begin + kAperture, words_, bytes});
  // A page of nothing behind each, so that running over the end is seen.
  next_ += (bytes.size() + 2 * kPage - 1) / kPage * kPage;
  words_ += bytes.size() / 4;
  return begin;
}

uint32_t* HostMemory::Word(uint64_t address, uint64_t* index, uint64_t* room) {
  for (const Range& range : ranges_) {
    if (address < range.begin || address - range.begin + 4 > range.bytes.size()) continue;
    const uint64_t at = (address - range.begin) / 4;
    *index = range.first_index + at;
    *room = range.bytes.size() / 4 - at;
    return reinterpret_cast<uint32_t*>(range.bytes.data()) + at;
  }
  return nullptr;
}

}  // namespace tandem::npu
