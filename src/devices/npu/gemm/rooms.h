// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where results lie that another run of a list goes on with: each in the first bytes of a room of
// sums, the rooms of a column's four cores side by side, a group, and the groups of the columns one
// after the other. Of the plans of lists: the shapes of their runs and what they send.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
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

/// Steps of K in rooms, one in each group from the first one on. A tile of A is one of them where
/// it lies; or, where few of its rows are in use, pieces of several: a header that the host has
/// made, exponents and values out of as many rooms; behind the last ones whatever lies there.
struct RoomTiles {
  int64_t count = 0;
  int64_t rows = 0;         ///< In use.
  int64_t header_word = 0;  ///< Where the headers are, [tile][core row].

  int64_t steps() const { return kTileM / PieceRows(rows); }
  int64_t tiles() const { return (count + steps() - 1) / steps(); }
  /// Groups that are read, and bytes of headers.
  int64_t groups() const { return tiles() * steps(); }
  int64_t HeaderBytes() const;
};
/// Tiles of A of a core row, all `runs` times.
Pieces SendRooms(const RoomTiles& tiles, int core_row, int64_t runs);
/// The same once, for a chain with others; nothing where a chain is too short for that.
std::vector<Piece> ChainOfRooms(const RoomTiles& tiles, int core_row);
/// Into the argument that has the rooms. `has_factors`: ActivationTileHeader's.
void PackRoomHeaders(const RoomTiles& tiles, bool has_factors, std::span<std::byte> argument);

/// The last words of the last groups of `columns` columns that a run wrote, in rooms of `bytes`.
std::vector<size_t> EndsOfRooms(int64_t bytes, int64_t columns);

/// Tiles of A of the rows' squares of so many groups (row_tile.h), kSquaresOfTile each: a header,
/// the squares, and whatever fills the tile.
std::vector<Piece> SquaresInRooms(int core_row, int64_t first, int64_t count);

/// What the rows' factors are made of, in front of all of the A of a product over what a norm
/// makes.
struct NormPlan;
void BringFactors(const NormPlan& norm, ShimTransfers& transfers);

}  // namespace tandem::npu
