// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a core multiplies at a time: sizes and layouts of tiles that kernels, designs and those who
// pack matrices agree on. Also included by AIE compilers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tandem::npu {

/// A tile of weights begins with this, since it alone knows where in K it stands.
struct WeightTileHeader {
  uint32_t flags = 0;
  int32_t shift = 0;  ///< Of narrow results: their sums are divided by 2^shift.
  /// Of gated products (gated_tile.h): scales of 24 of the columns, bfloat16, and which.
  uint32_t scale_part = 0;
  uint32_t leaves = 0;  ///< Of sums that leave for another run: what as (row_tile.h).
  uint16_t scales[24] = {};
};
inline constexpr int kScalesOfPart = 24;
inline constexpr size_t kTileHeaderBytes = 64;
static_assert(sizeof(WeightTileHeader) == kTileHeaderBytes);
inline constexpr uint32_t kFirstOfSum = 1;  ///< Sums start from zero.
inline constexpr uint32_t kLastOfSum = 2;   ///< And are complete.

/// Blocks [R,S] x [S,T] that one call of mmul multiplies. A tile of A is [m/R][k/S] such blocks, of
/// B [n/T][k/S], of C [m/R][n/T]; blocks are row-major inside.
struct MicroShape {
  int r, s, t;
};
inline constexpr MicroShape kMicroI8Npu1 = {4, 8, 8};
inline constexpr MicroShape kMicroI8Npu2 = {8, 8, 8};
inline constexpr MicroShape kMicroBf16 = {4, 8, 4};
/// Rows that a kernel takes at a time: two blocks.
constexpr int RowGranule(const MicroShape& micro) { return 2 * micro.r; }

/// Tiles of the design. i4 multiplies as i8 does.
inline constexpr int kTileM = 64;
inline constexpr int kTileN = 64;
inline constexpr int kTileKI8 = 128;
inline constexpr int kTileKBf16 = 64;

/// A tile of activations begins with this: a short prompt fills few of its rows, and brings the
/// same rows of several steps of K in one tile, in pieces one behind the other.
struct ActivationTileHeader {
  uint32_t rows = 0;  ///< In use, a multiple of RowGranule(); or what the tile is (row_tile.h).
  uint32_t rows_of_others = 0;  ///< In use where the tile is no product's.
  uint32_t has_factors = 0;     ///< Whether its rows lack the factors that the core has of them.
  uint32_t steps = 1;           ///< Of K, of a product.
  uint32_t piece_rows = 0;      ///< Rows of a step's piece, where there are several.
  // Of rows for a norm (row_tile.h).
  uint32_t bases = 0;
  uint32_t core_row = 0;
  uint32_t reserved[9] = {};
  /// Of integers that are summed in float: each is that many powers of two (kLeastExponent to
  /// kMostExponent), the same for all of a row in a step of K: [steps][piece_rows].
  int8_t exponents[kTileM] = {};
};
inline constexpr size_t kActivationHeaderBytes = 128;
static_assert(sizeof(ActivationTileHeader) == kActivationHeaderBytes);

/// Of which of a core's two tiles of B it is the turn, and what that says.
struct TileTurn {
  uint32_t flags = 0;   ///< WeightTileHeader's.
  uint32_t second = 1;  ///< The tile at hand is the second one. So the first is next.
  uint32_t step = 0;    ///< Of the tile of A at hand.
  uint32_t reserved[13] = {};
};

/// Rows of pieces of tiles of which so many are in use: with them several fit a tile.
constexpr int PieceRows(int64_t rows) {
  return rows <= 8 ? 8 : rows <= 16 ? 16 : rows <= 32 ? 32 : kTileM;
}

/// A tile's sum is below 127 x 127 x 128 < 2^21, so that no float comes near its ends: neither a
/// tile's sum, nor 1.5 x 2^(23 + exponent) that it is made with, nor all of K.
inline constexpr int kLeastExponent = -100;
inline constexpr int kMostExponent = 80;

/// 4-bit weights: blocks of 32 along K share a ratio of 0 to 127 to the column's scale. A tile is
/// header, nibbles in the order of i8 (the low half of a byte first), ratios [n/8][k/32][8].
inline constexpr int kI4Block = 32;
/// The weight in 8 bits is nibble x ratio / 2^3.
inline constexpr int kI4Shift = 3;
inline constexpr size_t kI4RatioBytes = size_t{kTileKI8} / kI4Block * kTileN;

inline constexpr size_t kTileABytes = kActivationHeaderBytes + size_t{kTileM} * kTileKI8;
static_assert(kTileKI8 == 2 * kTileKBf16);  // as many bytes in bf16
inline constexpr size_t kTileBBytes = kTileHeaderBytes + size_t{kTileKI8} * kTileN;
inline constexpr size_t kTileB4Bytes =
    kTileHeaderBytes + size_t{kTileKI8} * kTileN / 2 + kI4RatioBytes;
inline constexpr size_t kTileSumBytes = size_t{kTileM} * kTileN * 4;

}  // namespace tandem::npu
