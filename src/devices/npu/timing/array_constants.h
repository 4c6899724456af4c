// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the models of time know of the array, whatever runs on it. Internal to timing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "devices/npu/isa/tile.h"
#include "devices/npu/timing/gemm_time.h"

namespace tandem::npu {

// Sources, by the short names that docs/npu.md resolves:
//   SB      "Striking the Balance", arXiv 2512.13282: npu1 on a 7940HS, npu2 on an AI 7 350
//   hipfire github.com/xynexus/hipfire, docs/npu: ports traced on Phoenix and on Strix Halo
//   atassis github.com/atassis/xdna-engine, docs: roofline of a Strix Point
//   W4A16   the third-party study of 4-bit weights on an HX PRO 370

/// What a generation has, whatever runs on it.
struct ArrayConstants {
  /// SB measured 1.0 and 1.808 GHz under load.
  double clock_hz;
  /// All shims together, long runs. npu1: 30.8 GB/s, eight streams of 3.95 (hipfire). npu2: 67.6
  /// GB/s, reads and writes mixed (atassis).
  double dram_bytes_s;
  /// What each run of bytes costs, in bytes that would have passed meanwhile. npu1: 370 makes runs
  /// of 448 and 112 bytes 16.9 and 7.2 GB/s; SB's product at the one is 2.4 times that at the
  /// other. npu2: 110 from the sweep of tiles of hipfire, rows of 32 to 128 bytes.
  double run_bytes;
  /// Driver, firmware, host: 155 us for a run that does nothing and up to 260 with buffers on npu1,
  /// 73 to 155 us on npu2 (hipfire).
  double dispatch_s;
};
inline constexpr ArrayConstants kArray[] = {{1.0e9, 30.8e9, 370, 0.2e-3},
                                            {1.8e9, 67.6e9, 110, 0.1e-3}};

/// Share of the bandwidth that the first columns reach. npu1: streams add up (hipfire). npu2: 13.4,
/// 25.8, 44.5 and 55.3 GB/s for 1, 2, 4 and 8 (hipfire); linear in between.
inline constexpr double kColumnShares1[] = {0.25, 0.5, 0.75, 1};
inline constexpr double kColumnShares2[] = {0.242, 0.467, 0.636, 0.805, 0.854, 0.902, 0.951, 1};

/// Writes hide behind reads by half: 52.7 GB/s of reads, 67.6 of both (atassis).
inline constexpr double kWriteShare = 0.5;
/// A stream's bytes per cycle. 8 were seen at a core of npu2 (hipfire); SB reckons with 4.
inline constexpr double kStreamBytes = 4;

/// What a kernel of mmul takes: blocks of `block` outputs that stay in registers while the sum
/// passes, `macs` per cycle, and per block and call `fixed` cycles, `per_byte` for each byte of an
/// output that is loaded and stored.
struct KernelConstants {
  double macs;
  double block;
  double fixed;
  double per_byte;
};
/// Of products of our types; `bfp16`: of bf16 that cores turn into that.
KernelConstants KernelOf(Generation generation, GemmType type, KernelClass kernel, bool bfp16);

/// Cycles of a vector instruction of a pass that is no product: counted, never measured.
inline double SlotCycles(KernelClass kernel) { return kernel == KernelClass::kChess ? 1 : 2; }

/// Of `bytes` in runs of `run`, over the first columns.
inline double DramSeconds(Generation generation, int64_t columns, double bytes, double run) {
  const ArrayConstants& array = kArray[static_cast<int>(generation)];
  const double* const shares = generation == Generation::kNpu1 ? kColumnShares1 : kColumnShares2;
  // What a run costs is the shim's time, and columns share it.
  const double run_s = array.run_bytes / array.dram_bytes_s *
                       static_cast<double>(MaxColumns(generation)) / static_cast<double>(columns);
  return bytes *
         (1 / (array.dram_bytes_s * shares[static_cast<size_t>(columns) - 1]) + run_s / run);
}

}  // namespace tandem::npu
