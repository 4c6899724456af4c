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
  /// Ends that. REQUIRES: a device address that Add() returned. No address is given twice.
  void Remove(uint64_t address);

  /// What lies at an address of the array.
  struct Place {
    uint32_t* word = nullptr;    ///< nullptr outside of every buffer.
    uint32_t* writer = nullptr;  ///< Who wrote it last; only where asked for.
    uint64_t room = 0;           ///< Words from it to the end of its buffer.
  };
  Place At(uint64_t address, bool with_writer);

 private:
  struct Range {
    uint64_t begin = 0;  ///< As the array sees it.
    std::span<std::byte> bytes;
    std::vector<uint32_t> writers;  ///< By word; empty until it is written.
  };
  std::vector<Range> ranges_;  ///< By their beginning.
  uint64_t next_ = 0x4000000;
};

}  // namespace tandem::npu
