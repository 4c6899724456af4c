// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/timing/norm_time.h"

#include <algorithm>

#include "devices/npu/timing/array_constants.h"

namespace tandem::npu {
namespace {

/// Vector instructions for 16 results that leave, counted in gated_kernels.h and row_kernels.h as
/// kGatedSlots are: their columns' scale 3, their squares and sums 2.
constexpr double kLeaveSlots = 5;
/// And for 16 values of a norm: o's weight 2, its factor and what it is added to 2, rounded 1,
/// squares 1, y's weight 2, what inputs apart have elsewhere 15, size and exponent 2, to a byte 3,
/// joined 2. Reckoned, never measured.
constexpr double kNormSlots = 30;

constexpr int64_t kCoreRows = kRows - 2;
constexpr int64_t kTileColumns = 128;
constexpr int64_t kHalfColumns = 64;
constexpr int64_t kSquaresOfTile = 32;
constexpr double kTileABytes = 128 + 64 * 128;
constexpr double kRoomBytes = 64 * 64 * 4;

int64_t CeilDivide(int64_t value, int64_t by) { return (value + by - 1) / by; }

double TileBBytes(GemmType type) {
  constexpr double kHeader = 64;
  constexpr double kWeights = 128 * 64;
  return kHeader + (type == GemmType::kI4 ? kWeights * 17 / 32 : kWeights);
}

}  // namespace

NormTime ModelNorm(const NormCase& norm, bool with_norm) {
  const Generation generation = norm.device.generation;
  const int64_t columns = norm.device.columns;
  const int64_t summed = CeilDivide(norm.n, kTileColumns);
  const int64_t tiles = summed + (norm.apart ? 1 : 0);
  const double clock = norm.clock_hz.value_or(ModelClock(generation));
  const auto rows = static_cast<double>(DesignTileRows(generation, norm.type, norm.m));
  GemmCase product;
  product.device = norm.device;
  product.type = norm.type;
  product.output = GemmOutput::kF32;
  product.kernel = norm.kernel;
  product.clock_hz = norm.clock_hz;
  product.tile = DesignTile(norm.type);
  product.shape = {norm.m, norm.k, with_norm ? tiles * kTileColumns : norm.n};
  NormTime time;
  time.out = ModelGemm(product);
  const auto sums = static_cast<double>(CeilDivide(norm.m, product.tile.m * kCoreRows) *
                                        CeilDivide(product.shape.n, kHalfColumns * columns));
  const double leave =
      sums * rows * kHalfColumns / 16 * kLeaveSlots * SlotCycles(norm.kernel) / clock;
  const double work = std::max(time.out.core_seconds + leave, time.out.dram_seconds);
  time.out.core_seconds += leave;
  time.out.seconds = work + time.out.dispatch_seconds;
  time.out.cycles = time.out.seconds * clock;
  if (!with_norm) return time;

  // A: the rows' squares, and all tiles of rows to all columns. B: of each half of a tile that a
  // column makes one for each core row. A core's results leave before its next tile.
  const int64_t row_sums = CeilDivide(2 * summed, kSquaresOfTile);
  const int64_t own = CeilDivide(summed, columns) + (norm.apart ? 1 : 0);
  const double a_tiles = static_cast<double>(row_sums + 2 * tiles);
  const double b_tiles = static_cast<double>(row_sums + 2 * own * kCoreRows);
  const double a_cycles = a_tiles * kTileABytes / kStreamBytes;
  const double b_cycles = b_tiles * TileBBytes(norm.type) / kStreamBytes;
  const double core_cycles =
      static_cast<double>(own) *
      (rows * kTileColumns / 16 * kNormSlots * SlotCycles(norm.kernel) + kRoomBytes / kStreamBytes);
  const double a_bytes = a_tiles * kTileABytes * kCoreRows;
  const double b_bytes =
      static_cast<double>(columns * row_sums +
                          2 * kCoreRows * (summed + (norm.apart ? columns : 0))) *
      TileBBytes(norm.type);
  const double c_bytes =
      static_cast<double>((summed + (norm.apart ? columns : 0)) * kCoreRows) * kRoomBytes;
  const double dram =
      DramSeconds(generation, columns, a_bytes, kTileABytes) +
      DramSeconds(generation, columns, b_bytes, b_bytes) +
      kWriteShare * DramSeconds(generation, columns, c_bytes, kRoomBytes * kCoreRows);
  time.norm_seconds = std::max(std::max({a_cycles, b_cycles, core_cycles}) / clock, dram);
  time.norm_dram_bytes = a_bytes + b_bytes + c_bytes;
  return time;
}

}  // namespace tandem::npu
