// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How long a matrix product takes on the array, by a model of its cores, streams, DRAM and
// dispatch. The constants, each with its source, are in gemm_time.cc; docs/npu.md compares the
// model with published measurements. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "devices/npu/isa/tile.h"

namespace tandem::npu {

/// What is multiplied: activations by weights.
enum class GemmType : uint8_t {
  kI8,      ///< 8-bit integers.
  kI4,      ///< 8-bit activations by 4-bit weights with a scale per 32.
  kBf16,    ///< bfloat16, summed in float.
  kW4Bf16,  ///< bfloat16 activations by 4-bit weights that the core turns into bfloat16. Modelled
            ///< only.
};
/// What comes out.
enum class GemmOutput : uint8_t {
  kI8,
  kI16,
  kI32,
  kBf16,
  kF32
};
constexpr int64_t OutputBytes(GemmOutput output) {
  switch (output) {
    case GemmOutput::kI8: return 1;
    case GemmOutput::kI16:
    case GemmOutput::kBf16: return 2;
    case GemmOutput::kI32:
    case GemmOutput::kF32: break;
  }
  return 4;
}
/// "i8", "i4", "bf16"; "i8" to "f32".
std::string_view GemmTypeName(GemmType type);
std::optional<GemmOutput> ParseGemmOutput(std::string_view name);
std::string_view GemmOutputName(GemmOutput output);

/// Rows by columns: [m,k] x [k,n]. Of a problem, or of what one core multiplies at a time.
struct GemmShape {
  int64_t m = 0;
  int64_t k = 0;
  int64_t n = 0;
  friend bool operator==(const GemmShape&, const GemmShape&) = default;
};

/// Who compiled the kernel: AMD's licensed compiler, or the open one.
enum class KernelClass : uint8_t {
  kChess,
  kPeano
};

/// How the matrices lie in DRAM, which decides how long the runs of bytes are that a shim asks for.
enum class GemmLayout : uint8_t {
  kBlockRows,  ///< Row-major, read through memory tiles in rows of some 448 bytes; one C in a core.
  kTileRows,   ///< Row-major, read in rows of a core's tile; two C in a core. MLIR-AIE's example.
  kPacked,     ///< In the order in which the array takes them. Ours.
};

struct GemmCase {
  Device device;
  GemmType type = GemmType::kI8;
  GemmOutput output = GemmOutput::kI32;
  GemmShape shape;
  GemmShape tile;
  KernelClass kernel = KernelClass::kPeano;
  GemmLayout layout = GemmLayout::kPacked;
  std::optional<double> clock_hz;  ///< Nothing: what was measured under load.
};

enum class GemmBound : uint8_t {
  kCompute,
  kStream,
  kDram,
  kDispatch
};
std::string_view GemmBoundName(GemmBound bound);

struct GemmTime {
  double seconds = 0;
  double tops = 0;           ///< 2 m k n of the problem, without what pads it, per 1e-12 s.
  double share_of_peak = 0;  ///< Of the multipliers of the columns in use.
  double cycles = 0;         ///< Of the cores' clock, dispatch included.
  GemmBound bound = GemmBound::kCompute;
  double core_seconds = 0;  ///< Cores and the streams that feed them.
  double dram_seconds = 0;
  double dispatch_seconds = 0;
  double dram_bytes = 0;
};

/// Throws Error kInvalidArgument for tiles that no core holds.
GemmTime ModelGemm(const GemmCase& gemm);

/// What it takes to give the whole array another configuration, at worst: SB measured it.
double ModelSwitch(Generation generation);
/// What a core multiplies at a time in our design.
GemmShape DesignTile(GemmType type);
/// How many of a tile's rows our design multiplies for m rows: spread evenly over cores and blocks.
int64_t DesignTileRows(Generation generation, GemmType type, int64_t m);
/// Tiles of A that bring so many steps of K, of m rows: several in one where they are few.
int64_t DesignTilesOfA(Generation generation, GemmType type, int64_t m, int64_t k_steps);
/// The clock of the cores that the model takes where none is given.
double ModelClock(Generation generation);
/// Multiply-adds of a core and cycle at most.
double PeakMacs(Generation generation, GemmType type);

}  // namespace tandem::npu
