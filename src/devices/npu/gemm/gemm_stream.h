// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The runtime stream of a matrix product of any size on the design of its type, and how its
// matrices lie in memory. Pure functions; thread-safe.
#pragma once

#include <cstdint>

#include "devices/npu/design/sequence.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {

/// A problem in whole tiles, and the bytes of its three buffers (kernel arguments 0 to 2):
///   A [core row][m block][tile], of as many k steps each as its rows leave room for
///   B [column][n block][k step][tile]
///   C [column][m block][n block][core row][tile]
/// A block of M is a tile for each core row, one of N a tile for each column. The rows of a problem
/// are spread evenly: a short one takes a few of each tile.
struct GemmPlan {
  GemmConfig config;
  GemmShape shape;
  GemmShape tile;
  int64_t tile_rows = 0;  ///< Of a tile's m that are in use, the same in all.
  int64_t m_blocks = 0;
  int64_t k_steps = 0;
  int64_t a_rows = 0;   ///< Of a step's piece of a tile of A: PieceRows.
  int64_t a_steps = 0;  ///< Of a tile of A, at most.
  int64_t a_tiles = 0;  ///< Of a block of rows, for each core row.
  int64_t n_blocks = 0;
  int64_t a_bytes = 0;
  int64_t b_bytes = 0;
  int64_t c_bytes = 0;
};

/// Throws Error kInvalidArgument, as CheckGemmConfig and for sides below 1 or above these.
GemmPlan PlanGemm(const GemmConfig& config, const GemmShape& shape);
inline constexpr int64_t kMostGemmRows = 65536;      ///< 256 runs of a push.
inline constexpr int64_t kMostGemmSum = 131071;      ///< Products of -128 and -128 in 32 bits.
inline constexpr int64_t kMostGemmColumns = 524288;  ///< More than any vocabulary.

/// What the shims do, in MLIR-AIE's operations; and its stream.
Sequence GemmSequence(const GemmPlan& plan);
Stream GemmStream(const GemmPlan& plan);

}  // namespace tandem::npu
