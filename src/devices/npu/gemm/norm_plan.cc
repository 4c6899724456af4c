// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/norm_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/ceil_divide.h"
#include "core/error.h"
#include "devices/npu/gemm/rooms.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/kernels/gated_tile.h"

namespace tandem::npu {
namespace {

/// Tiles of rows, 64 columns each, that a tile of A comes of.
constexpr int64_t kHalves = 2;
static_assert(kHalves * kTileN == kTileKI8);

/// Of the norm's, that a column makes.
int64_t TilesOfColumn(const NormPlan& plan, int64_t column) {
  return std::max<int64_t>(0, CeilDivide(plan.tiles - column, plan.config().device.columns));
}

/// Tiles of B of a column: one for each of A, and base.
int64_t TilesOfB(const NormPlan& plan, int64_t column) {
  const auto of_a = static_cast<int64_t>(NormTiles(plan).size());
  // The first column also keeps the steps of inputs apart.
  const int64_t taken = TilesOfColumn(plan, column) + (column == 0 ? plan.rests() : 0);
  return plan.row_sums + of_a + taken * plan.bases;
}

}  // namespace

std::vector<Piece> SquaresInRooms(int core_row, int64_t first, int64_t count) {
  constexpr int64_t kOwn = offsetof(RowTile, own) / 4;
  constexpr int64_t kHeader = kActivationHeaderBytes / 4;
  constexpr int64_t kSquares = kSquareBytes / 4;
  std::vector<Piece> pieces;
  for (int64_t at = 0; at < count; at += kSquaresOfTile) {
    const int64_t of_tile = std::min<int64_t>(kSquaresOfTile, count - at);
    const int64_t room = (first + at) * kRoomGroupWords + core_row * kRoomWords;
    pieces.push_back({room + kOwn, kHeader});
    pieces.push_back({room + kOwn + kHeader, kSquares, of_tile, kRoomGroupWords, 1, 0});
    // In rows that a shim's BD can count.
    const int64_t rest = kSquaresOfTile - of_tile;
    if (rest > 0) pieces.push_back({room, kSquares, rest, kSquares, 1, 0});
  }
  return pieces;
}

void BringFactors(const NormPlan& norm, ShimTransfers& transfers) {
  transfers.a_front = [&norm](int row) {
    return SquaresInRooms(row, norm.rests(), norm.summed_tiles);
  };
  transfers.b_front = Piece{norm.XRoomBytes() / 4, norm.x_sums() * TileBBytes(norm.config()) / 4};
}

int64_t NormPlan::RoomBytes() const {
  const int64_t written = front_groups() + out.m_blocks * out.n_blocks * config().device.columns;
  // The last tile of A may be of tiles that there are not.
  const int64_t read = CeilDivide(tiles, pieces()) * pieces() * kHalves;
  return std::max(written, read) * kRoomGroupBytes;
}
int64_t NormPlan::OutBytes() const {
  const auto headers = static_cast<int64_t>(NormTiles(*this).size()) * kCoreRows;
  return RoomBytes() + headers * int64_t{kActivationHeaderBytes};
}
int64_t NormPlan::XRoomBytes() const {
  const int64_t columns = config().device.columns;
  const int64_t written = CeilDivide(tiles, columns) * columns;
  const int64_t read = RoomTiles{tiles, out.tile_rows, 0}.groups();
  return std::max(written, read) * kRoomGroupBytes;
}
RoomTiles NormPlan::x() const {
  return {tiles, out.tile_rows, (XRoomBytes() + x_sums() * TileBBytes(config())) / 4};
}
int64_t NormPlan::x_sums() const { return CeilDivide(summed_tiles, kSquaresOfTile); }

std::vector<size_t> NormPlan::OutEnds() const {
  const int64_t columns = config().device.columns;
  const int64_t groups = front_groups() + out.m_blocks * out.n_blocks * columns;
  return EndsOfRooms(groups * kRoomGroupBytes, columns);
}
std::vector<size_t> NormPlan::XEnds() const {
  const int64_t columns = config().device.columns;
  std::vector<size_t> ends;
  for (int64_t column = 0; column < columns; ++column) {
    const int64_t own = TilesOfColumn(*this, column);
    if (own == 0) continue;
    const int64_t groups = (own - 1) * columns + column + 1;
    ends.push_back(static_cast<size_t>(groups * kRoomGroupBytes - 4));
  }
  return ends;
}

int64_t NormTile::PieceOf(const NormPlan& plan, int64_t tile) const {
  return std::max(tile, plan.rests()) - first;
}

std::vector<NormTile> NormTiles(const NormPlan& plan) {
  std::vector<NormTile> tiles;
  const int64_t pieces = plan.pieces();
  // The first tile's rests have its own pieces: where a tile of A has but one, both are made of it.
  const bool both = plan.rests() > 0 && pieces == 1;
  const int64_t start = both ? 1 : 0;
  if (plan.rests() > 0) tiles.push_back({start, 0, 1, true});
  for (int64_t first = start; first < plan.tiles; first += pieces) {
    tiles.push_back(
        {first, first == start ? 0 : first, std::min(first + pieces, plan.tiles), false});
  }
  return tiles;
}

bool FitsNorm(const NormShape& shape) {
  // The next product's sums have three tiles at least (StepsOf in gated_plan.cc).
  return shape.m >= 1 && shape.m <= kMostNormRows && shape.k >= 1 && shape.k <= kMostNormInputs &&
         shape.n <= kMostNormInputs && ScaledTiles(shape.n) >= kScaleParts;
}

NormPlan PlanNorm(const GemmConfig& config, const NormShape& shape) {
  if (!ScalesRows(config)) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("a norm behind products in {} with results in {}: integers, with float "
                            "sums",
                            GemmTypeName(config.type), GemmOutputName(config.output)));
  }
  NormShape one = shape;
  one.m = 1;
  if (!FitsNorm(one)) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a product of {} inputs and a norm over {} results: {} at most, and "
                            "more than {} results",
                            shape.k, shape.n, kMostNormInputs, (kScaleParts - 1) * kTileKI8));
  }
  NormPlan plan;
  plan.shape = shape;
  plan.summed_tiles = ScaledTiles(shape.n);
  plan.tiles = plan.summed_tiles + (shape.apart ? 1 : 0);
  // The columns' scales come with a sum's first tiles.
  const int64_t steps = std::max<int64_t>(kScaleParts, ScaledTiles(shape.k));
  plan.out = PlanGemm(config, {shape.m, steps * kTileKI8, plan.summed_tiles * kTileKI8});
  plan.row_sums = CeilDivide(kHalves * plan.summed_tiles, kSquaresOfTile);
  plan.piece_rows = std::min<int64_t>(kNormRows, PieceRows(plan.out.tile_rows));
  // All core rows' pieces of both halves, each half in tiles of its own.
  const auto tile_bytes = static_cast<size_t>(TileBBytes(config));
  plan.bases = kHalves * CeilDivide(kCoreRows * plan.piece_rows, BaseRows(tile_bytes));
  const int64_t columns = config.device.columns;
  for (int64_t column = 0; column < columns; ++column) {
    plan.column_b_bytes =
        std::max(plan.column_b_bytes, TilesOfB(plan, column) * TileBBytes(config));
  }
  plan.b_bytes = columns * plan.column_b_bytes;
  plan.x_bytes = plan.x().header_word * 4 + plan.x().HeaderBytes();
  return plan;
}

Sequence OutSequence(const NormPlan& plan) {
  const GemmPlan& out = plan.out;
  const int64_t columns = plan.config().device.columns;
  ShimTransfers transfers;
  transfers.device = plan.config().device;
  transfers.bytes = {out.a_bytes, out.b_bytes, plan.OutBytes()};
  transfers.m_blocks = out.m_blocks;
  transfers.a_runs = out.n_blocks;
  transfers.a = [&out](int row, int64_t block) { return PackedA(out, row, block); };
  transfers.b = [words = out.b_bytes / columns / 4](int column) {
    return Piece{column * words, words};
  };
  transfers.c = [&](int column) {
    Piece rooms = RoomsOfColumn(column, columns, out.m_blocks * out.n_blocks);
    rooms.word += plan.front_groups() * kRoomGroupWords;
    return rooms;
  };
  return SequenceOf(transfers);
}

Sequence NormSequence(const NormPlan& plan) {
  const int64_t columns = plan.config().device.columns;
  ShimTransfers transfers;
  transfers.device = plan.config().device;
  transfers.bytes = {plan.OutBytes(), plan.b_bytes, plan.x_bytes};
  transfers.m_blocks = 1;
  transfers.a_front = [&](int row) {
    return SquaresInRooms(row, plan.front_groups(), kHalves * plan.summed_tiles);
  };
  // A header, and pieces of the tiles of rows.
  transfers.chains = [&](int row, int64_t /*block*/) {
    constexpr int64_t kHeader = kActivationHeaderBytes / 4;
    constexpr int64_t kParts = 2;  // In rows that a shim's BD can count.
    const std::vector<NormTile> tiles = NormTiles(plan);
    const int64_t words = plan.piece_rows * kTileN / 2;
    const int64_t part = words / kParts;
    const int64_t step = kHalves * plan.pieces() * kRoomGroupWords;
    const auto chain_from = [&](size_t at) {
      const int64_t room = kHalves * tiles[at].first * kRoomGroupWords + row * kRoomWords + kHeader;
      const int64_t header =
          plan.RoomBytes() / 4 + (static_cast<int64_t>(at) * kCoreRows + row) * kHeader;
      return std::vector<Piece>{
          {header, kHeader, 1, 0, 1, 0, kCoreRows * kHeader},
          {room, part, kParts, part, kHalves * plan.pieces(), kRoomGroupWords, step}};
    };
    std::vector<Pieces> sends;
    size_t at = 0;
    if (tiles.front().keeps_steps) sends.push_back({chain_from(at++), 1});
    sends.push_back({chain_from(at), static_cast<int64_t>(tiles.size() - at)});
    return sends;
  };
  const int64_t tile_words = TileBBytes(plan.config()) / 4;
  transfers.b = [&](int column) {
    return Piece{column * plan.column_b_bytes / 4, TilesOfB(plan, column) * tile_words};
  };
  transfers.c = [&](int column) {
    const int64_t tiles = TilesOfColumn(plan, column);
    return tiles == 0 ? Piece{} : RoomsOfColumn(column, columns, tiles);
  };
  return SequenceOf(transfers);
}

}  // namespace tandem::npu
