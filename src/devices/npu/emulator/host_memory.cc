// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/emulator/host_memory.h"

#include <algorithm>

namespace tandem::npu {

uint64_t HostMemory::Add(std::span<std::byte> bytes) {
  constexpr uint64_t kPage = 4096;
  const uint64_t begin = next_;
  ranges_.push_back({begin + kAperture, bytes, {}});
  // A page of nothing behind each, so that running over the end is seen.
  next_ += (bytes.size() + 2 * kPage - 1) / kPage * kPage;
  return begin;
}

void HostMemory::Remove(uint64_t address) {
  std::erase_if(ranges_, [&](const Range& range) { return range.begin == address + kAperture; });
}

HostMemory::Place HostMemory::At(uint64_t address, bool with_writer) {
  const auto after =
      std::upper_bound(ranges_.begin(), ranges_.end(), address,
                       [](uint64_t at, const Range& range) { return at < range.begin; });
  if (after == ranges_.begin()) return {};
  Range& range = *std::prev(after);
  const uint64_t offset = address - range.begin;
  if (range.bytes.size() < 4 || offset > range.bytes.size() - 4) return {};
  const uint64_t index = offset / 4;
  if (with_writer && range.writers.empty()) range.writers.resize(range.bytes.size() / 4);
  return {reinterpret_cast<uint32_t*>(range.bytes.data()) + index,
          with_writer ? &range.writers[index] : nullptr, range.bytes.size() / 4 - index};
}

}  // namespace tandem::npu
