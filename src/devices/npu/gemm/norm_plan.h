// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What precedes an MLP, as two runs in front of its own (gated_plan.h) in one list: a product o,
// and y = base + RMSNorm(o), of which RMSNorm(y) is the next product's A but for the rows' factors
// 1 / sqrt(mean(y^2) + epsilon), which its results get (row_tile.h). On the designs whose rows have
// powers of two. Pure functions; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "devices/npu/design/sequence.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/gemm/rooms.h"
#include "devices/npu/kernels/row_tile.h"

namespace tandem::npu {

/// What is computed.
struct NormShape {
  int64_t m = 0;
  int64_t k = 0;  ///< Of the product.
  int64_t n = 0;  ///< Its results, which the norms are over.
  /// Whether the next product has inputs apart (scaled_rows.h): results are in their order then, a
  /// tile of those first.
  bool apart = false;
};

/// Runs and buffers. The first run's:
///   A, B as GemmPlan's
///   C [m block][round of columns][column][core row]: a room, with a RowTile; in front of them two
///     groups of rooms that nobody writes where inputs are apart, whose first tile the next product
///     has twice: so a tile of it is always as many groups from the start; and behind them, for
///     the norm, the headers of its tiles of A, the host's
/// The norm's, of at most 128 rows:
///   A that C
///   B [column]: sums' headers; and for each tile of A a NormColumns, and base where it takes one
///   C [round of columns][column][core row]: a room, with a NormedTile, the rests of inputs apart
///     first; behind all of them the tile of B that the next product takes its rows' factors by,
///     and its A's headers (rooms.h)
struct NormPlan {
  NormShape shape;
  GemmPlan out;
  int64_t tiles = 0;         ///< Of A that the next product has.
  int64_t summed_tiles = 0;  ///< Of them without the rests: those of results.
  int64_t row_sums = 0;      ///< Tiles of A that bring the squares of the first run's results.
  int64_t piece_rows = 0;    ///< Rows of pieces in the norm's tiles of A: 8, 16 or 32.
  int64_t bases = 0;         ///< Tiles of B that bring a tile's base.
  int64_t column_b_bytes = 0;
  int64_t b_bytes = 0;
  int64_t x_bytes = 0;

  const GemmConfig& config() const { return out.config; }
  /// Tiles that a tile of A of the norm's has pieces of.
  int64_t pieces() const { return kTileM / piece_rows / 2; }
  /// Rests, which are no results.
  int64_t rests() const { return tiles - summed_tiles; }
  /// Of the first run's C: groups in front of results; bytes of all rooms, and with the headers.
  int64_t front_groups() const { return 2 * rests(); }
  int64_t RoomBytes() const;
  int64_t OutBytes() const;
  /// Of the norm's C without its tail, and tiles of A that bring its squares.
  int64_t XRoomBytes() const;
  int64_t x_sums() const;
  RoomTiles x() const;  ///< The next product's A.
  /// The last word of what each column writes, of both runs' C; columns that write nothing have
  /// none.
  std::vector<size_t> OutEnds() const;
  std::vector<size_t> XEnds() const;
};

/// A tile of the norm's A: pieces of `pieces` tiles from `first` on, of which columns take those of
/// [begin, end).
struct NormTile {
  int64_t first = 0;
  int64_t begin = 0;
  int64_t end = 0;
  bool keeps_steps = false;  ///< Of inputs apart; nothing leaves.

  /// Which of the pieces tile `tile` is: rests are of the tile behind them.
  int64_t PieceOf(const NormPlan& plan, int64_t tile) const;
};
/// In their order: inputs apart, then `pieces` tiles each, of which the last one may lack some.
std::vector<NormTile> NormTiles(const NormPlan& plan);

/// Rows that a norm takes.
inline constexpr int64_t kMostNormRows = kNormRows * kCoreRows;
/// Sums and results that a list has at most, in whole tiles.
inline constexpr int64_t kMostNormInputs = (kMostGemmSum / kTileKI8 - 2) * kTileKI8;
/// Whether there is a list of that: of more rows there is the product alone.
bool FitsNorm(const NormShape& shape);

/// Throws Error: kUnsupported where the configuration does not, kInvalidArgument as PlanGemm.
NormPlan PlanNorm(const GemmConfig& config, const NormShape& shape);

/// The product's stream.
Sequence OutSequence(const NormPlan& plan);
/// The norm's. REQUIRES: at most kMostNormRows.
Sequence NormSequence(const NormPlan& plan);

}  // namespace tandem::npu
