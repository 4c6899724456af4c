// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory of the host as the array sees it: buffers at device addresses with nothing in between.
// Refers to the caller's bytes. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tandem::npu {

class HostMemory {
 public:
  /// The array sees the host's memory this far above its device addresses.
  static constexpr uint64_t kAperture = 0x80000000;

  /// Makes a buffer visible and returns its device address. The bytes must outlive the memory, and
  /// are a whole number of words.
  uint64_t Add(std::span<std::byte> bytes);

  /// The word at an address of the array, its number, and how many there are from it to the end of
  /// its buffer; nullptr outside of every buffer.
  uint32_t* Word(uint64_t address, uint64_t* index, uint64_t* room);
  /// Words of all buffers.
  uint64_t words() const { return words_; }

 private:
  struct Range {
    uint64_t begin = 0;
    uint64_t first_index = 0;  ///< Words of the buffers before.
    std::span<std::byte> bytes;
  };
  std::vector<Range> ranges_;
  uint64_t next_ = 0x4000000;
  uint64_t words_ = 0;
};

}  // namespace tandem::npu
