// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// An attention of any size cut into jobs of the design, its runtime stream, and where everything
// lies. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <vector>

#include "devices/npu/attention/attention_design.h"
#include "devices/npu/design/sequence.h"
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

/// 128 queries of a head of keys. Query i of it is row i / group, head kv_head * group + i % group,
/// where group is heads / kv_heads.
struct AttentionJob {
  int64_t kv_head = 0;
  int64_t first_query = 0;
  int64_t first_tile = 0;  ///< Of the packed keys.
  int64_t tiles = 0;
};

/// Bytes of four buffers, kernel arguments 0 to 3:
///   queries [job][column of the group][core row][tile]
///   keys, values [kv head][tile], of 16 positions each from a multiple of 16 on
///   sums [group's columns, by group][job of the group][core row][tile]
/// Jobs go to the groups in turn.
struct AttentionPlan {
  Device device;
  AttentionShape shape;
  std::vector<KeyRange> rows;
  int64_t dims = 0;            ///< head_dim in whole granules of the kernels.
  int64_t first_position = 0;  ///< That is packed.
  int64_t tiles = 0;           ///< Of a head of keys.
  std::vector<AttentionJob> jobs;
  int64_t query_bytes = 0;
  int64_t key_bytes = 0;
  int64_t value_bytes = 0;
  int64_t sum_bytes = 0;

  int64_t group() const { return shape.heads / shape.kv_heads; }
  /// Jobs of a group of columns.
  int64_t JobsOf(int64_t group) const;
  /// Where the first job's results of a column begin.
  int64_t SumOffset(int64_t column) const;
};

inline constexpr int64_t kMostAttentionRows = 65536;
inline constexpr int64_t kMostAttentionHeads = 1024;
inline constexpr int64_t kMostAttentionKeys = 1 << 20;
/// Of all four buffers.
inline constexpr int64_t kMostAttentionBytes = int64_t{1} << 32;

/// Throws Error: kUnsupported as CheckAttentionDevice and for heads of more than 256 dims;
/// kInvalidArgument for heads that are no multiple of the heads of keys, for no rows, rows that see
/// nothing, and what is beyond those limits.
AttentionPlan PlanAttention(const Device& device, const AttentionShape& shape,
                            const std::vector<KeyRange>& rows);

/// What the shims do, in MLIR-AIE's operations; and its stream.
Sequence AttentionSequence(const AttentionPlan& plan);
Stream AttentionStream(const AttentionPlan& plan);

/// What the model of time wants to know of it.
AttentionWork WorkOf(const AttentionPlan& plan);

}  // namespace tandem::npu
