// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Buffer objects of the emulated accelerator: shared memory with addresses as the driver gives
// them. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>

#include "devices/npu/shim/uapi.h"

namespace tandem::npu::shim {

struct Bo {
  BoType type = kBoShare;
  uint64_t size = 0;        ///< As asked for.
  uint64_t address = 0;     ///< As the device sees it.
  uint64_t map_offset = 0;  ///< 0 for those that are not mapped.
  int fd = -1;              ///< Its memory; -1 inside the heap, and for the caller's own.
  std::span<std::byte> bytes;
  uint64_t user = 0;  ///< Where the caller sees it; 0 before it is mapped.
  int users = 1;      ///< Handles and mappings of exports are the system's business.
};

class Memory {
 public:
  ~Memory();

  /// All return 0, or an errno. EAGAIN: beyond the heap.
  int Create(BoType type, uint64_t size, uint32_t& handle);
  /// The caller's own memory.
  int CreateFromUser(uint64_t address, uint64_t size, uint32_t& handle);
  int Import(int fd, uint32_t& handle);
  int Close(uint32_t handle);

  Bo* Find(uint32_t handle);
  /// The mappable one at an offset of the node.
  Bo* AtOffset(uint64_t offset);
  /// Bytes at a device address up to the end of what lies there; empty for none. Instructions and
  /// images lie in the heap.
  struct Place {
    std::span<std::byte> bytes;  ///< Of the whole buffer.
    uint64_t offset = 0;
  };
  Place At(uint64_t address);

  size_t count() const { return bos_.size(); }

  static constexpr uint64_t kHeapAddress = 0x4000000;
  static constexpr uint64_t kHeapBytes = 0x4000000;

 private:
  int AddMemory(Bo& bo, int fd, uint64_t size);
  uint32_t Insert(Bo bo);

  std::map<uint32_t, Bo> bos_;
  uint32_t next_handle_ = 1;
  uint64_t next_address_ = 0x100000000;
  uint64_t next_offset_ = 0x100000000;
  uint32_t heap_ = 0;
};

}  // namespace tandem::npu::shim
