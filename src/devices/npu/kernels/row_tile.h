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
inline constexpr uint32_t kIsFirstHalf = 1U << 20;   ///< Rows for a norm: the first 64 columns
inline constexpr uint32_t kIsSecondHalf = 1U << 21;  ///< of a tile of A, and the others.
inline constexpr uint32_t kIsApart = 1U << 22;       ///< Beside the second: inputs apart, below.
/// A tile of rows: which column of the array takes it.
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
/// e) for rows of either half of their tile, in bfloat16; zeros before there are any.
struct RowFactors {
  float squares[kTileM];
  union {
    float sums[kTileM];
    uint16_t steps[2][kTileM];
  };
};
static_assert(sizeof(RowFactors) <= kAttentionWeightBytes);

/// Rows of a core's tile that a norm takes at most: what the tile of B beside has room for.
inline constexpr int kNormRows = 32;
/// The tile of B for a half of a tile of A, of one core: y = base + rows x factor x post, and
/// y x pre leaves, in bytes. In bfloat16.
///
/// Inputs apart (scaled_rows.h) have a tile of A for themselves, which every column of the array
/// makes first. In their own places what its bytes leave over of them is left.
struct NormTile {
  /// Of each column: whether it is apart, in the first half of their tile or in the second. In the
  /// place of WeightTileHeader.
  int8_t apart[kTileN];
  uint16_t base[kNormRows * kTileN];  ///< In the order of sums.
  uint16_t post[kTileN];
  uint16_t pre[kTileN];
};
inline constexpr int8_t kApartInFirst = 127;
inline constexpr int8_t kApartInSecond = -127;
static_assert(sizeof(NormTile::apart) == kTileHeaderBytes);
static_assert(sizeof(NormTile) <= kTileB4Bytes && sizeof(NormTile) <= kTileBBytes);

}  // namespace tandem::npu
