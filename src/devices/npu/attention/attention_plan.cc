// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/attention/attention_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/error.h"
#include "devices/npu/kernels/attention_tile.h"

namespace tandem::npu {
namespace {

int64_t CeilDivide(int64_t value, int64_t by) { return (value + by - 1) / by; }

void Check(const AttentionShape& shape, const std::vector<KeyRange>& rows) {
  const auto refuse = [](const std::string& problem) {
    throw Error(ErrorKind::kInvalidArgument, "attention: " + problem);
  };
  if (shape.kv_heads < 1 || shape.heads < shape.kv_heads || shape.heads > kMostAttentionHeads ||
      shape.heads % shape.kv_heads != 0) {
    refuse(fmt::format("{} heads with {} of keys: a multiple of those, at most {}", shape.heads,
                       shape.kv_heads, kMostAttentionHeads));
  }
  if (shape.head_dim < 1 || shape.head_dim > kMostHeadDim) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("attention: heads of {} dims: the design takes 1 to {}", shape.head_dim,
                            kAttentionDims));
  }
  if (rows.empty() || rows.size() > static_cast<size_t>(kMostAttentionRows)) {
    refuse(fmt::format("{} rows of queries: 1 to {}", rows.size(), kMostAttentionRows));
  }
  for (const KeyRange& row : rows) {
    if (row.first < 0 || row.last < row.first || row.last >= kMostAttentionKeys) {
      refuse(fmt::format("a row that sees positions {} to {}: some, below {}", row.first, row.last,
                         kMostAttentionKeys));
    }
  }
}

/// What rows [begin, end) see together.
KeyRange RangeOf(const std::vector<KeyRange>& rows, int64_t begin, int64_t end) {
  KeyRange range = rows[static_cast<size_t>(begin)];
  for (int64_t i = begin + 1; i < end; ++i) {
    range.first = std::min(range.first, rows[static_cast<size_t>(i)].first);
    range.last = std::max(range.last, rows[static_cast<size_t>(i)].last);
  }
  return range;
}

}  // namespace

std::vector<KeyRange> CausalRows(int64_t rows, int64_t keys, int64_t window) {
  std::vector<KeyRange> ranges;
  for (int64_t i = 0; i < rows; ++i) {
    const int64_t position = keys - rows + i;
    ranges.push_back({window > 0 ? std::max<int64_t>(0, position - window + 1) : 0, position});
  }
  return ranges;
}

int64_t AttentionPlan::JobsOf(int64_t group) const {
  const int64_t groups = AttentionGroups(device);
  return (static_cast<int64_t>(jobs.size()) + groups - 1 - group) / groups;
}

int64_t AttentionPlan::SumOffset(int64_t column) const {
  int64_t results = 0;
  for (int64_t i = 0; i < column; ++i) results += JobsOf(i / kGroupColumns) * kCoreRows;
  return results * static_cast<int64_t>(kAttentionSumBytes);
}

AttentionPlan PlanAttention(const Device& device, const AttentionShape& shape,
                            const std::vector<KeyRange>& rows) {
  CheckAttentionDevice(device);
  Check(shape, rows);
  AttentionPlan plan;
  plan.device = device;
  plan.shape = shape;
  plan.rows = rows;
  plan.dims = CeilDivide(shape.head_dim, kAttentionDimGranule) * kAttentionDimGranule;
  const auto count = static_cast<int64_t>(rows.size());
  const KeyRange all = RangeOf(rows, 0, count);
  const int64_t first_tile = all.first / kAttentionKeys;
  plan.first_position = first_tile * kAttentionKeys;
  plan.tiles = all.last / kAttentionKeys - first_tile + 1;
  const int64_t queries = count * plan.group();
  for (int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
    for (int64_t first = 0; first < queries; first += kJobQueries) {
      const int64_t end = std::min(first + kJobQueries, queries);
      const KeyRange seen = RangeOf(rows, first / plan.group(), CeilDivide(end, plan.group()));
      AttentionJob job{kv_head, first, seen.first / kAttentionKeys - first_tile, 0};
      job.tiles = seen.last / kAttentionKeys - first_tile - job.first_tile + 1;
      plan.jobs.push_back(job);
    }
  }
  constexpr auto kTile = static_cast<int64_t>(kAttentionTileBytes);
  const auto cores = static_cast<int64_t>(plan.jobs.size()) * kGroupCores;
  plan.query_bytes = cores * kTile;
  plan.key_bytes = shape.kv_heads * plan.tiles * kTile;
  plan.value_bytes = plan.key_bytes;
  plan.sum_bytes = cores * static_cast<int64_t>(kAttentionSumBytes);
  const int64_t bytes = plan.query_bytes + plan.key_bytes + plan.value_bytes + plan.sum_bytes;
  if (bytes > kMostAttentionBytes) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("attention: {} MB of packed queries, keys, values and results: at most "
                            "{}",
                            bytes >> 20, kMostAttentionBytes >> 20));
  }
  return plan;
}

AttentionWork WorkOf(const AttentionPlan& plan) {
  AttentionWork work;
  work.device = plan.device;
  work.dims = plan.dims;
  const auto groups = static_cast<size_t>(AttentionGroups(plan.device));
  work.groups.resize(std::min(groups, plan.jobs.size()));
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    AttentionWork::Group& group = work.groups[i % groups];
    ++group.jobs;
    group.tiles += plan.jobs[i].tiles;
  }
  for (const KeyRange& row : plan.rows) {
    work.macs += 2.0 * static_cast<double>(row.last - row.first + 1) *
                 static_cast<double>(plan.shape.heads * plan.shape.head_dim);
  }
  return work;
}

}  // namespace tandem::npu
