// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Buffer descriptors (BDs): what one DMA transfer does, and the register words that say so. The
// layouts are the same on both generations; only the largest burst differs. Pure functions.
//
// Source: the DMA_BD registers of the modules NOC (shim), MEM_TILE and MEMORY (core tile) in
// aie-rt's xaiemlgbl_params.h and xaie2pgbl_params.h.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "devices/npu/isa/tile.h"

namespace tandem::npu {

/// The fields of a BD as the registers hold them: steps are one less than they mean, wraps are
/// counts with 0 for none, the iteration's wrap is one less than its count. A field that a kind of
/// tile does not have must be 0.
struct Descriptor {
  int64_t length = 0;  ///< 32-bit words, padding included.
  /// Shim: bytes of a 48-bit address, a multiple of 4. Memory tile: words in its window (own tile
  /// from 0x20000, west neighbour from 0). Core tile: words.
  int64_t base = 0;
  int64_t enable_packet = 0;
  int64_t packet_id = 0;
  int64_t packet_type = 0;
  int64_t out_of_order_id = 0;
  int64_t enable_compression = 0;
  int64_t d0_wrap = 0;
  int64_t d1_wrap = 0;
  int64_t d2_wrap = 0;  ///< Memory tile alone.
  int64_t d0_step = 0;
  int64_t d1_step = 0;
  int64_t d2_step = 0;
  int64_t d3_step = 0;    ///< Memory tile alone.
  int64_t d0_before = 0;  ///< Padding, memory tile alone: words before and after a row,
  int64_t d0_after = 0;
  int64_t d1_before = 0;  ///< rows,
  int64_t d1_after = 0;
  int64_t d2_before = 0;  ///< and planes.
  int64_t d2_after = 0;
  int64_t iteration_wrap = 0;
  int64_t iteration_step = 0;
  int64_t iteration_current = 0;
  int64_t burst = 0;  ///< Shim: 64 bytes << burst; 3 on npu2 alone.
  int64_t smid = 0;
  int64_t axcache = 0;
  int64_t axqos = 0;
  int64_t secure = 0;
  int64_t tlast_suppress = 0;
  int64_t valid = 0;
  int64_t use_next = 0;
  int64_t next = 0;
  int64_t acquire_enable = 0;
  int64_t acquire_value = 0;  ///< Signed: > 0 waits for equal, < 0 for at least -value.
  int64_t acquire_id = 0;     ///< Memory tile: west 0-63, own 64-127, east 128-191.
  int64_t release_value = 0;
  int64_t release_id = 0;
  friend bool operator==(const Descriptor&, const Descriptor&) = default;
};

/// A field's place: bits [high:low] of `word` hold the value's bits from `shift` up.
struct DescriptorField {
  std::string_view name;  ///< As AMD's register reference calls it.
  uint8_t word;
  uint8_t high;
  uint8_t low;
  uint8_t shift;
  bool is_signed;
  int64_t Descriptor::*member;
};
/// The fields of a BD on this kind of tile, in the order of their words.
std::span<const DescriptorField> DescriptorFields(TileKind kind);

/// The register words. Throws Error kInvalidArgument that names the first field whose value does
/// not fit, or which the tile does not have.
std::vector<uint32_t> PackDescriptor(TileKind kind, const Descriptor& descriptor);
/// `words` are as many as the tile's BDs have.
Descriptor UnpackDescriptor(TileKind kind, std::span<const uint32_t> words);

/// Offsets of BD `id`'s first word inside a tile; BDs lie 0x20 bytes apart.
uint32_t DescriptorOffset(TileKind kind, int id);
/// Whether a memory tile's channel can reach BD `id`: even ones 0-23, odd ones 24-47; any BD
/// elsewhere.
bool ChannelReaches(TileKind kind, int channel, int id);
/// The first BD that `channel` reaches.
constexpr int FirstDescriptorOf(TileKind kind, int channel) {
  return kind == TileKind::kMemory && channel % 2 == 1 ? 24 : 0;
}

/// What MLIR-AIE gives shim BDs of a runtime sequence: the NoC may join their bursts.
inline constexpr int64_t kAxCacheModifiable = 2;

/// The code of the largest burst of a generation (its default), and of one in bytes. Throws Error
/// kInvalidArgument for a burst that the generation does not have.
int64_t LargestBurst(Generation generation);
int64_t BurstCode(Generation generation, int64_t bytes);

/// Where the memory tiles that a memory tile reaches begin in its window, in bytes and in lock ids:
/// -1 the west neighbour, 0 itself, 1 the east one.
constexpr int64_t MemoryWindow(int neighbour) { return 0x80000LL * (neighbour + 1); }
constexpr int64_t LockWindow(int neighbour) { return 64LL * (neighbour + 1); }

}  // namespace tandem::npu
