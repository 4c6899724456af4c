// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/gemm_stream.h"

#include <fmt/format.h>

#include "core/ceil_divide.h"
#include "core/error.h"
#include "devices/npu/gemm/transfers.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {
GemmPlan PlanGemm(const GemmConfig& config, const GemmShape& shape) {
  CheckGemmConfig(config);
  if (shape.m < 1 || shape.m > kMostGemmRows || shape.k < 1 || shape.k > kMostGemmSum ||
      shape.n < 1 || shape.n > kMostGemmColumns) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a product of {}x{}x{}: at most {}x{}x{}", shape.m, shape.k, shape.n,
                            kMostGemmRows, kMostGemmSum, kMostGemmColumns));
  }
  GemmPlan plan;
  plan.config = config;
  plan.shape = shape;
  plan.tile = DesignTile(config.type);
  const int64_t columns = config.device.columns;
  plan.m_blocks = CeilDivide(shape.m, plan.tile.m * kCoreRows);
  plan.tile_rows = DesignTileRows(config.device.generation, config.type, shape.m);
  plan.k_steps = CeilDivide(shape.k, plan.tile.k);
  plan.n_blocks = CeilDivide(shape.n, plan.tile.n * columns);
  plan.a_rows = PieceRows(plan.tile_rows);
  plan.a_steps = plan.tile.m / plan.a_rows;
  plan.a_tiles = CeilDivide(plan.k_steps, plan.a_steps);
  plan.a_bytes = plan.m_blocks * plan.a_tiles * kCoreRows * TileABytes(config);
  plan.b_bytes = plan.n_blocks * plan.k_steps * columns * TileBBytes(config);
  plan.c_bytes = plan.m_blocks * plan.n_blocks * kCoreRows * columns * TileCBytes(config);
  return plan;
}

Sequence GemmSequence(const GemmPlan& plan) {
  const int64_t columns = plan.config.device.columns;
  const auto of_column = [columns](int64_t bytes) {
    return [words = bytes / columns / 4](int column) { return Piece{column * words, words}; };
  };
  ShimTransfers transfers;
  transfers.device = plan.config.device;
  transfers.bytes = {plan.a_bytes, plan.b_bytes, plan.c_bytes};
  transfers.m_blocks = plan.m_blocks;
  transfers.a_runs = plan.n_blocks;
  transfers.a = [&plan](int row, int64_t block) { return PackedA(plan, row, block); };
  transfers.b = of_column(plan.b_bytes);
  transfers.c = of_column(plan.c_bytes);
  return SequenceOf(transfers);
}
Stream GemmStream(const GemmPlan& plan) { return EncodeSequence(GemmSequence(plan)); }

}  // namespace tandem::npu
