// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/timing/norm_time.h"

#include <algorithm>

#include "core/ceil_divide.h"
#include "devices/npu/timing/array_constants.h"
#include "devices/npu/timing/complete_time.h"

namespace tandem::npu {
namespace {

/// Vector instructions for 16 results that leave, counted in gated_kernels.h and row_kernels.h as
/// kGatedSlots are: their columns' scale 3, their squares and sums 2.
constexpr double kLeaveSlots = 5;
/// And for 16 values of a norm: o's weight 2, its factor and what it is added to 2, rounded 1,
/// squares 1, y's weight 2, size and exponent 2, to a byte 3, joined 2. Reckoned, never measured.
constexpr double kNormSlots = 15;

constexpr int64_t kTileColumns = 128;
constexpr int64_t kHalfColumns = 64;
constexpr int64_t kSquaresOfTile = 32;
constexpr double kTileABytes = 128 + 64 * 128;
constexpr double kRoomBytes = 64 * 64 * 4;
/// Rows of a core's tile that a norm has at most, and a row of a piece.
constexpr int64_t kNormRows = 32;
constexpr double kPieceBytes = 64 * 2;

double TileBBytes(GemmType type) {
  constexpr double kHeader = 64;
  constexpr double kWeights = 128 * 64;
  return kHeader + (type == GemmType::kI4 ? kWeights * 17 / 32 : kWeights);
}

/// A run's work.
struct Work {
  double core_seconds = 0;
  double dram_seconds = 0;
  double dram_bytes = 0;
};

/// The norms'. A: the rows' squares, and pieces of all tiles of rows, to all columns. B: one for
/// each of those, and base for those that a column makes. A core's results leave before its next
/// tile.
Work NormWork(const NormCase& norm, double rows, double clock) {
  const Generation generation = norm.device.generation;
  const int64_t columns = norm.device.columns;
  const int64_t results = CeilDivide(norm.n, kTileColumns);
  const int64_t rests = norm.apart ? 1 : 0;
  const int64_t tiles = results + rests;
  const int64_t row_sums = CeilDivide(2 * results, kSquaresOfTile);
  const int64_t own = CeilDivide(tiles, columns) + rests;
  const int64_t piece_rows = rows <= 8 ? 8 : rows <= 16 ? 16 : kNormRows;
  const int64_t pieces = kNormRows / piece_rows;
  // Rests have the pieces of the tile behind them.
  const int64_t of_a = pieces == 1 ? tiles : CeilDivide(tiles, pieces) + rests;
  const int64_t base_rows = norm.type == GemmType::kI4 ? kNormRows : 2 * kNormRows;
  const int64_t bases = 2 * CeilDivide(kCoreRows * piece_rows, base_rows);
  const double b_tile = TileBBytes(norm.type);
  const auto a_tiles = static_cast<double>(row_sums + of_a);
  const auto b_tiles = static_cast<double>(row_sums + of_a + own * bases);
  const double compute =
      static_cast<double>(own) *
      (rows * kTileColumns / 16 * kNormSlots * SlotCycles(norm.kernel) + kRoomBytes / kStreamBytes);
  const double streams = std::max(a_tiles * kTileABytes, b_tiles * b_tile) / kStreamBytes;
  const double a_bytes = a_tiles * kTileABytes * kCoreRows;
  const double b_bytes =
      static_cast<double>(columns * (row_sums + of_a) + (tiles + rests) * bases) * b_tile;
  const double c_bytes = static_cast<double>(tiles * kCoreRows) * kRoomBytes;
  Work work;
  work.core_seconds = std::max(compute, streams) / clock;
  work.dram_seconds =
      DramSeconds(generation, columns, a_bytes, static_cast<double>(piece_rows) * kPieceBytes) +
      DramSeconds(generation, columns, b_bytes, b_bytes / static_cast<double>(columns)) +
      kWriteShare * DramSeconds(generation, columns, c_bytes, kRoomBytes * kCoreRows);
  work.dram_bytes = a_bytes + b_bytes + c_bytes;
  return work;
}

}  // namespace

GemmTime ModelNorm(const NormCase& norm, bool with_norm) {
  const Generation generation = norm.device.generation;
  const double clock = norm.clock_hz.value_or(ModelClock(generation));
  const auto rows = static_cast<double>(DesignTileRows(generation, norm.type, norm.m));
  GemmCase product;
  product.device = norm.device;
  product.type = norm.type;
  product.output = GemmOutput::kF32;
  product.kernel = norm.kernel;
  product.clock_hz = norm.clock_hz;
  product.tile = DesignTile(norm.type);
  product.shape = {norm.m, norm.k, norm.n};
  GemmTime time = ModelGemm(product);
  const int64_t m_blocks = CeilDivide(norm.m, product.tile.m * kCoreRows);
  const int64_t rounds = CeilDivide(product.shape.n, kHalfColumns * norm.device.columns);
  time.core_seconds += static_cast<double>(m_blocks * rounds) * rows * kHalfColumns / 16 *
                       kLeaveSlots * SlotCycles(norm.kernel) / clock;
  double work = std::max(time.core_seconds, time.dram_seconds);
  if (with_norm) {
    const Work behind = NormWork(norm, rows, clock);
    work += std::max(behind.core_seconds, behind.dram_seconds);
    time.core_seconds += behind.core_seconds;
    time.dram_seconds += behind.dram_seconds;
    time.dram_bytes += behind.dram_bytes;
  }
  const double macs =
      static_cast<double>(norm.m) * static_cast<double>(norm.k) * static_cast<double>(norm.n);
  CompleteTime(norm.device, norm.type, clock, work, macs, /*streams=*/false, time);
  return time;
}

}  // namespace tandem::npu
