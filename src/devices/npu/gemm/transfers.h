// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the shims of the products' designs do for one run, whatever lies where: the sequences of
// gemm_stream.h, gated_plan.h and cut_plan.h. Internal to gemm; pure functions.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "devices/npu/design/sequence.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/isa/tile.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {

/// Words of an argument that a transfer takes: planes of rows of `words` side by side.
struct Piece {
  int64_t word = 0;  ///< The first one's place.
  int64_t words = 0;
  int64_t rows = 1;
  int64_t row_stride = 0;
  int64_t planes = 1;
  int64_t plane_stride = 0;
  int64_t step = 0;  ///< How much further it lies each time that it is sent; 0: where it was.
};
/// Pieces one after the other, and all of them as often as that.
struct Pieces {
  std::vector<Piece> chain;  ///< At most kMostChain.
  int64_t times = 1;
};
inline constexpr size_t kMostChain = 3;

struct ShimTransfers {
  Device device;
  std::array<int64_t, 3> bytes{};  ///< Of A, B and C: kernel arguments 0 to 2.
  int64_t m_blocks = 0;
  /// What a core row gets for a block of rows: of all rows and blocks as many chains, as long.
  std::function<std::vector<Pieces>(int core_row, int64_t m_block)> a;
  std::function<Piece(int column)> b;  ///< Sent once for each block of rows.
  std::function<Piece(int column)> c;
};

Sequence SequenceOf(const ShimTransfers& transfers);

/// Where a block's tiles of A lie, for a core row, as the host packs them.
Piece PackedA(const GemmPlan& plan, int core_row, int64_t m_block);

// Rooms of sums that another run reads: [group][column][core row], 16 KB each.
/// Words from one column's to the next one's.
inline constexpr int64_t kGroupWords = kCoreRows * int64_t{kTileSumBytes} / 4;
/// From a core row's to the next one's.
inline constexpr int64_t kRoomWords = int64_t{kTileSumBytes} / 4;
/// A column's of all groups, from a word on.
Piece RoomsOf(const Device& device, int column, int64_t groups, int64_t word = 0);
/// The tiles of A in the first bytes of rooms, of a core row one after the other: `word` is the
/// first one's place.
Piece TilesInRooms(int64_t word, int64_t tiles);

}  // namespace tandem::npu
