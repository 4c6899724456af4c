// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What designs and runtime sequences are made of: buffers, locks, transfers. Plain values, in the
// units of the design (elements), not of the registers.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "devices/npu/isa/tile.h"

namespace tandem::npu {

enum class ElementType : uint8_t {
  kI8,
  kI16,
  kI32,
  kBf16,
  kF32
};
constexpr int64_t ElementBytes(ElementType type) {
  switch (type) {
    case ElementType::kI8: return 1;
    case ElementType::kI16:
    case ElementType::kBf16: return 2;
    case ElementType::kI32:
    case ElementType::kF32: break;
  }
  return 4;
}
/// "i8", "i16", "i32", "bf16", "f32".
std::string_view ElementTypeName(ElementType type);
std::optional<ElementType> ParseElementType(std::string_view name);

/// Memory of a tile, or of the host where there is no tile.
struct Buffer {
  std::string name;
  std::optional<Tile> tile;
  int64_t address = 0;  ///< Bytes.
  ElementType type = ElementType::kI32;
  int64_t elements = 0;
  std::vector<uint8_t> init;  ///< Content at start, little-endian; empty for none.
};

struct Lock {
  std::string name;
  Tile tile;
  int id = 0;
  int64_t init = 0;
};

/// A DMA waits for a lock: until it is `value`, or at least that, and takes as much from it.
struct LockAcquire {
  Tile tile;
  int id = 0;
  int64_t value = 0;
  bool at_least = true;
};
/// And gives to one when it is done.
struct LockRelease {
  Tile tile;
  int id = 0;
  int64_t value = 0;
};

struct Packet {
  int64_t type = 0;
  int64_t id = 0;
};
struct Padding {
  int64_t before = 0;
  int64_t after = 0;
};
/// Every run of a BD starts `stride` elements further, `count` times, then again from the start.
struct Iteration {
  int64_t count = 1;
  int64_t stride = 0;
  int64_t current = 0;
};

/// One BD, in elements. Lists are outermost dimension first.
struct Transfer {
  size_t buffer = 0;  ///< Index of a Buffer, or of a kernel argument on a shim.
  ElementType type = ElementType::kI32;
  int64_t offset = 0;
  int64_t length = 0;
  std::vector<int64_t> sizes;  ///< Empty: `length` elements one after the other.
  std::vector<int64_t> strides;
  std::vector<Padding> padding;
  std::optional<Iteration> iteration;
  std::optional<Packet> packet;
  std::optional<LockAcquire> acquire;
  std::optional<LockRelease> release;
  std::optional<int64_t> burst;  ///< Bytes; nothing for the largest. Shim.
  std::optional<int> bd;         ///< Nothing: the lowest that is free.
  std::optional<int> next;  ///< Static designs: a BD. Tasks: an index among the task's transfers.
};

/// A DMA channel of a tile.
struct Channel {
  Tile tile;
  Direction direction = Direction::kS2mm;
  int channel = 0;
};
/// "memory tile (0,1) MM2S 3".
std::string ChannelText(const Channel& channel);

/// Checks that tile and channel exist. Throws Error kInvalidArgument that begins with `where`.
void CheckTile(const Device& device, Tile tile, std::string_view where);
void CheckChannel(const Device& device, const Channel& channel, std::string_view where);

}  // namespace tandem::npu
