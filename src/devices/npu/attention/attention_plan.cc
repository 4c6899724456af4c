// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/attention/attention_plan.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/ceil_divide.h"
#include "core/error.h"
#include "devices/npu/kernels/attention_tile.h"

namespace tandem::npu {
namespace {

static_assert(kMostHeadDim == kAttentionDims);

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

AttentionPlan PlanAttention(const GemmConfig& config, const AttentionShape& shape,
                            const std::vector<KeyRange>& rows) {
  CheckGemmConfig(config);
  if (!Attends(config)) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("attention: the design with results in {} has no room for it",
                            GemmOutputName(config.output)));
  }
  Check(shape, rows);
  AttentionPlan plan;
  plan.config = config;
  plan.shape = shape;
  plan.rows = rows;
  plan.dims = CeilDivide(shape.head_dim, kAttentionDimGranule) * kAttentionDimGranule;
  const auto count = static_cast<int64_t>(rows.size());
  const KeyRange all = RangeOf(rows, 0, count);
  const int64_t first_tile = all.first / kAttentionKeys;
  plan.first_position = first_tile * kAttentionKeys;
  plan.tiles = all.last / kAttentionKeys - first_tile + 1;
  const int64_t columns = config.device.columns;
  const int64_t queries = count * plan.group();
  for (int64_t kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
    for (int64_t first = 0; first < queries; first += columns * kAttentionQueries) {
      AttentionJob job{kv_head, first, std::min(columns * kAttentionQueries, queries - first), 0,
                       0};
      const KeyRange seen =
          RangeOf(rows, first / plan.group(), CeilDivide(first + job.queries, plan.group()));
      job.first_tile = seen.first / kAttentionKeys - first_tile;
      job.tiles = seen.last / kAttentionKeys - first_tile - job.first_tile + 1;
      plan.jobs.push_back(job);
    }
  }
  while (plan.jobs.size() % kCoreRows != 0) plan.jobs.push_back({0, 0, 0, 0, 1});
  plan.key_bytes = shape.kv_heads * plan.tiles * 2 * TileABytes(config);
  plan.query_bytes = plan.rounds() * columns * kCoreRows * kQueryParts * TileBBytes(config);
  plan.sum_bytes = plan.rounds() * columns * kCoreRows * TileCBytes(config);
  if (plan.bytes() > kMostAttentionBytes) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("attention: {} MB of packed queries, keys, values and results: at most "
                            "{}",
                            plan.bytes() >> 20, kMostAttentionBytes >> 20));
  }
  return plan;
}

AttentionWork WorkOf(const AttentionPlan& plan) {
  AttentionWork work;
  work.device = plan.config.device;
  work.dims = plan.dims;
  work.query_tile_bytes = TileBBytes(plan.config);
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    if (i % kCoreRows == 0) work.rounds.emplace_back();
    AttentionWork::Round& round = work.rounds.back();
    round.longest = std::max(round.longest, plan.jobs[i].tiles);
    round.tiles += plan.jobs[i].tiles;
  }
  for (const KeyRange& row : plan.rows) {
    work.macs += 2.0 * static_cast<double>(row.last - row.first + 1) *
                 static_cast<double>(plan.shape.heads * plan.shape.head_dim);
  }
  return work;
}

}  // namespace tandem::npu
