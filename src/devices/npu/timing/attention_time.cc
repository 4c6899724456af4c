// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/timing/attention_time.h"

#include <algorithm>

#include "devices/npu/timing/array_constants.h"
#include "devices/npu/timing/complete_time.h"

namespace tandem::npu {
namespace {

// The design (devices/npu/attention); a test holds them to it.
constexpr double kQueries = 16;
constexpr double kKeys = 16;
constexpr double kTileBytes = 128 + 16 * 256 * 2;
constexpr double kSumBytes = 16 * 256 * 4;
/// Tiles of queries that a column takes in a round.
constexpr double kQueryTiles = 2 * kCoreRows;
/// Of them, those that wait in a core when the round before ends.
constexpr double kWaiting = 2;
/// Columns that keys and values enter in.
constexpr int64_t kSources = 4;

/// Vector instructions for 16 scores, from product to weight, counted in attention_kernels.h: to
/// fixed point and masked 12, a share of the row's maximum and totals 5, power and total 23. And
/// for 16 sums that are divided: a product of floats is several of bfloat16. One in a cycle by
/// Chess, in two by Peano: reckoned, never measured.
constexpr double kWeighSlots = 40;
constexpr double kDivideSlots = 10;

/// Cycles of a product that adds `k` to sums: `outputs` of them.
double ProductCycles(Generation generation, KernelClass kernel, double outputs, double k) {
  const KernelConstants own = KernelOf(generation, GemmType::kBf16, kernel, false);
  double cycles = outputs * k / own.macs + outputs / own.block * (own.fixed + own.per_byte * 4);
  if (kernel == KernelClass::kPeano) {
    // Its rate is of sums of 64 or more. Shorter ones load and store outputs more often: as Chess
    // does it, for want of a figure.
    const KernelConstants chess = KernelOf(generation, GemmType::kBf16, KernelClass::kChess, false);
    cycles += outputs / chess.block * chess.fixed * std::max(0.0, 1 - k / 64);
  }
  return cycles;
}

}  // namespace

GemmTime ModelAttention(const AttentionWork& work, KernelClass kernel,
                        std::optional<double> clock_hz) {
  const Generation generation = work.device.generation;
  const ArrayConstants& array = kArray[static_cast<int>(generation)];
  const auto dims = static_cast<double>(work.dims);
  const auto columns = static_cast<double>(work.device.columns);
  // Keys and values come one after the other.
  const double stream = 2 * kTileBytes / kStreamBytes;
  const double compute = ProductCycles(generation, kernel, kQueries * kKeys, dims) +
                         ProductCycles(generation, kernel, kQueries * dims, kKeys) +
                         kQueries * kKeys / 16 * kWeighSlots * SlotCycles(kernel);
  const double finish = kQueries * dims / 16 * kDivideSlots * SlotCycles(kernel);
  const auto query_bytes = static_cast<double>(work.query_tile_bytes);
  const double start = (kQueryTiles - kWaiting) * query_bytes / kStreamBytes;

  // Results leave while the next round's queries come; the last ones have no such company.
  double core_cycles = kSumBytes / kStreamBytes;
  double keys = 0;
  for (const AttentionWork::Round& round : work.rounds) {
    core_cycles += static_cast<double>(round.longest) * std::max(compute, stream) + start + finish;
    keys += static_cast<double>(round.tiles) * 2 * kTileBytes;
  }
  const auto rounds = static_cast<double>(work.rounds.size());
  const double queries = rounds * columns * kQueryTiles * query_bytes;
  const double results = rounds * columns * kCoreRows * kSumBytes;

  GemmTime time;
  const double clock = clock_hz.value_or(array.clock_hz);
  time.core_seconds = core_cycles / clock;
  const auto all = static_cast<int64_t>(work.device.columns);
  const double run = keys / (rounds * kCoreRows);
  time.dram_seconds = DramSeconds(generation, kSources, keys, run) +
                      DramSeconds(generation, all, queries, queries / columns) +
                      kWriteShare * DramSeconds(generation, all, results, results / columns);
  time.dispatch_seconds = array.dispatch_s;
  time.dram_bytes = keys + queries + results;
  CompleteTime(work.device, GemmType::kBf16, clock, std::max(time.core_seconds, time.dram_seconds),
               work.macs, stream > compute, time);
  return time;
}

}  // namespace tandem::npu
