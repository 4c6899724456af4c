// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where results lie that another run of a list goes on with: each in the first bytes of a room of
// sums, the rooms of a column's four cores side by side, a group, and the groups of the columns one
// after the other. Internal to gemm.
#pragma once

#include <cstdint>
#include <vector>

#include "devices/npu/design/design_builder.h"
#include "devices/npu/gemm/transfers.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {

inline constexpr int64_t kRoomWords = kTileSumBytes / 4;
inline constexpr int64_t kRoomGroupWords = kCoreRows * kRoomWords;
inline constexpr int64_t kRoomGroupBytes = 4 * kRoomGroupWords;

/// `count` groups of a column as it writes them, from `first` on, one for each round of columns.
inline Piece RoomsOfColumn(int column, int64_t columns, int64_t count) {
  // In rows that a shim's BD can count.
  constexpr int64_t kParts = 32;
  constexpr int64_t kWords = kRoomGroupWords / kParts;
  return {column * kRoomGroupWords, kWords, kParts, kWords, count, columns * kRoomGroupWords};
}

/// Tiles of A in the rooms of a core row: of `count` groups from `first` on.
inline Piece TilesInRooms(int core_row, int64_t first, int64_t count) {
  constexpr int64_t kParts = 4;
  constexpr int64_t kWords = kTileABytes / 4 / kParts;
  static_assert(kTileABytes % (4 * kParts) == 0 && kWords < 1024);
  return {first * kRoomGroupWords + core_row * kRoomWords,
          kWords,
          kParts,
          kWords,
          count,
          kRoomGroupWords};
}

/// A tile of A of the rows' squares of so many groups (row_tile.h): a header, the squares, and
/// whatever fills the tile.
std::vector<Piece> SquaresInRooms(int core_row, int64_t first, int64_t count);

/// What a norm makes as the A of a product over it: a core row's tiles; and in front of all what
/// the rows' factors are made of.
struct NormPlan;
Piece NormedA(const NormPlan& norm, int core_row);
void BringFactors(const NormPlan& norm, ShimTransfers& transfers);

}  // namespace tandem::npu
