// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A block of zero-initialised memory that can be forked: both copies share their pages until one of
// them writes to a page. Pages are taken from the system on first use. Owns the memory; movable.
// One thread at a time per object; forks of one block are independent of each other.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace tandem {

class ForkableMemory {
 public:
  /// Bytes [begin, end) of a block.
  struct Range {
    size_t begin = 0;
    size_t end = 0;
  };

  ForkableMemory() = default;
  /// Throws Error kResource when the system has no memory to give.
  explicit ForkableMemory(size_t size);
  ForkableMemory(ForkableMemory&& other) noexcept;
  ForkableMemory& operator=(ForkableMemory&& other) noexcept;
  ~ForkableMemory();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

  /// A block with the same content. The first fork of a block copies nothing; a fork of a block
  /// that has been forked before copies the bytes of `used`, outside of which the content is taken
  /// to be zero. Throws Error kResource.
  ForkableMemory Fork(std::span<const Range> used);

 private:
  class Backing;  // an unnamed file in memory

  void Map(bool is_private);

  std::shared_ptr<Backing> backing_;  // null where the system offers no such files: forks copy
  std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool private_ = false;  // writes stay out of the backing file
};

}  // namespace tandem
