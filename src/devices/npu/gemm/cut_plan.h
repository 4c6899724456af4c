// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// D h with h = gelu(g') x (A U), g' = max(0, A G - cut), of gates that are cut by what all of a row
// have: the mean and some deviations more. Three runs of one list: the gates, which leave with
// their rows' sums (row_tile.h); the gated product, whose cores read the sums of all of them first
// and each its own gates; and the product behind it (gated_plan.h). Pure functions; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "devices/npu/gemm/gated_plan.h"
#include "devices/npu/gemm/norm_plan.h"

namespace tandem::npu {

/// The three runs, and the bytes of their buffers.
///
/// The first one's and the second one's A is one memory:
///   A as GemmPlan's, or a norm's C where that is in front
///   gates [m block][tile of h][half][column][core row], rows in the first bytes of each tile of
///   sums and their sums behind them
/// of which the first reads the front and writes what is behind it. Their B:
///   gates' [column][tile of h][half][k step][tile]
///   up's [column][what becomes of sums, a tile for each of A's][tile of h][half][k step][tile]
/// and what the second one leaves and the third one has is as in GatedPlan.
struct CutPlan {
  GatedPlan gated;               ///< What dense ones have too; it has no B.
  std::optional<NormPlan> norm;  ///< What makes A in the same list; nothing: the host.
  int64_t sum_tiles = 0;         ///< Tiles of A that bring a block's rows their sums.
  int64_t memory_bytes = 0;      ///< Of A and of the gates.
  int64_t gates_b_bytes = 0;
  int64_t up_b_bytes = 0;

  const GemmConfig& config() const { return gated.config(); }
  int64_t front_bytes() const { return norm ? norm->x_bytes : gated.a.a_bytes; }
  int64_t halves() const { return gated.tiles * gated.halves; }  ///< Of a column.
  /// Tiles of gates, 64 neurons each, of all columns.
  int64_t gate_tiles() const { return halves() * config().device.columns; }
};

/// Throws Error as PlanGated and RequireNorm, and where up sees others than the gate.
CutPlan PlanCut(const GemmConfig& config, const GatedShape& shape, const NormPlan* norm = nullptr);

/// The streams, and what the shims do. Arguments of each are its A, B and C: the first's C is the
/// memory that A is in. GatedDownSequence is the third one's.
Sequence CutGatesSequence(const CutPlan& plan);
Sequence CutUpSequence(const CutPlan& plan);

/// Weights of the gates, or of up, neuron by neuron: as ColumnPacker. Refers to plan and memory.
class CutPacker : public ColumnPacker {
 public:
  /// Of the gates.
  CutPacker(const CutPlan& plan, std::span<std::byte> out);
  /// Of up: gates are cut `deviations` above their mean.
  CutPacker(const CutPlan& plan, float deviations, std::span<std::byte> out);

 protected:
  int64_t TileIndex(int64_t n, int64_t k_step) const override;
  int64_t Depth(int64_t n) const override;

 private:
  const CutPlan& plan_;
  int64_t first_;  ///< Tiles of a column in front of the weights.
};

}  // namespace tandem::npu
