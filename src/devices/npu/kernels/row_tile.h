// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Results that another run of a list goes on with, where a number of each row must be known first
// that comes of all its columns: a norm's root mean square, or where a sparse layer cuts its gates.
// What kernels, the design and those who pack matrices agree on beside gated_tile.h. Also included
// by AIE compilers.
//
// Complete sums, times their columns' scales, leave as a tile of rows: 64 by 64 in bfloat16, which
// is as large as a tile of A, and behind it the rows' own sums. The next run's A are first the sums
// of all columns, which each core makes a factor of each row of, and then tiles of rows, which all
// columns of the array see and one takes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "devices/npu/kernels/attention_tile.h"
#include "devices/npu/kernels/gated_tile.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {

// What a tile on A's stream is, by the first word of its header, where it is no product's
// (kActivationRows), no keys and no values.
inline constexpr uint32_t kIsRowSums = 1U << 18;
inline constexpr uint32_t kIsGate = 1U << 19;        ///< Rows that are cut; a gate is left of them.
inline constexpr uint32_t kIsNorms = 1U << 20;       ///< Rows for a norm:
inline constexpr uint32_t kLeavesNormed = 1U << 21;  ///< tiles of A leave,
inline constexpr uint32_t kKeepsSteps = 1U << 22;    ///< or their steps are kept (inputs apart).
/// Of tiles of rows: which columns of the array take them, one tile of A each.
constexpr uint32_t IsForColumn(int64_t column) { return 1U << 24 << column; }

/// The rows' own sums over 64 columns, or over the 128 of a tile of A.
struct RowSums {
  ActivationTileHeader header;  ///< kIsRowSums.
  float squares[kTileM] = {};
  float sums[kTileM] = {};  ///< Not of a tile of A.
};
/// In the room of sums.
struct RowTile {
  ActivationTileHeader header;
  uint16_t values[kTileM * kTileN];  ///< bfloat16, in the order of sums.
  RowSums own;
};
/// A tile of A that a norm left; its rows still lack their factors.
struct NormedTile {
  uint8_t tile[kTileABytes];
  RowSums own;
};
static_assert(offsetof(RowTile, own) == kTileABytes && offsetof(NormedTile, own) == kTileABytes);
static_assert(sizeof(RowTile) <= kTileSumBytes);

// A tile of A of sums is one of their headers, and what follows of as many tiles as there is room.
inline constexpr size_t kSquareBytes = sizeof(RowSums::squares);
inline constexpr size_t kBothSumBytes = kSquareBytes + sizeof(RowSums::sums);
inline constexpr size_t kRoomForSums = kTileABytes - kActivationHeaderBytes;
inline constexpr int kSquaresOfTile = kRoomForSums / kSquareBytes;  ///< Tiles, their squares alone.
inline constexpr int kSumsOfTile = kRoomForSums / kBothSumBytes;    ///< Or both.
static_assert(kSquaresOfTile * kSquareBytes == kRoomForSums);
static_assert(kSumsOfTile * kBothSumBytes == kRoomForSums);

/// The tile of B beside one of sums: what becomes of them.
struct RowSumHeader {
  uint32_t flags = 0;
  uint32_t tiles = 0;  ///< Whose sums those are.
  float share = 0;     ///< 1 / columns.
  /// A norm's epsilon; how many deviations above the mean gates are cut.
  float addend = 0;
  uint32_t reserved[12] = {};
};
static_assert(sizeof(RowSumHeader) == kTileHeaderBytes);
inline constexpr uint32_t kFirstRowSums = 1;
inline constexpr uint32_t kLastRowSums = 2;
inline constexpr uint32_t kCuts = 4;  ///< Squares and sums, for a cut; else squares, for a norm.

/// While sums come; then a number for each row is in `squares`: what it is multiplied with, or less
/// than which its gates are cut. Beside a norm's `steps`, of bytes of inputs apart: 1.5 x 2^(23 +
/// e) for rows of either half of their tile, in bfloat16.
struct RowFactors {
  float squares[kTileM];
  union {
    float sums[kTileM];
    uint16_t steps[2][kTileM];
  };
};
static_assert(sizeof(RowFactors) <= kAttentionWeightBytes);

// A norm: y = base + rows x factor x post, and y x pre leaves in bytes.
//
// A tile of A has pieces of `piece_rows` rows of a tile of rows each, 8, 16 or 32, two for a tile
// of A that is to leave: so short prompts send few. Beside it a tile of B for each column of the
// array says which of them it takes, and what its columns are multiplied with; and then, where it
// takes one, more tiles of B bring base, of all core rows, first for the first halves, then for the
// second: 2, 4 or 8 (`bases`).
inline constexpr int kNormRows = 32;  ///< Of a core's tile, at most.

struct NormColumns {
  uint32_t tile = 0;  ///< Which of those that the tile of A has pieces of.
  /// Whether what leaves are the rests of inputs apart, whose steps were kept.
  uint32_t rest = 0;
  uint32_t reserved[14] = {};
  uint16_t post[2 * kTileN] = {};  ///< bfloat16
  uint16_t pre[2 * kTileN] = {};
};
/// In a core's memory both are in the state of attention, which there is none of meanwhile.
static_assert(sizeof(NormColumns) <= kOthersStateBytes && kColumnScaleBytes <= kOthersStateBytes);
static_assert(sizeof(NormColumns) <= kTileB4Bytes && sizeof(NormColumns) <= kTileBBytes);

/// What base begins with: of so many core rows from the first one on pieces follow.
struct NormBase {
  uint32_t half = 0;
  uint32_t first_core_row = 0;
  uint32_t core_rows = 0;
  uint32_t reserved[13] = {};
};
static_assert(sizeof(NormBase) == kTileHeaderBytes);
/// Rows of pieces behind it at most.
constexpr int64_t BaseRows(size_t tile_bytes) {
  const auto rows = static_cast<int64_t>((tile_bytes - kTileHeaderBytes) / (2 * kTileN));
  return rows >= 2 * kNormRows ? 2 * kNormRows : kNormRows;
}
static_assert(BaseRows(kTileB4Bytes) == kNormRows && BaseRows(kTileBBytes) == 2 * kNormRows);
/// A half in bfloat16, until it is bytes, fits where halves are kept.
static_assert(sizeof(GatedHalf::values) >= size_t{2} * kNormRows * kTileN);

}  // namespace tandem::npu
