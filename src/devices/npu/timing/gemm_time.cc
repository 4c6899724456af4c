// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/timing/gemm_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>

#include "core/ceil_divide.h"
#include "core/error.h"
#include "devices/npu/timing/array_constants.h"
#include "devices/npu/timing/complete_time.h"

namespace tandem::npu {
namespace {

// Sources, by the short names that docs/npu.md resolves, are those of array_constants.h.

/// Data memory of a core beside 1 KB of stack.
constexpr double kCoreBytes = 63 * 1024;
/// Rows that a design with blocks in memory tiles reads: SB's bf16 design at its best.
constexpr double kBlockRowBytes = 448;
/// bfp16: eight values in nine bytes.
constexpr double kBfp16Bytes = 9.0 / 8;

/// Cycles for turning a 4-bit weight with its block's scale into 8 bits: unpack, multiply by a
/// ratio, round. Two, and five, per 64 weights; counted in slots, never measured.
double ExpandCycles(KernelClass kernel) { return (kernel == KernelClass::kChess ? 2.0 : 5.0) / 64; }

/// Vector instructions that bring 16 integers of a tile to float sums (AddScaled): a subtraction
/// and an addition of floats, in accumulators. The integers start from their rows' units where
/// other products start from sums; that sums are loaded after them is a load more, which no
/// instruction waits for, and is not counted.
constexpr double kScaleSlots = 2;

double ActivationBytes(GemmType type) {
  return type == GemmType::kI8 || type == GemmType::kI4 ? 1 : 2;
}
double WeightBytes(GemmType type) {
  switch (type) {
    case GemmType::kI8: return 1;
    case GemmType::kBf16: return 2;
    case GemmType::kI4:
    case GemmType::kW4Bf16: break;
  }
  return 17.0 / 32;  // a byte of scale for 32 weights
}

}  // namespace

KernelConstants KernelOf(Generation generation, GemmType type, KernelClass kernel, bool bfp16) {
  const bool npu1 = generation == Generation::kNpu1;
  const bool floats = type == GemmType::kBf16 || type == GemmType::kW4Bf16;
  if (bfp16) {
    // 512 at most; the block's cost from MLIR-AIE's pull request 3650, two tiles.
    return {512, 16 * 16, 40, 0};
  }
  if (kernel == KernelClass::kChess) {
    // SB, tables 1 to 3: one line through two lengths of K for each type of output.
    if (floats) {
      return npu1 ? KernelConstants{128, 8 * 8, 7.5, 0} : KernelConstants{170, 16 * 16, 17.4, 0};
    }
    return npu1 ? KernelConstants{256, 8 * 16, 4, 7.5} : KernelConstants{512, 16 * 16, 11.5, 5.3};
  }
  // Peano, operands streamed from the core's memory. npu2: 157 for i8 (hipfire), 54 for bf16
  // through bfp16 (W4A16). npu1: bf16 at half of the peak (mlir-aie issue 2735); i8 at the 157 of
  // npu2 times 150 / 250, what 4-bit weights reach on one and on the other (hipfire): no
  // measurement.
  if (floats) return {npu1 ? 64.0 : 54.0, 1, 0, 0};
  return {npu1 ? 94.0 : 157.0, 1, 0, 0};
}

std::string_view GemmTypeName(GemmType type) {
  static constexpr std::string_view kNames[] = {"i8", "i4", "bf16", "w4bf16"};
  return kNames[static_cast<int>(type)];
}
std::string_view GemmOutputName(GemmOutput output) {
  static constexpr std::string_view kNames[] = {"i8", "i16", "i32", "bf16", "f32"};
  return kNames[static_cast<int>(output)];
}
std::optional<GemmOutput> ParseGemmOutput(std::string_view name) {
  for (const GemmOutput output :
       {GemmOutput::kI8, GemmOutput::kI16, GemmOutput::kI32, GemmOutput::kBf16, GemmOutput::kF32}) {
    if (GemmOutputName(output) == name) return output;
  }
  return std::nullopt;
}
std::string_view GemmBoundName(GemmBound bound) {
  static constexpr std::string_view kNames[] = {"compute", "stream", "dram", "dispatch"};
  return kNames[static_cast<int>(bound)];
}

double ModelSwitch(Generation generation) {
  return generation == Generation::kNpu1 ? 3.4e-3 : 4.9e-3;
}

GemmShape DesignTile(GemmType type) {
  return type == GemmType::kI8 || type == GemmType::kI4 ? GemmShape{64, 128, 64}
                                                        : GemmShape{64, 64, 64};
}

int64_t DesignTileRows(Generation generation, GemmType type, int64_t m) {
  const int64_t tile = DesignTile(type).m;
  const int64_t blocks = CeilDivide(m, tile * kCoreRows);
  // Two blocks of mmul's rows.
  const bool eight = generation == Generation::kNpu1 || type == GemmType::kBf16;
  const int64_t granule = eight ? 8 : 16;
  return CeilDivide(CeilDivide(m, blocks * kCoreRows), granule) * granule;
}

int64_t DesignTilesOfA(Generation generation, GemmType type, int64_t m, int64_t k_steps) {
  const int64_t rows = DesignTileRows(generation, type, m);
  const int64_t tile = DesignTile(type).m;
  int64_t piece = 8;
  while (piece < rows) piece *= 2;
  return CeilDivide(k_steps, std::max<int64_t>(1, tile / piece));
}

double ModelClock(Generation generation) { return kArray[static_cast<int>(generation)].clock_hz; }

double PeakMacs(Generation generation, GemmType type) {
  const bool npu1 = generation == Generation::kNpu1;
  switch (type) {
    case GemmType::kI8: return npu1 ? 256 : 512;
    case GemmType::kI4: return 512;
    case GemmType::kBf16:
    case GemmType::kW4Bf16: break;
  }
  return npu1 ? 128 : 256;
}

GemmTime ModelGemm(const GemmCase& gemm) {
  const Generation generation = gemm.device.generation;
  const ArrayConstants& array = kArray[static_cast<int>(generation)];
  const GemmShape& shape = gemm.shape;
  const GemmShape& tile = gemm.tile;
  if (shape.m < 1 || shape.k < 1 || shape.n < 1 || tile.m < 4 || tile.k < 4 || tile.n < 4 ||
      tile.m % 4 != 0 || tile.k % 4 != 0 || tile.n % 4 != 0) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("a tile of {}x{}x{}: sides are multiples of 4", tile.m, tile.k, tile.n));
  }
  const auto m = static_cast<double>(tile.m);
  const auto k = static_cast<double>(tile.k);
  const auto n = static_cast<double>(tile.n);
  double a_bytes = ActivationBytes(gemm.type);
  double b_bytes = WeightBytes(gemm.type);
  const auto c_bytes = static_cast<double>(OutputBytes(gemm.output));

  // Tiles that do not fit twice belong to designs that hold half of A at a time, read blocks into
  // memory tiles, and turn bf16 into bfp16 on npu2 (MLIR-AIE's pull request 3650).
  bool blocks = gemm.layout == GemmLayout::kBlockRows;
  bool bfp16 = false;
  if (gemm.layout != GemmLayout::kPacked &&
      2 * m * k * a_bytes + 2 * k * n * b_bytes + m * n * c_bytes > kCoreBytes) {
    blocks = true;
    bfp16 = gemm.type == GemmType::kBf16 && generation == Generation::kNpu2;
    if (bfp16) a_bytes = b_bytes = kBfp16Bytes;
    const double once = m * k * a_bytes / 2 + k * n * b_bytes + m * n * c_bytes;
    if (once > kCoreBytes) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("a tile of {}x{}x{} takes {:.0f} bytes of a core's memory: {:.0f} is "
                              "the most",
                              tile.m, tile.k, tile.n, once, kCoreBytes));
    }
  }

  const int64_t columns = gemm.device.columns;
  const int64_t m_blocks = CeilDivide(shape.m, tile.m * kCoreRows);
  const int64_t n_blocks = CeilDivide(shape.n, tile.n * columns);
  const int64_t k_steps = CeilDivide(shape.k, tile.k);

  const KernelConstants kernel = KernelOf(generation, gemm.type, gemm.kernel, bfp16);
  const double block_cycles = kernel.fixed + kernel.per_byte * c_bytes;
  // Our kernels leave out the rows of a tile that a short problem does not fill.
  const double rows = gemm.layout == GemmLayout::kPacked && tile == DesignTile(gemm.type)
                          ? static_cast<double>(DesignTileRows(generation, gemm.type, shape.m))
                          : m;
  double compute = rows * k * n / kernel.macs + rows * n / kernel.block * block_cycles;
  if (gemm.type == GemmType::kI4) compute += k * n * ExpandCycles(gemm.kernel);
  const bool integers = gemm.type == GemmType::kI8 || gemm.type == GemmType::kI4;
  if (integers && gemm.output == GemmOutput::kF32) {
    compute += rows * n / 16 * kScaleSlots * SlotCycles(gemm.kernel);
  }
  // Tiles of A, for each step of K: where few of its rows are in use, one brings several steps.
  const double a_tiles =
      rows == m ? 1.0
                : static_cast<double>(DesignTilesOfA(generation, gemm.type, shape.m, k_steps)) /
                      static_cast<double>(k_steps);
  const double stream = std::max(m * k * a_bytes * a_tiles, k * n * b_bytes) / kStreamBytes;
  // One C per core: nothing is multiplied while it leaves.
  const bool c_waits = gemm.layout == GemmLayout::kPacked
                           ? c_bytes == 4
                           : blocks && gemm.kernel == KernelClass::kChess;
  const double drain = c_waits ? m * n * c_bytes / kStreamBytes : 0;
  const double core_cycles = static_cast<double>(m_blocks * n_blocks) *
                             (static_cast<double>(k_steps) * std::max(compute, stream) + drain);

  // DRAM: A once per group of columns, B once per group of rows, C once.
  const auto padded_m = static_cast<double>(m_blocks * kCoreRows) * m;
  const auto padded_n = static_cast<double>(n_blocks * columns) * n;
  const auto padded_k = static_cast<double>(k_steps) * k;
  const double a_total = padded_m * padded_k * a_bytes * a_tiles * static_cast<double>(n_blocks);
  const double b_total = padded_k * padded_n * b_bytes * static_cast<double>(m_blocks);
  const double c_total = padded_m * padded_n * c_bytes;
  double a_run = k * a_bytes;
  double b_run = n * b_bytes;
  double c_run = n * c_bytes;
  if (gemm.layout == GemmLayout::kPacked) {
    a_run = padded_k * m * a_bytes;
    b_run = padded_k * n * b_bytes;
    c_run = m * n * c_bytes;
  } else if (blocks) {
    a_run = std::max(1.0, std::floor(kBlockRowBytes / (k * a_bytes))) * k * a_bytes;
    b_run = std::max(1.0, std::floor(kBlockRowBytes / (k * b_bytes))) * k * b_bytes;
  } else if (gemm.type == GemmType::kI4 || gemm.type == GemmType::kW4Bf16) {
    b_run = k * n * b_bytes;  // 4-bit weights come as whole tiles with their scales
  }
  const auto seconds_of = [&](double bytes, double run) {
    return DramSeconds(generation, columns, bytes, run);
  };

  GemmTime time;
  const double clock = gemm.clock_hz.value_or(array.clock_hz);
  time.core_seconds = core_cycles / clock;
  time.dram_seconds = seconds_of(a_total, a_run) + seconds_of(b_total, b_run) +
                      kWriteShare * seconds_of(c_total, c_run);
  time.dispatch_seconds = array.dispatch_s;
  time.dram_bytes = a_total + b_total + c_total;
  const double work = std::max(time.core_seconds, time.dram_seconds);
  const double macs =
      static_cast<double>(shape.m) * static_cast<double>(shape.k) * static_cast<double>(shape.n);
  CompleteTime(gemm.device, gemm.type, clock, work, macs, stream > compute, time);
  return time;
}

}  // namespace tandem::npu
