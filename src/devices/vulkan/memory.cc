// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/memory.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"

namespace tandem::vulkan {
namespace {

// Offsets that every binding takes (limits ask for 256 at most), and no two slices in a cache line.
constexpr uint64_t kAlignment = 256;
// Buffers that slices share. Larger slices get one of their own.
constexpr uint64_t kBlockBytes = uint64_t{64} << 20;
constexpr uint64_t kStagingBytes = uint64_t{32} << 20;

uint64_t Aligned(uint64_t size) { return (size + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

int FindMemoryType(const VkPhysicalDeviceMemoryProperties& memory, uint32_t allowed, Use use,
                   bool unified) {
  constexpr VkMemoryPropertyFlags kLocal = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT;
  constexpr VkMemoryPropertyFlags kMapped =
      VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  constexpr VkMemoryPropertyFlags kCached = VK_MEMORY_PROPERTY_HOST_CACHED_BIT;
  // What AMD adds for debugging is slow.
  constexpr VkMemoryPropertyFlags kNever = VK_MEMORY_PROPERTY_DEVICE_COHERENT_BIT_AMD |
                                           VK_MEMORY_PROPERTY_DEVICE_UNCACHED_BIT_AMD |
                                           VK_MEMORY_PROPERTY_PROTECTED_BIT;
  // In the order of preference: what it must have, what it should not.
  struct Wish {
    VkMemoryPropertyFlags with, without;
  };
  std::vector<Wish> wishes;
  switch (use) {
    case Use::kDevice:
      if (unified) wishes.push_back({kLocal | kMapped, 0});
      wishes.push_back({kLocal, kMapped});
      wishes.push_back({kLocal, 0});
      break;
    case Use::kUpload:
      // Also on a card of its own: the host writes across the bus once, kernels read many times.
      wishes.push_back({kLocal | kMapped, kCached});
      wishes.push_back({kMapped, kCached | kLocal});
      wishes.push_back({kMapped, 0});
      break;
    case Use::kReadback:
      wishes.push_back({kMapped | kCached, 0});
      wishes.push_back({kMapped, 0});
      break;
  }
  for (const Wish& wish : wishes) {
    for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
      const VkMemoryPropertyFlags flags = memory.memoryTypes[i].propertyFlags;
      if ((allowed & (1u << i)) == 0 || (flags & kNever) != 0) continue;
      if ((flags & wish.with) == wish.with && (flags & wish.without) == 0) {
        return static_cast<int>(i);
      }
    }
  }
  return -1;
}

Slice& Slice::operator=(Slice&& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(block_, other.block_);
  std::swap(buffer_, other.buffer_);
  std::swap(offset_, other.offset_);
  std::swap(size_, other.size_);
  std::swap(buffer_bytes_, other.buffer_bytes_);
  std::swap(address_, other.address_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

Slice::~Slice() {
  if (pool_ != nullptr) pool_->Give(*this);
}

Pool::~Pool() {
  for (Block& block : blocks_) Destroy(block);
}

uint64_t Pool::bytes() const {
  uint64_t bytes = 0;
  for (const Block& block : blocks_) bytes += block.size;
  return bytes;
}

Pool::Block Pool::MakeBlock(uint64_t size) {
  VolkDeviceTable& vk = context_.vk();
  const VkDevice device = context_.device();
  Block block;
  block.size = size;
  VkBufferCreateInfo create{VK_STRUCTURE_TYPE_BUFFER_CREATE_INFO};
  create.size = size;
  create.usage = VK_BUFFER_USAGE_STORAGE_BUFFER_BIT | VK_BUFFER_USAGE_TRANSFER_SRC_BIT |
                 VK_BUFFER_USAGE_TRANSFER_DST_BIT | VK_BUFFER_USAGE_SHADER_DEVICE_ADDRESS_BIT;
  const std::string what = fmt::format("{:.1f} MB", static_cast<double>(size) / 1e6);
  try {
    context_.Check(vk.vkCreateBuffer(device, &create, nullptr, &block.buffer), what);
    VkMemoryRequirements needs;
    vk.vkGetBufferMemoryRequirements(device, block.buffer, &needs);
    VkMemoryAllocateFlagsInfo flags{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_FLAGS_INFO};
    flags.flags = VK_MEMORY_ALLOCATE_DEVICE_ADDRESS_BIT;
    VkMemoryAllocateInfo allocate{VK_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO, &flags};
    allocate.allocationSize = needs.size;
    // The best type may be a small one (the window of a card's memory that the host sees): then the
    // next best.
    uint32_t allowed = needs.memoryTypeBits;
    int type = -1;
    VkResult made = VK_ERROR_OUT_OF_DEVICE_MEMORY;
    while (made == VK_ERROR_OUT_OF_DEVICE_MEMORY) {
      const int next = FindMemoryType(context_.memory(), allowed, use_, context_.info().unified);
      if (next < 0) break;
      type = next;
      allowed &= ~(1U << type);
      allocate.memoryTypeIndex = static_cast<uint32_t>(type);
      made = vk.vkAllocateMemory(device, &allocate, nullptr, &block.memory);
    }
    if (type < 0) {
      throw Error(ErrorKind::kUnsupported, "the Vulkan device has no memory of the kind needed");
    }
    context_.Check(made, what);
    context_.Check(vk.vkBindBufferMemory(device, block.buffer, block.memory, 0), what);
    const VkMemoryPropertyFlags has =
        context_.memory().memoryTypes[static_cast<uint32_t>(type)].propertyFlags;
    const bool mapped = use_ != Use::kDevice || context_.info().unified;
    if (mapped && (has & VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT) != 0) {
      void* address = nullptr;
      context_.Check(vk.vkMapMemory(device, block.memory, 0, VK_WHOLE_SIZE, 0, &address), what);
      block.mapped = static_cast<std::byte*>(address);
    }
  } catch (...) {
    Destroy(block);
    throw;
  }
  VkBufferDeviceAddressInfo info{VK_STRUCTURE_TYPE_BUFFER_DEVICE_ADDRESS_INFO};
  info.buffer = block.buffer;
  block.address = vk.vkGetBufferDeviceAddress(device, &info);
  block.free[0] = size;
  return block;
}

void Pool::Destroy(Block& block) {
  VolkDeviceTable& vk = context_.vk();
  if (block.buffer != VK_NULL_HANDLE) vk.vkDestroyBuffer(context_.device(), block.buffer, nullptr);
  if (block.memory != VK_NULL_HANDLE) vk.vkFreeMemory(context_.device(), block.memory, nullptr);
  block = {};
}

bool Pool::TakeFrom(size_t index, uint64_t size, Slice& slice) {
  Block& block = blocks_[index];
  for (auto it = block.free.begin(); it != block.free.end(); ++it) {
    if (it->second < size) continue;
    const auto [offset, room] = *it;
    block.free.erase(it);
    if (room > size) block.free[offset + size] = room - size;
    slice.pool_ = this;
    slice.block_ = index;
    slice.buffer_ = block.buffer;
    slice.buffer_bytes_ = block.size;
    slice.offset_ = offset;
    slice.address_ = block.address + offset;
    slice.mapped_ = block.mapped == nullptr ? nullptr : block.mapped + offset;
    return true;
  }
  return false;
}

void Pool::Expect(uint64_t bytes, uint64_t most) {
  expected_ = bytes;
  most_ = most;
}

Pool::Block Pool::MakeBlockFor(uint64_t room) {
  if (expected_ == 0) return MakeBlock(room > kBlockBytes / 4 ? room : kBlockBytes);
  uint64_t size = std::max({room, std::min(expected_, most_), std::min(kBlockBytes, most_)});
  expected_ -= std::min(expected_, size);
  while (true) {
    try {
      return MakeBlock(size);
    } catch (const Error& error) {
      // Not so much in one piece, perhaps.
      if (error.kind() != ErrorKind::kResource || size <= std::max(room, kBlockBytes)) throw;
      size = std::max({room, kBlockBytes, Aligned(size / 2)});
    }
  }
}

Slice Pool::Take(uint64_t size) {
  context_.RequireAlive();
  const uint64_t room = Aligned(std::max<uint64_t>(size, 1));
  Slice slice;
  bool found = false;
  for (size_t i = 0; i < blocks_.size() && !found; ++i) {
    found = blocks_[i].buffer != VK_NULL_HANDLE && TakeFrom(i, room, slice);
  }
  if (!found) {
    Block block = MakeBlockFor(room);
    const auto hole = std::find_if(blocks_.begin(), blocks_.end(),
                                   [](const Block& b) { return b.buffer == VK_NULL_HANDLE; });
    const auto index = static_cast<size_t>(hole - blocks_.begin());
    if (hole == blocks_.end()) {
      blocks_.push_back(std::move(block));
    } else {
      *hole = std::move(block);
    }
    TakeFrom(index, room, slice);
  }
  slice.size_ = size;
  return slice;
}

void Pool::Give(const Slice& slice) {
  Block& block = blocks_[slice.block_];
  uint64_t offset = slice.offset_;
  uint64_t size = Aligned(std::max<uint64_t>(slice.size_, 1));
  auto next = block.free.lower_bound(offset);
  if (next != block.free.end() && next->first == offset + size) {
    size += next->second;
    next = block.free.erase(next);
  }
  if (next != block.free.begin()) {
    const auto before = std::prev(next);
    if (before->first + before->second == offset) {
      offset = before->first;
      size += before->second;
      block.free.erase(before);
    }
  }
  block.free[offset] = size;
  if (size == block.size) Destroy(block);
}

Memory::Memory(Context& context)
    : context_(context),
      device_(context, Use::kDevice),
      weights_(context, Use::kDevice),
      upload_(context, Use::kUpload),
      readback_(context, Use::kReadback) {}

Memory::~Memory() {
  VolkDeviceTable& vk = context_.vk();
  if (fence_ != VK_NULL_HANDLE) vk.vkDestroyFence(context_.device(), fence_, nullptr);
  if (commands_ != VK_NULL_HANDLE) vk.vkDestroyCommandPool(context_.device(), commands_, nullptr);
}

void Memory::Write(const Slice& slice, uint64_t offset, std::span<const std::byte> bytes) {
  if (slice.mapped() != nullptr) {
    std::memcpy(slice.mapped() + offset, bytes.data(), bytes.size());
    return;
  }
  while (!bytes.empty()) {
    const size_t size = std::min<size_t>(bytes.size(), kStagingBytes);
    if (staging_.size() < size) {
      staging_ = {};
      staging_ = upload_.Take(size);
    }
    std::memcpy(staging_.mapped(), bytes.data(), size);
    CopyStaged(slice, offset, size);
    offset += size;
    bytes = bytes.subspan(size);
  }
}

void Memory::CopyStaged(const Slice& slice, uint64_t offset, uint64_t size) {
  VolkDeviceTable& vk = context_.vk();
  const VkDevice device = context_.device();
  constexpr std::string_view kWhat = "copying to the device";
  if (commands_ == VK_NULL_HANDLE) {
    VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    pool.flags = VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT;
    pool.queueFamilyIndex = context_.queue_family();
    context_.Check(vk.vkCreateCommandPool(device, &pool, nullptr, &commands_), kWhat);
  }
  if (copy_ == VK_NULL_HANDLE) {
    VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    allocate.commandPool = commands_;
    allocate.commandBufferCount = 1;
    context_.Check(vk.vkAllocateCommandBuffers(device, &allocate, &copy_), kWhat);
  }
  if (fence_ == VK_NULL_HANDLE) {
    VkFenceCreateInfo fence{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
    context_.Check(vk.vkCreateFence(device, &fence, nullptr, &fence_), kWhat);
  }
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  begin.flags = VK_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT;
  context_.Check(vk.vkBeginCommandBuffer(copy_, &begin), kWhat);
  const VkBufferCopy region{staging_.offset(), slice.offset() + offset, size};
  vk.vkCmdCopyBuffer(copy_, staging_.buffer(), slice.buffer(), 1, &region);
  context_.Check(vk.vkEndCommandBuffer(copy_), kWhat);
  context_.Submit(copy_, fence_, kWhat);
  context_.Check(vk.vkWaitForFences(device, 1, &fence_, VK_TRUE, UINT64_MAX), kWhat);
  context_.Check(vk.vkResetFences(device, 1, &fence_), kWhat);
}

}  // namespace tandem::vulkan
