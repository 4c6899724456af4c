// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention on the designs of matrix products (gemm_design.h), which need no other configuration
// for it: a problem of any size cut into jobs, its runtime stream, and where everything lies. Pure
// functions; thread-safe.
//
// A row of cores takes a job: queries of one head of keys, 16 in each core. Keys and values stream
// through the row as A does, a tile of keys and one of values in turn; every core of the row takes
// all of them, and keeps its queries and their sums. The queries of four jobs, one for each row,
// come down the columns as B does. How many keys follow, and what each query sees, the tiles of
// queries say; cores and memory tiles hold nothing of a problem, and keys that no query of a job
// sees are not sent.
#pragma once

#include <cstdint>
#include <vector>

#include "devices/npu/design/sequence.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/stream/stream.h"
#include "devices/npu/timing/attention_time.h"

namespace tandem::npu {

/// Query head h looks at the keys of head h / (heads / kv_heads).
struct AttentionShape {
  int64_t heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  friend bool operator==(const AttentionShape&, const AttentionShape&) = default;
};
/// Positions that the queries of a row see, both included.
struct KeyRange {
  int64_t first = 0;
  int64_t last = 0;
};
/// Causal, the queries being the last `rows` of `keys` positions; of each the last `window`
/// positions, itself included; 0 = all.
std::vector<KeyRange> CausalRows(int64_t rows, int64_t keys, int64_t window);

/// Queries of a head of keys. Query i of it is row i / group, head kv_head * group + i % group,
/// where group is heads / kv_heads.
struct AttentionJob {
  int64_t kv_head = 0;
  int64_t first_query = 0;
  int64_t queries = 0;     ///< None: a core row that is left over in the last round.
  int64_t first_tile = 0;  ///< Of the packed keys.
  int64_t tiles = 0;
};

/// Bytes of three buffers, kernel arguments 0 to 2:
///   keys and values [kv head][tile][keys, values], of 16 positions each from a multiple of 16 on
///   queries [column][round][core row][part]
///   sums [column][round][core row]
/// A round is a job for each core row.
struct AttentionPlan {
  GemmConfig config;
  AttentionShape shape;
  std::vector<KeyRange> rows;
  int64_t dims = 0;                ///< head_dim in whole granules of the kernels.
  int64_t first_position = 0;      ///< That is packed.
  int64_t tiles = 0;               ///< Of a head of keys.
  std::vector<AttentionJob> jobs;  ///< Whole rounds.
  int64_t key_bytes = 0;
  int64_t query_bytes = 0;
  int64_t sum_bytes = 0;

  int64_t group() const { return shape.heads / shape.kv_heads; }
  int64_t rounds() const { return static_cast<int64_t>(jobs.size()) / kCoreRows; }
  int64_t bytes() const { return key_bytes + query_bytes + sum_bytes; }
};

inline constexpr int64_t kMostHeadDim = 256;
inline constexpr int64_t kMostAttentionRows = 65536;
inline constexpr int64_t kMostAttentionHeads = 1024;
inline constexpr int64_t kMostAttentionKeys = 1 << 20;
/// Of all three buffers.
inline constexpr int64_t kMostAttentionBytes = int64_t{1} << 32;

/// Throws Error: kUnsupported for designs that do not attend and for heads of more than 256 dims;
/// kInvalidArgument as CheckGemmConfig, for heads that are no multiple of the heads of keys, for no
/// rows, rows that see nothing, and what is beyond those limits.
AttentionPlan PlanAttention(const GemmConfig& config, const AttentionShape& shape,
                            const std::vector<KeyRange>& rows);

/// What the shims do, in MLIR-AIE's operations; and its stream.
Sequence AttentionSequence(const AttentionPlan& plan);
Stream AttentionStream(const AttentionPlan& plan);

/// What the model of time wants to know of it.
AttentionWork WorkOf(const AttentionPlan& plan);

}  // namespace tandem::npu
