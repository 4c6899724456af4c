// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/attention/attention_pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/kernels/attention_tile.h"

namespace tandem::npu {
namespace {

constexpr double kLog2E = 1.4426950408889634;
constexpr int64_t kBlocks = kAttentionDims / kMicroBf16.s;  // along a head's dims

// Places of elements in their tiles.
constexpr int64_t QueryPlace(int64_t query, int64_t dim) {
  return ((query / 4 * kBlocks + dim / 8) * 8 + dim % 8) * 4 + query % 4;
}
constexpr int64_t KeyPlace(int64_t key, int64_t dim) {
  return ((key / 4 * kBlocks + dim / 8) * 4 + key % 4) * 8 + dim % 8;
}
constexpr int64_t ValuePlace(int64_t key, int64_t dim) {
  return ((dim / 4 * (kAttentionKeys / 8) + key / 8) * 4 + dim % 4) * 8 + key % 8;
}
constexpr int64_t SumPlace(int64_t query, int64_t dim) {
  return ((dim / 4 * (kAttentionQueries / 4) + query / 4) * 4 + dim % 4) * 4 + query % 4;
}

void CheckSize(size_t have, int64_t want, const char* what) {
  if (have != static_cast<size_t>(want)) {
    throw Error(ErrorKind::kInternal, fmt::format("attention: {} of {}, not {}", what, have, want));
  }
}

/// Calls visit(column, query of the core, row, head) for the queries of a job.
template <typename Visit>
void ForQueries(const AttentionPlan& plan, const AttentionJob& job, const Visit& visit) {
  for (int64_t i = 0; i < job.queries; ++i) {
    const int64_t query = job.first_query + i;
    visit(i / kAttentionQueries, i % kAttentionQueries, query / plan.group(),
          job.kv_head * plan.group() + query % plan.group());
  }
}

/// Where a core's queries begin, of a column's in [round][core row].
int64_t QueryTile(const AttentionPlan& plan, int64_t column, int64_t job) {
  return (column * static_cast<int64_t>(plan.jobs.size()) + job) * kQueryParts *
         TileBBytes(plan.config);
}

/// What a core's queries see, in both parts: nothing yet.
struct Headers {
  Headers(const AttentionPlan& plan, const AttentionJob& job) {
    for (uint32_t i = 0; i < kQueryParts; ++i) {
      AttentionQueryHeader& header = parts[i];
      header.part = i;
      header.dims = static_cast<uint32_t>(plan.dims);
      header.key_tiles = static_cast<uint32_t>(job.tiles);
      header.all_to = static_cast<int32_t>(kMostAttentionKeys);
      std::fill(std::begin(header.last), std::end(header.last), -1);
    }
  }
  void Add(int64_t query, const KeyRange& seen) {
    const auto first = static_cast<int32_t>(seen.first);
    const auto last = static_cast<int32_t>(seen.last);
    parts[query / kPartQueries].first[query % kPartQueries] = first;
    parts[query / kPartQueries].last[query % kPartQueries] = last;
    for (AttentionQueryHeader& header : parts) {
      header.all_from = std::max(header.all_from, first);
      header.all_to = std::min(header.all_to, last);
    }
  }
  AttentionQueryHeader parts[kQueryParts];
};

}  // namespace

void PackQueries(const AttentionPlan& plan, std::span<const float> q, float scale,
                 std::span<std::byte> out) {
  const auto [heads, kv_heads, dims] = plan.shape;
  CheckSize(q.size(), static_cast<int64_t>(plan.rows.size()) * heads * dims, "queries");
  CheckSize(out.size(), plan.query_bytes, "packed queries");
  std::fill(out.begin(), out.end(), std::byte{});
  const auto factor = static_cast<float>(scale * kLog2E);
  const int64_t columns = plan.config.device.columns;
  const int64_t part_bytes = TileBBytes(plan.config);
  constexpr int64_t kPartElements = kPartQueries * kAttentionDims;
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    const AttentionJob& job = plan.jobs[i];
    std::vector<Headers> headers(static_cast<size_t>(columns), Headers(plan, job));
    const auto tile = [&](int64_t column, int64_t part) {
      return out.data() + QueryTile(plan, column, static_cast<int64_t>(i)) + part * part_bytes;
    };
    ForQueries(plan, job, [&](int64_t column, int64_t query, int64_t row, int64_t head) {
      headers[static_cast<size_t>(column)].Add(query, plan.rows[static_cast<size_t>(row)]);
      auto* const to = reinterpret_cast<uint16_t*>(tile(column, query / kPartQueries) +
                                                   sizeof(AttentionQueryHeader));
      const float* const from = q.data() + (row * plan.shape.heads + head) * plan.shape.head_dim;
      for (int64_t dim = 0; dim < plan.shape.head_dim; ++dim) {
        to[QueryPlace(query, dim) % kPartElements] = FloatToBf16(from[dim] * factor);
      }
    });
    for (int64_t column = 0; column < columns; ++column) {
      for (int64_t part = 0; part < kQueryParts; ++part) {
        const AttentionQueryHeader& header = headers[static_cast<size_t>(column)].parts[part];
        std::memcpy(tile(column, part), &header, sizeof header);
      }
    }
  }
}

KeyPacker::KeyPacker(const AttentionPlan& plan, std::span<std::byte> out) : plan_(plan), out_(out) {
  CheckSize(out.size(), plan.key_bytes, "packed keys");
  std::fill(out.begin(), out.end(), std::byte{});
  for (int64_t i = 0; i < 2 * plan.shape.kv_heads * plan.tiles; ++i) {
    AttentionKeyHeader header;
    header.flags = i % 2 == 0 ? kAttentionIsKeys : kAttentionIsValues;
    header.dims = static_cast<uint32_t>(plan.dims);
    header.position =
        static_cast<int32_t>(plan.first_position + i / 2 % plan.tiles * kAttentionKeys);
    std::memcpy(out.data() + i * TileABytes(plan.config), &header, sizeof header);
  }
}

void KeyPacker::Set(int64_t position, std::span<const float> key, std::span<const float> value) {
  const int64_t dims = plan_.shape.head_dim;
  CheckSize(key.size(), plan_.shape.kv_heads * dims, "a key");
  CheckSize(value.size(), plan_.shape.kv_heads * dims, "a value");
  const int64_t at = position - plan_.first_position;
  if (at < 0 || at >= plan_.tiles * kAttentionKeys) {
    throw Error(ErrorKind::kInternal, fmt::format("attention: no room for position {}", position));
  }
  const int64_t bytes = TileABytes(plan_.config);
  const int64_t slot = at % kAttentionKeys;
  for (int64_t head = 0; head < plan_.shape.kv_heads; ++head) {
    std::byte* const tile = out_.data() + 2 * (head * plan_.tiles + at / kAttentionKeys) * bytes +
                            sizeof(AttentionKeyHeader);
    auto* const keys = reinterpret_cast<uint16_t*>(tile);
    auto* const values = reinterpret_cast<uint16_t*>(tile + bytes);
    for (int64_t dim = 0; dim < dims; ++dim) {
      const auto from = static_cast<size_t>(head * dims + dim);
      keys[KeyPlace(slot, dim)] = FloatToBf16(key[from]);
      values[ValuePlace(slot, dim)] = FloatToBf16(value[from]);
    }
  }
}

void UnpackContext(const AttentionPlan& plan, std::span<const std::byte> packed,
                   std::span<float> context) {
  const int64_t width = plan.shape.heads * plan.shape.head_dim;
  CheckSize(packed.size(), plan.sum_bytes, "packed results");
  CheckSize(context.size(), static_cast<int64_t>(plan.rows.size()) * width, "results");
  const auto jobs = static_cast<int64_t>(plan.jobs.size());
  for (int64_t i = 0; i < jobs; ++i) {
    const auto visit = [&](int64_t column, int64_t query, int64_t row, int64_t head) {
      const auto* const sums = reinterpret_cast<const float*>(
          packed.data() + (column * jobs + i) * TileCBytes(plan.config));
      float* const to = context.data() + row * width + head * plan.shape.head_dim;
      for (int64_t dim = 0; dim < plan.shape.head_dim; ++dim) to[dim] = sums[SumPlace(query, dim)];
    };
    ForQueries(plan, plan.jobs[static_cast<size_t>(i)], visit);
  }
}

}  // namespace tandem::npu
