// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/norm_pack.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/gemm/rooms.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/gemm/weight_flags.h"
#include "devices/npu/kernels/gated_tile.h"

namespace tandem::npu {
namespace {

int RowsOfBlock(const GemmConfig& config) {
  return config.device.generation == Generation::kNpu1 ? kMicroI8Npu1.r : kMicroI8Npu2.r;
}
/// Place of (row, column) in a tile of rows whose blocks have r.
size_t PlaceInRows(int64_t row, int64_t column, int r) {
  constexpr int64_t kBlock = 8;
  return static_cast<size_t>(
      ((row / r * (kTileN / kBlock) + column / kBlock) * r + row % r) * kBlock + column % kBlock);
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

/// Fills a norm's B.
class NormPacker {
 public:
  NormPacker(const NormPlan& plan, const NormWeights& weights, std::span<const float> base)
      : plan_(plan),
        weights_(weights),
        base_(base),
        r_(RowsOfBlock(plan.config())),
        tile_bytes_(TileBBytes(plan.config())) {}

  void PackColumn(int64_t column, std::byte* tile) const {
    const int64_t columns = plan_.config().device.columns;
    for (int64_t at = 0; at < plan_.row_sums; ++at, tile += tile_bytes_) {
      const RowSumHeader header = HeaderOfSums(at, plan_.row_sums, 2 * plan_.summed_tiles,
                                               plan_.shape.n, weights_.post_epsilon);
      std::memcpy(tile, &header, sizeof header);
    }
    for (const NormTile& of_a : NormTiles(plan_)) {
      std::byte* const first = std::exchange(tile, tile + tile_bytes_);
      // At most one, since there are as many columns as pieces at least.
      const int64_t own = of_a.begin + (column - of_a.begin % columns + columns) % columns;
      if (own >= of_a.end) continue;
      auto& columns_of = *reinterpret_cast<NormColumns*>(first);
      columns_of.tile = static_cast<uint32_t>(of_a.PieceOf(plan_, own));
      columns_of.rest = own < plan_.rests() && !of_a.keeps_steps ? 1 : 0;
      PackTile(std::max<int64_t>(0, own - plan_.rests()), columns_of, tile);
      tile += plan_.bases * tile_bytes_;
    }
  }

 private:
  /// Of tile `t` of results.
  void PackTile(int64_t t, NormColumns& columns, std::byte* bases) const {
    const int64_t of_half = plan_.bases / 2;
    const int64_t core_rows = kCoreRows / of_half;
    for (int64_t i = 0; i < plan_.bases; ++i) {
      NormBase header;
      header.half = static_cast<uint32_t>(i / of_half);
      header.first_core_row = static_cast<uint32_t>(i % of_half * core_rows);
      header.core_rows = static_cast<uint32_t>(core_rows);
      std::memcpy(bases + i * tile_bytes_, &header, sizeof header);
    }
    for (int64_t i = 0; i < kTileKI8; ++i) {
      const auto place = static_cast<size_t>(t * kTileKI8 + i);
      if (place >= weights_.order.size()) break;
      const auto from = static_cast<size_t>(weights_.order[place]);
      columns.post[i] = FloatToBf16(weights_.post[from]);
      columns.pre[i] = FloatToBf16(weights_.pre[from]);
      const int64_t half = i / kTileN;
      for (int64_t m = 0; m < plan_.shape.m; ++m) {
        const int64_t core_row = m / plan_.out.tile_rows;
        auto* const piece = reinterpret_cast<uint16_t*>(
            bases + (half * of_half + core_row / core_rows) * tile_bytes_ +
            static_cast<int64_t>(sizeof(NormBase)) +
            core_row % core_rows * plan_.piece_rows * kTileN * 2);
        piece[PlaceInRows(m % plan_.out.tile_rows, i % kTileN, r_)] =
            FloatToBf16(base_[static_cast<size_t>(m * plan_.shape.n) + from]);
      }
    }
  }

  const NormPlan& plan_;
  const NormWeights& weights_;
  std::span<const float> base_;
  int r_;
  int64_t tile_bytes_;
};

}  // namespace

OutPacker::OutPacker(const NormPlan& plan, std::span<std::byte> out)
    : ColumnPacker(plan.out, 0, out) {
  std::byte* tile = out.data();
  const int64_t sums = plan.config().device.columns * plan.out.n_blocks;
  for (int64_t i = 0; i < sums * plan.out.k_steps; ++i, tile += TileBBytes(plan.config())) {
    const int64_t step = i % plan.out.k_steps;
    WeightTileHeader header;
    // What a tile of rows is for a norm says the header that the host puts in front of its pieces.
    header.flags = StepFlags(kFirstOfSum, kEndsInRows, step, plan.out.k_steps);
    header.scale_part = static_cast<uint32_t>(step < kScaleParts ? step : 0);
    std::memcpy(tile, &header, sizeof header);
  }
}

std::vector<int32_t> OrderOfResults(int64_t n, std::span<const int32_t> apart) {
  std::vector<int32_t> order = OrderApart(n, apart);
  order.erase(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(apart.size()));
  return order;
}

void UnpackOut(const NormPlan& plan, std::span<const int32_t> order,
               std::span<const std::byte> rooms, std::span<float> results) {
  const int64_t n = plan.shape.n;
  if (rooms.size() < static_cast<size_t>(plan.RoomBytes()) ||
      order.size() != static_cast<size_t>(n) ||
      results.size() != static_cast<size_t>(plan.shape.m * n)) {
    throw Error(ErrorKind::kInternal, "norm: wrong size of the product's results");
  }
  const int64_t groups = plan.out.n_blocks * plan.config().device.columns;
  const int r = RowsOfBlock(plan.config());
  constexpr int64_t kRun = 8;
  for (int64_t row = 0; row < plan.shape.m; ++row) {
    const int64_t tile = row / plan.out.tile_rows;
    const std::byte* const block =
        rooms.data() + (plan.front_groups() + tile / kCoreRows * groups) * kRoomGroupBytes +
        tile % kCoreRows * int64_t{kTileSumBytes};
    float* const to = results.data() + row * n;
    for (int64_t left = 0; left < n; left += kRun) {
      const auto* const values =
          reinterpret_cast<const uint16_t*>(block + left / kTileN * kRoomGroupBytes +
                                            offsetof(RowTile, values)) +
          PlaceInRows(row % plan.out.tile_rows, left % kTileN, r);
      const int64_t count = std::min(kRun, n - left);
      for (int64_t i = 0; i < count; ++i) {
        to[order[static_cast<size_t>(left + i)]] = Bf16ToFloat(values[i]);
      }
    }
  }
}

void PackNorm(const NormPlan& plan, const NormWeights& weights, std::span<const float> base,
              std::span<std::byte> b) {
  const auto width = static_cast<size_t>(plan.shape.n);
  if (b.size() != static_cast<size_t>(plan.b_bytes) || plan.shape.m > kMostNormRows ||
      base.size() != static_cast<size_t>(plan.shape.m) * width || weights.post.size() != width ||
      weights.pre.size() != width || weights.order.size() != width) {
    throw Error(ErrorKind::kInternal, "norm: wrong sizes");
  }
  std::fill(b.begin(), b.end(), std::byte{});
  const NormPacker packer(plan, weights, base);
  for (int64_t column = 0; column < plan.config().device.columns; ++column) {
    packer.PackColumn(column, b.data() + column * plan.column_b_bytes);
  }
}

void PackNormHeaders(const NormPlan& plan, std::span<std::byte> rooms) {
  if (rooms.size() != static_cast<size_t>(plan.OutBytes())) {
    throw Error(ErrorKind::kInternal, "norm: wrong size of the product's rooms");
  }
  std::byte* to = rooms.data() + plan.RoomBytes();
  for (const NormTile& tile : NormTiles(plan)) {
    ActivationTileHeader header;
    header.rows = kIsNorms | (tile.keeps_steps ? kKeepsSteps : kLeavesNormed);
    for (int64_t own = tile.begin; own < tile.end; ++own) {
      header.rows |= IsForColumn(own % plan.config().device.columns);
    }
    header.rows_of_others = static_cast<uint32_t>(plan.out.tile_rows);
    header.piece_rows = static_cast<uint32_t>(plan.piece_rows);
    header.bases = static_cast<uint32_t>(plan.bases);
    for (int core_row = 0; core_row < kCoreRows; ++core_row) {
      header.core_row = static_cast<uint32_t>(core_row);
      std::memcpy(to, &header, sizeof header);
      to += sizeof header;
    }
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
  PackRoomHeaders(plan.x(), /*has_factors=*/true, x);
}

}  // namespace tandem::npu
