// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/norm_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/gemm/rooms.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/kernels/gated_tile.h"

namespace tandem::npu {
namespace {

int64_t CeilDivide(int64_t value, int64_t by) { return (value + by - 1) / by; }

/// Columns of a half, which a tile of rows has.
constexpr int64_t kHalf = kTileN;
constexpr int64_t kHalves = 2;
static_assert(kHalves * kHalf == kTileKI8);

int RowsOfBlock(const GemmConfig& config) {
  return config.device.generation == Generation::kNpu1 ? kMicroI8Npu1.r : kMicroI8Npu2.r;
}
/// Place of (row, column) in a tile of rows whose blocks have r.
size_t PlaceInRows(int64_t row, int64_t column, int r) {
  constexpr int64_t kBlock = 8;
  return static_cast<size_t>(
      ((row / r * (kHalf / kBlock) + column / kBlock) * r + row % r) * kBlock + column % kBlock);
}

/// Groups of rooms that the product writes for a block of rows: rounds of columns.
int64_t OutRounds(const NormPlan& plan, bool apart) {
  const int64_t columns = plan.config().device.columns;
  return apart ? plan.out.n_blocks : CeilDivide(CeilDivide(plan.shape.n, kHalf), columns);
}

/// Tiles of A that a column makes: that of inputs apart, which all do, and its own.
int64_t TilesOfColumn(const NormPlan& plan, int64_t column) {
  const int64_t own =
      std::max<int64_t>(0, CeilDivide(plan.summed_tiles - column, plan.config().device.columns));
  return own + (plan.shape.apart ? 1 : 0);
}

/// What a column tile of the first product leaves as.
uint32_t KindOf(const NormPlan& plan, int64_t half) {
  const int64_t columns = plan.config().device.columns;
  const int64_t tile = half / kHalves;
  const uint32_t kind = half % kHalves == 0 ? kIsFirstHalf : kIsSecondHalf;
  if (tile < plan.summed_tiles) return kind | IsForColumn(tile % columns);
  uint32_t all = kind | kIsApart;
  for (int64_t column = 0; column < columns; ++column) all |= IsForColumn(column);
  return all;
}

/// The header of one of `count` tiles of sums of `tiles` row tiles.
RowSumHeader HeaderOfSums(int64_t at, int64_t count, int64_t tiles, int64_t n, float epsilon) {
  RowSumHeader header;
  header.flags = (at == 0 ? kFirstRowSums : 0) | (at + 1 == count ? kLastRowSums : 0);
  header.tiles =
      static_cast<uint32_t>(std::min<int64_t>(kSquaresOfTile, tiles - at * kSquaresOfTile));
  header.share = 1 / static_cast<float>(n);
  header.addend = epsilon;
  return header;
}

/// Fills a norm's tiles of B.
class NormPacker {
 public:
  NormPacker(const NormPlan& plan, const NormWeights& weights, std::span<const float> base)
      : plan_(plan),
        weights_(weights),
        base_(base),
        r_(RowsOfBlock(plan.config())),
        source_(static_cast<size_t>(plan.tiles * kTileKI8), -1),
        marks_(static_cast<size_t>(plan.shape.n)) {
    for (int64_t i = 0; i < plan.shape.n; ++i) source_[static_cast<size_t>(i)] = i;
    for (size_t i = 0; i < weights.apart.size(); ++i) {
      source_[static_cast<size_t>(plan.ApartColumn()) + i] = weights.apart[i];
      marks_[static_cast<size_t>(weights.apart[i])] = i < kHalf ? kApartInFirst : kApartInSecond;
    }
  }

  /// Of a half of a tile, those apart behind all others.
  void Pack(int64_t t, int64_t half, int64_t core_row, NormTile& tile) const {
    const int64_t left = t * kTileKI8 + half * kHalf;
    const int64_t top = core_row * plan_.out.tile_rows;
    const int64_t rows = std::clamp<int64_t>(plan_.shape.m - top, 0, plan_.out.tile_rows);
    for (int64_t i = 0; i < kHalf; ++i) {
      const int64_t from = source_[static_cast<size_t>(left + i)];
      if (from < 0) continue;
      const auto place = static_cast<size_t>(from);
      tile.post[i] = FloatToBf16(weights_.post[place]);
      tile.pre[i] = FloatToBf16(weights_.pre[place]);
      if (t < plan_.summed_tiles) tile.apart[i] = marks_[place];
      const float* const column = base_.data() + top * plan_.shape.n + from;
      for (int64_t row = 0; row < rows; ++row) {
        tile.base[PlaceInRows(row, i, r_)] = FloatToBf16(column[row * plan_.shape.n]);
      }
    }
  }

 private:
  const NormPlan& plan_;
  const NormWeights& weights_;
  std::span<const float> base_;
  int r_;
  std::vector<int64_t> source_;  ///< Which of n each place of the tiles is; -1: none.
  std::vector<int8_t> marks_;    ///< Of n, as NormTile has them.
};

}  // namespace

std::vector<Piece> SquaresInRooms(int core_row, int64_t first, int64_t count) {
  constexpr int64_t kOwn = offsetof(RowTile, own) / 4;
  constexpr int64_t kHeader = kActivationHeaderBytes / 4;
  constexpr int64_t kSquares = kSquareBytes / 4;
  const int64_t room = first * kRoomGroupWords + core_row * kRoomWords;
  std::vector<Piece> pieces = {
      {room + kOwn, kHeader},
      {room + kOwn + kHeader, kSquares, count, kRoomGroupWords, 1, 0},
  };
  // In rows that a shim's BD can count.
  const int64_t rest = kSquaresOfTile - count;
  if (rest > 0) pieces.push_back({room, kSquares, rest, kSquares, 1, 0});
  return pieces;
}

int64_t NormPlan::OutBytes(bool apart) const {
  return out.m_blocks * OutRounds(*this, apart) * config().device.columns * kRoomGroupBytes;
}

int64_t NormPlan::XRoomBytes() const { return rounds * config().device.columns * kRoomGroupBytes; }
std::vector<size_t> NormPlan::OutEnds(bool apart) const {
  std::vector<size_t> ends;
  for (int64_t column = 0; column < config().device.columns; ++column) {
    ends.push_back(static_cast<size_t>(OutBytes(apart) - column * kRoomGroupBytes - 4));
  }
  return ends;
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
int64_t NormPlan::x_sums() const { return CeilDivide(summed_tiles, kSquaresOfTile); }

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
  plan.out = PlanGemm(config, {shape.m, steps * kTileKI8, plan.tiles * kTileKI8});
  plan.row_sums = CeilDivide(kHalves * plan.summed_tiles, kSquaresOfTile);
  const int64_t columns = config.device.columns;
  plan.rounds = CeilDivide(plan.summed_tiles, columns) + (shape.apart ? 1 : 0);
  plan.column_b_bytes = (plan.row_sums + plan.rounds * kHalves * kCoreRows) * TileBBytes(config);
  plan.b_bytes = columns * plan.column_b_bytes;
  plan.x_bytes = plan.XRoomBytes() + plan.x_sums() * TileBBytes(config);
  return plan;
}

Piece NormedA(const NormPlan& norm, int core_row) {
  return TilesInRooms(core_row, norm.FirstGroup(), norm.tiles);
}

void BringFactors(const NormPlan& norm, ShimTransfers& transfers) {
  transfers.a_front = [&norm](int row) {
    std::vector<Piece> pieces;
    for (int64_t first = 0; first < norm.summed_tiles; first += kSquaresOfTile) {
      const std::vector<Piece> sums =
          SquaresInRooms(row, norm.FirstSummedGroup() + first,
                         std::min<int64_t>(kSquaresOfTile, norm.summed_tiles - first));
      pieces.insert(pieces.end(), sums.begin(), sums.end());
    }
    return pieces;
  };
  transfers.b_front = Piece{norm.XRoomBytes() / 4, norm.x_sums() * TileBBytes(norm.config()) / 4};
}

Sequence OutSequence(const NormPlan& plan, bool apart) {
  const GemmPlan& out = plan.out;
  const int64_t columns = plan.config().device.columns;
  const int64_t rounds = OutRounds(plan, apart);
  const int64_t tile_words = TileBBytes(plan.config()) / 4;
  ShimTransfers transfers;
  transfers.device = plan.config().device;
  transfers.bytes = {out.a_bytes, out.b_bytes, plan.OutBytes(apart)};
  transfers.m_blocks = out.m_blocks;
  transfers.a_runs = rounds;
  transfers.a = [&out](int row, int64_t block) { return PackedA(out, row, block); };
  transfers.b = [&](int column) {
    return Piece{column * out.n_blocks * out.k_steps * tile_words,
                 rounds * out.k_steps * tile_words};
  };
  transfers.c = [&](int column) { return RoomsOfColumn(column, columns, out.m_blocks * rounds); };
  return SequenceOf(transfers);
}

Sequence NormSequence(const NormPlan& plan) {
  const int64_t columns = plan.config().device.columns;
  ShimTransfers transfers;
  transfers.device = plan.config().device;
  transfers.bytes = {plan.OutBytes(true), plan.b_bytes, plan.x_bytes};
  transfers.m_blocks = 1;
  transfers.a_front = [&](int row) {
    std::vector<Piece> pieces;
    for (int64_t at = 0; at < plan.row_sums; ++at) {
      const int64_t first = at * kSquaresOfTile;
      const int64_t count = std::min<int64_t>(kSquaresOfTile, kHalves * plan.summed_tiles - first);
      const std::vector<Piece> sums = SquaresInRooms(row, first, count);
      pieces.insert(pieces.end(), sums.begin(), sums.end());
    }
    const int64_t summed = kHalves * plan.summed_tiles;
    if (plan.shape.apart) pieces.push_back(TilesInRooms(row, summed, kHalves));
    pieces.push_back(TilesInRooms(row, 0, summed));
    return pieces;
  };
  const int64_t tile_words = TileBBytes(plan.config()) / 4;
  transfers.b = [&](int column) {
    const int64_t tiles = plan.row_sums + TilesOfColumn(plan, column) * kHalves * kCoreRows;
    return Piece{column * plan.column_b_bytes / 4, tiles * tile_words};
  };
  transfers.c = [&](int column) {
    const int64_t tiles = TilesOfColumn(plan, column);
    return tiles == 0 ? Piece{} : RoomsOfColumn(column, columns, tiles);
  };
  return SequenceOf(transfers);
}

OutPacker::OutPacker(const NormPlan& plan, std::span<std::byte> out)
    : ColumnPacker(plan.out, 0, out) {
  const GemmConfig& config = plan.config();
  const int64_t columns = config.device.columns;
  std::byte* tile = out.data();
  for (int64_t column = 0; column < columns; ++column) {
    for (int64_t round = 0; round < plan.out.n_blocks; ++round) {
      const int64_t half = round * columns + column;
      for (int64_t step = 0; step < plan.out.k_steps; ++step) {
        WeightTileHeader header;
        if (step == 0) header.flags |= kFirstOfSum;
        if (step < kScaleParts) {
          header.flags |= kBringsScales;
          header.scale_part = static_cast<uint32_t>(step);
        }
        if (step + 1 == plan.out.k_steps) {
          header.flags |= kHoldsGate | kLeavesRows | kLastOfSum;
          header.leaves = KindOf(plan, half);
        }
        std::memcpy(tile, &header, sizeof header);
        tile += TileBBytes(config);
      }
    }
  }
}

void UnpackOut(const NormPlan& plan, std::span<const std::byte> rooms, bool apart,
               std::span<float> results) {
  const int64_t n = plan.shape.n;
  if (rooms.size() != static_cast<size_t>(plan.OutBytes(apart)) ||
      results.size() != static_cast<size_t>(plan.shape.m * n)) {
    throw Error(ErrorKind::kInternal, "norm: wrong size of the product's results");
  }
  const int64_t columns = plan.config().device.columns;
  const int64_t rounds = OutRounds(plan, apart);
  const int r = RowsOfBlock(plan.config());
  constexpr int64_t kRun = 8;
  for (int64_t row = 0; row < plan.shape.m; ++row) {
    const int64_t tile = row / plan.out.tile_rows;
    const int64_t block = tile / kCoreRows;
    float* const to = results.data() + row * n;
    for (int64_t left = 0; left < n; left += kRun) {
      const int64_t half = left / kHalf;
      const std::byte* const room = rooms.data() +
                                    (block * rounds * columns + half) * kRoomGroupBytes +
                                    tile % kCoreRows * 4 * kRoomWords;
      const auto* const values =
          reinterpret_cast<const uint16_t*>(room + offsetof(RowTile, values)) +
          PlaceInRows(row % plan.out.tile_rows, left % kHalf, r);
      const int64_t count = std::min(kRun, n - left);
      for (int64_t i = 0; i < count; ++i) to[left + i] = Bf16ToFloat(values[i]);
    }
  }
}

void PackNorm(const NormPlan& plan, const NormWeights& weights, std::span<const float> base,
              std::span<std::byte> b) {
  const int64_t n = plan.shape.n;
  const auto width = static_cast<size_t>(n);
  if (b.size() != static_cast<size_t>(plan.b_bytes) || plan.shape.m > kMostNormRows ||
      base.size() != static_cast<size_t>(plan.shape.m) * width || weights.post.size() != width ||
      weights.pre.size() != width ||
      weights.apart.size() > (plan.shape.apart ? size_t{kTileKI8} : 0)) {
    throw Error(ErrorKind::kInternal, "norm: wrong sizes");
  }
  std::fill(b.begin(), b.end(), std::byte{});
  const int64_t columns = plan.config().device.columns;
  const int64_t tile_bytes = TileBBytes(plan.config());
  const NormPacker packer(plan, weights, base);
  for (int64_t column = 0; column < columns; ++column) {
    std::byte* tile = b.data() + column * plan.column_b_bytes;
    for (int64_t at = 0; at < plan.row_sums; ++at, tile += tile_bytes) {
      const RowSumHeader header =
          HeaderOfSums(at, plan.row_sums, kHalves * plan.summed_tiles, n, weights.post_epsilon);
      std::memcpy(tile, &header, sizeof header);
    }
    const auto pack = [&](int64_t t, bool apart) {
      for (int64_t half = 0; half < kHalves; ++half) {
        for (int64_t core_row = 0; core_row < kCoreRows; ++core_row, tile += tile_bytes) {
          packer.Pack(apart ? plan.summed_tiles : t, half, core_row,
                      *reinterpret_cast<NormTile*>(tile));
        }
      }
    };
    if (plan.shape.apart) pack(0, true);
    for (int64_t t = column; t < plan.summed_tiles; t += columns) pack(t, false);
  }
}

void PackNormTail(const NormPlan& plan, const NormWeights& weights, std::span<std::byte> x) {
  if (x.size() != static_cast<size_t>(plan.x_bytes)) {
    throw Error(ErrorKind::kInternal, "norm: wrong size of its results");
  }
  std::byte* tile = x.data() + plan.XRoomBytes();
  for (int64_t at = 0; at < plan.x_sums(); ++at, tile += TileBBytes(plan.config())) {
    const RowSumHeader header =
        HeaderOfSums(at, plan.x_sums(), plan.summed_tiles, plan.shape.n, weights.pre_epsilon);
    std::memcpy(tile, &header, sizeof header);
  }
}

}  // namespace tandem::npu
