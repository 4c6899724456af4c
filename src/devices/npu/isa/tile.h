// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The array of an XDNA NPU: generations, tiles, addresses, and what each kind of tile holds. Values
// and pure functions; thread-safe.
//
// Sources: AMD's register headers of both generations (aie-rt, driver/src/global/xaiemlgbl_params.h
// and xaie2pgbl_params.h) and MLIR-AIE's target model
// (include/aie/Dialect/AIE/IR/AIETargetModel.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tandem::npu {

/// npu1 is AIE2 (Phoenix, Hawk Point), npu2 is AIE2P (Strix, Krackan).
enum class Generation : uint8_t {
  kNpu1,
  kNpu2
};

enum class TileKind : uint8_t {
  kShim,    ///< Row 0: the way to DRAM.
  kMemory,  ///< Row 1: 512 KB and six DMA channels each way.
  kCore,    ///< Rows 2 to 5: a core, 64 KB, two channels each way.
};

enum class Direction : uint8_t {
  kS2mm,  ///< From a stream to memory.
  kMm2s,  ///< From memory to a stream.
};

inline constexpr int kRows = 6;
inline constexpr int kMemoryRows = 1;
/// Rows of cores, above those of a shim and of memory.
inline constexpr int kCoreRows = kRows - 1 - kMemoryRows;

/// Columns and rows count from the partition's first column and from the shim.
struct Tile {
  int column = 0;
  int row = 0;
  friend bool operator==(const Tile&, const Tile&) = default;
  friend auto operator<=>(const Tile&, const Tile&) = default;
};

/// A partition of the array: as many columns as a context has.
struct Device {
  Generation generation = Generation::kNpu1;
  int columns = 4;
  friend bool operator==(const Device&, const Device&) = default;
};

/// 4 of npu1's five (its first has no shim), 8 of npu2.
constexpr int MaxColumns(Generation generation) { return generation == Generation::kNpu1 ? 4 : 8; }
/// "npu1", "npu2".
std::string_view GenerationName(Generation generation);
/// "npu1", "npu2", or with fewer columns "npu2_3col"; nothing for other names.
std::optional<Device> ParseDevice(std::string_view name);
/// The inverse.
std::string DeviceName(const Device& device);

/// `row` is one of the array's.
constexpr TileKind KindOfRow(int row) {
  return row == 0 ? TileKind::kShim : row == 1 ? TileKind::kMemory : TileKind::kCore;
}
constexpr TileKind KindOf(Tile tile) { return KindOfRow(tile.row); }
/// "shim", "memory tile", "core tile".
std::string_view TileKindName(TileKind kind);
/// "S2MM", "MM2S".
std::string_view DirectionName(Direction direction);
/// "shim (0,0)": column, row.
std::string TileText(Tile tile);

/// Whether the partition has this tile.
constexpr bool Contains(const Device& device, Tile tile) {
  return tile.column >= 0 && tile.column < device.columns && tile.row >= 0 && tile.row < kRows;
}

/// What a tile holds. 0 for what it has not.
struct TileResources {
  uint32_t data_bytes;
  uint32_t program_bytes;
  int channels;  ///< In each direction.
  int descriptors;
  int descriptor_words;
  int locks;
};
const TileResources& ResourcesOf(TileKind kind);

/// Byte addresses of the array: 20 bits inside a tile, 5 bits of row, 7 bits of column.
inline constexpr uint32_t kOffsetMask = 0xFFFFF;
constexpr uint32_t AddressOf(Tile tile, uint32_t offset) {
  return static_cast<uint32_t>(tile.column) << 25 | static_cast<uint32_t>(tile.row) << 20 |
         (offset & kOffsetMask);
}
constexpr Tile TileOfAddress(uint32_t address) {
  return {static_cast<int>(address >> 25), static_cast<int>(address >> 20 & 0x1F)};
}
constexpr uint32_t OffsetOfAddress(uint32_t address) { return address & kOffsetMask; }

}  // namespace tandem::npu
