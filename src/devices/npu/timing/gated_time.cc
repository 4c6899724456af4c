// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/timing/gated_time.h"

#include <algorithm>

#include "devices/npu/timing/array_constants.h"

namespace tandem::npu {
namespace {

/// Vector instructions for 16 values of h, counted in gated_kernels.h as AMD's library makes them
/// on AIE2: 32 lanes of 16-bit integers in one, 16 floats or products of bfloat16; without loads,
/// stores and constants. The gate's scale 3; GELU 16 (|x| in fixed point 2.5, its polynomial 4, the
/// power 6, less that times |x| 2.5, to bfloat16 1); both products of h with their roundings 5; its
/// size and a row's exponent 2, to a byte 3, and joined 2: reckoned, never measured.
constexpr double kGatedSlots = 31;
/// A core's tiles of h and of sums; what a shim reads at a time where one lies in the room of the
/// other.
constexpr int64_t kTileColumns = 128;
/// What a sum of the gate or of up has at least: its tiles bring the columns' scales.
constexpr int64_t kLeastSum = 3 * kTileColumns;
constexpr int64_t kHalfColumns = 64;
constexpr double kSumBytes = 64 * 64 * 4;
constexpr double kTileBytes = 128 + 64 * 128;
constexpr int64_t kCoreRows = kRows - 2;

int64_t CeilDivide(int64_t value, int64_t by) { return (value + by - 1) / by; }

}  // namespace

int64_t GatedHalves(const Device& device, int64_t neurons) {
  return neurons <= device.columns * kHalfColumns ? 1 : 2;
}

GemmTime ModelGated(const GatedCase& gated) {
  const Generation generation = gated.device.generation;
  const int64_t columns = gated.device.columns;
  const int64_t halves = GatedHalves(gated.device, gated.neurons);
  const int64_t neurons = halves * kHalfColumns;  // of a tile
  const int64_t column_tiles = CeilDivide(gated.neurons, columns * neurons);
  const int64_t padded = column_tiles * columns * neurons;
  GemmCase product;
  product.device = gated.device;
  product.type = gated.type;
  product.output = GemmOutput::kF32;
  product.tile = DesignTile(gated.type);
  product.kernel = gated.kernel;
  product.clock_hz = gated.clock_hz;
  const auto model = [&](int64_t k, int64_t n) {
    product.shape = {gated.m, k, n};
    return ModelGemm(product);
  };
  const GemmTime gate = model(std::max(gated.gate_k, kLeastSum), padded);
  const GemmTime up = model(std::max(gated.up_k, kLeastSum), padded);
  const int64_t used = CeilDivide(gated.neurons, neurons);
  const GemmTime down = model(used * kTileColumns, gated.n);

  const double clock = gated.clock_hz.value_or(ModelClock(generation));
  const auto m_blocks = static_cast<double>(CeilDivide(gated.m, product.tile.m * kCoreRows));
  const double tiles = m_blocks * static_cast<double>(column_tiles);  // of h, of a core
  const auto sums = static_cast<double>(2 * halves);
  const auto rows = static_cast<double>(DesignTileRows(generation, gated.type, gated.m));
  // Of all sums one room leaves.
  const double passes =
      rows * static_cast<double>(neurons) / 16 * kGatedSlots * SlotCycles(gated.kernel) -
      (sums - 1) * kSumBytes / kStreamBytes;
  const double rooms = tiles * static_cast<double>(columns * kCoreRows) * kSumBytes;
  const double group = kCoreRows * kSumBytes;
  const double first_core = gate.core_seconds + up.core_seconds + tiles * passes / clock;
  const double first_dram =
      gate.dram_seconds + up.dram_seconds -
      kWriteShare * (DramSeconds(generation, columns, sums * rooms, kSumBytes) -
                     DramSeconds(generation, columns, rooms, group));
  // A in runs of a tile, once for each block of columns.
  const double a_bytes = m_blocks * static_cast<double>(used * kCoreRows) * kTileBytes *
                         static_cast<double>(CeilDivide(gated.n, product.tile.n * columns));
  const auto a_run = static_cast<double>(used * kTileColumns * product.tile.m);
  const double second_dram = down.dram_seconds +
                             DramSeconds(generation, columns, a_bytes, kTileBytes) -
                             DramSeconds(generation, columns, a_bytes, a_run);

  GemmTime time;
  time.core_seconds = first_core + down.core_seconds;
  time.dram_seconds = first_dram + second_dram;
  time.dispatch_seconds = gate.dispatch_seconds;
  time.dram_bytes = gate.dram_bytes + up.dram_bytes + down.dram_bytes - (sums - 1) * rooms;
  time.seconds = std::max(first_core, first_dram) + std::max(down.core_seconds, second_dram) +
                 time.dispatch_seconds;
  time.cycles = time.seconds * clock;
  const double macs = static_cast<double>(gated.m) * static_cast<double>(gated.neurons) *
                      static_cast<double>(gated.gate_k + gated.up_k + gated.n);
  time.tops = 2 * macs / time.seconds / 1e12;
  time.share_of_peak = macs / (time.cycles * PeakMacs(generation, gated.type) *
                               static_cast<double>(columns * kCoreRows));
  const double work = time.seconds - time.dispatch_seconds;
  time.bound = time.dispatch_seconds > work            ? GemmBound::kDispatch
               : time.dram_seconds > time.core_seconds ? GemmBound::kDram
                                                       : GemmBound::kCompute;
  return time;
}

}  // namespace tandem::npu
