// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Device memory in slices. Memory types are chosen by what they can do, never by their number. A
// Pool hands out parts of a few large buffers; a Slice gives its part back when it goes. Every
// Slice must go before its Pool, and the Pool before the Context. One thread at a time.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "devices/vulkan/context.h"

namespace tandem::vulkan {

/// What memory is for.
enum class Use {
  kDevice,    ///< The device's own; mapped on unified memory.
  kUpload,    ///< Written by the host once a step, in order; read by the device.
  kReadback,  ///< Written by the device, read by the host: cached where there is such memory.
};

/// Index of the memory type for `use` among those that `allowed` has bits for, or -1.
/// `unified`: whether the device's own memory is mapped.
int FindMemoryType(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed, Use use,
                   bool unified);

class Pool;

/// Part of a buffer. Movable; empty by default.
class Slice {
 public:
  Slice() = default;
  Slice(Slice&& other) noexcept { *this = std::move(other); }
  Slice& operator=(Slice&& other) noexcept;
  ~Slice();

  bool empty() const { return pool_ == nullptr; }
  VkBuffer buffer() const { return buffer_; }
  uint64_t offset() const { return offset_; }
  uint64_t size() const { return size_; }
  /// Bytes of the buffer that it is a part of.
  uint64_t buffer_bytes() const { return buffer_bytes_; }
  /// Its address for kernels that take one.
  uint64_t address() const { return address_; }
  /// Its bytes in the host's address space; null where it is not mapped.
  std::byte* mapped() const { return mapped_; }

 private:
  friend class Pool;
  Pool* pool_ = nullptr;
  size_t block_ = 0;
  VkBuffer buffer_ = VK_NULL_HANDLE;
  uint64_t offset_ = 0;
  uint64_t size_ = 0;
  uint64_t buffer_bytes_ = 0;
  uint64_t address_ = 0;
  std::byte* mapped_ = nullptr;
};

/// Bytes that a kernel is bound to, at an offset that a binding takes.
struct Tensor {
  VkBuffer buffer = VK_NULL_HANDLE;
  uint64_t offset = 0;
  uint64_t bytes = 0;

  auto operator<=>(const Tensor&) const = default;
  static Tensor Of(const Slice& slice) { return {slice.buffer(), slice.offset(), slice.size()}; }
};

class Pool {
 public:
  Pool(Context& context, Use use) : context_(context), use_(use) {}
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  /// `size` bytes, at least one, at an offset that any binding takes. Throws Error kResource.
  Slice Take(uint64_t size);
  /// About `bytes` more are going to be taken, to be put into few buffers of at most `most` bytes.
  void Expect(uint64_t bytes, uint64_t most);
  /// Bytes of the buffers.
  uint64_t bytes() const;

 private:
  friend class Slice;
  // A buffer with memory of its own, and what is free of it by offset. Empty blocks are freed.
  struct Block {
    VkBuffer buffer = VK_NULL_HANDLE;
    VkDeviceMemory memory = VK_NULL_HANDLE;
    uint64_t size = 0;
    uint64_t address = 0;
    std::byte* mapped = nullptr;
    std::map<uint64_t, uint64_t> free;
  };

  Block MakeBlock(uint64_t size);
  /// Of a size that suits, at least `room`.
  Block MakeBlockFor(uint64_t room);
  void Destroy(Block& block);
  bool TakeFrom(size_t index, uint64_t size, Slice& slice);
  void Give(const Slice& slice);

  Context& context_;
  Use use_;
  std::vector<Block> blocks_;
  uint64_t expected_ = 0;  ///< And not yet taken.
  uint64_t most_ = 0;      ///< Of a buffer, where something is expected.
};

/// The three kinds of memory of a device, and how bytes get into its own.
class Memory {
 public:
  explicit Memory(Context& context);
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory();

  Pool& device() { return device_; }
  /// The device's own, too.
  Pool& weights() { return weights_; }
  Pool& upload() { return upload_; }
  Pool& readback() { return readback_; }

  /// Writes bytes to `offset` of a slice of the device's own memory: directly where it is mapped,
  /// else by a copy that is done when this returns.
  void Write(const Slice& slice, uint64_t offset, std::span<const std::byte> bytes);

 private:
  void CopyStaged(const Slice& slice, uint64_t offset, uint64_t size);

  Context& context_;
  Pool device_;
  Pool weights_;
  Pool upload_;
  Pool readback_;
  Slice staging_;
  VkCommandPool commands_ = VK_NULL_HANDLE;
  VkCommandBuffer copy_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
};

}  // namespace tandem::vulkan
