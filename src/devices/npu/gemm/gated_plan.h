// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// D h with h = gelu(A G) x (A U), as two runs of one list on the designs whose rows have powers of
// two (ScalesRows), nothing of the host's between them: a gated product, whose results are the next
// one's tiles of A (gated_tile.h), and an ordinary product that reads them where they lie. Pure
// functions; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/gemm/norm_plan.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {

/// What is multiplied.
struct GatedShape {
  int64_t m = 0;
  int64_t gate_k = 0;   ///< Of x that the gate sees.
  int64_t up_k = 0;     ///< Of what up sees; 0: the same x.
  int64_t neurons = 0;  ///< Of h.
  int64_t n = 0;        ///< Results of the second product.
};

/// The two runs, and the bytes of their buffers.
///
/// The first one's:
///   A as GemmPlan's: gate's tiles, and behind them up's where it sees others
///   B [column][tile of h][half][gate, up][k step][tile]
///   C [m block][tile of h][column][core row], h in the first bytes of each tile of sums
/// The second one's A are the first tiles of that C, one of each column after the other: 128
/// neurons each, in their order; or, where there are no more than 64 for a column, 64, and the same
/// again. What those have beyond the neurons is zeros.
struct GatedPlan {
  GatedShape shape;
  GemmPlan a;     ///< What A is packed by: [m, all k steps].
  GemmPlan down;  ///< The second product but for where its A lies.
  int64_t gate_steps = 0;
  int64_t up_steps = 0;  ///< The same ones where up sees the same x.
  int64_t tiles = 0;     ///< Of h, for each column of the array.
  int64_t halves = 0;    ///< Of a tile of h that have neurons of their own: 2, or 1.
  int64_t b_bytes = 0;   ///< Of the first product.
  int64_t c_bytes = 0;   ///< Of that, what is written;
  int64_t h_bytes = 0;   ///< with what the second one's A has beside.

  const GemmConfig& config() const { return a.config; }
  bool shared() const { return shape.up_k == 0; }
  int64_t tile_neurons() const { return halves * kTileN; }
  int64_t padded_neurons() const { return down.k_steps * tile_neurons(); }
  /// Where a neuron is in the second product's sums.
  int64_t DownPlace(int64_t neuron) const {
    return neuron / tile_neurons() * kTileKI8 + neuron % tile_neurons();
  }
};

/// Sums of both products, in whole tiles.
inline constexpr int64_t kMostGatedSum = kMostGemmSum / kTileKI8 * kTileKI8;

/// Whether a sum of both products, what the first one's A has and what the second one returns are
/// within what a stream takes.
bool FitsGated(const GatedShape& shape);

/// Throws Error: kUnsupported where the configuration does not gate, kInvalidArgument as PlanGemm
/// and for what does not fit.
GatedPlan PlanGated(const GemmConfig& config, const GatedShape& shape);

/// Throws Error kInternal unless gate and up see the same x, which the norm makes.
void RequireNorm(const GatedPlan& plan, const NormPlan& norm);

/// What the shims do. Arguments of each are its A, B and C; the second's A is the first's C, and
/// the first's A, where a norm is in front, that one's C.
Sequence GatedSequence(const GatedPlan& plan);
/// REQUIRES: RequireNorm.
Sequence GatedSequence(const GatedPlan& plan, const NormPlan& norm);
Sequence GatedDownSequence(const GatedPlan& plan);
/// Into the first one's C what the host brings to the second one's A: its last bytes.
void PackGatedHeaders(const GatedPlan& plan, std::span<std::byte> h);

/// Weights of the first product, neuron by neuron: as ColumnPacker, whose columns are the gate's
/// neurons and, from padded_neurons() on, those of up. Refers to plan and memory.
class GatedPacker : public ColumnPacker {
 public:
  GatedPacker(const GatedPlan& plan, std::span<std::byte> out);
  int64_t UpColumn(int64_t neuron) const { return plan_.padded_neurons() + neuron; }

 protected:
  int64_t TileIndex(int64_t n, int64_t k_step) const override;
  int64_t Depth(int64_t n) const override;

 private:
  const GatedPlan& plan_;
};

}  // namespace tandem::npu
