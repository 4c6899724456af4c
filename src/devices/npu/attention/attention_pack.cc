// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/attention/attention_pack.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/kernels/attention_tile.h"

namespace tandem::npu {
namespace {

constexpr auto kTile = static_cast<int64_t>(kAttentionTileBytes);
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

uint16_t* ElementsOf(std::byte* tile) {
  return reinterpret_cast<uint16_t*>(tile + kAttentionHeaderBytes);
}

/// Calls visit(core of the group, query of the core, row, head) for the queries of a job.
template <typename Visit>
void ForQueries(const AttentionPlan& plan, const AttentionJob& job, const Visit& visit) {
  const int64_t all = static_cast<int64_t>(plan.rows.size()) * plan.group();
  const int64_t count = std::min(kJobQueries, all - job.first_query);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t query = job.first_query + i;
    visit(i / kAttentionQueries, i % kAttentionQueries, query / plan.group(),
          job.kv_head * plan.group() + query % plan.group());
  }
}

/// What the core's queries see: nothing yet.
AttentionHeader QueryHeader(const AttentionPlan& plan, const AttentionJob& job, int64_t core) {
  AttentionHeader header;
  header.flags = kAttentionIsQueries << core % kCoreRows;
  header.dims = static_cast<uint32_t>(plan.dims);
  header.key_tiles = static_cast<uint32_t>(job.tiles);
  header.all_to = static_cast<int32_t>(kMostAttentionKeys);
  std::fill(std::begin(header.last), std::end(header.last), -1);
  return header;
}

}  // namespace

void PackQueries(const AttentionPlan& plan, std::span<const float> q, float scale,
                 std::span<std::byte> out) {
  const auto [heads, kv_heads, dims] = plan.shape;
  CheckSize(q.size(), static_cast<int64_t>(plan.rows.size()) * heads * dims, "queries");
  CheckSize(out.size(), plan.query_bytes, "packed queries");
  std::fill(out.begin(), out.end(), std::byte{});
  const auto factor = static_cast<float>(scale * kLog2E);
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    const AttentionJob& job = plan.jobs[i];
    std::byte* const tiles = out.data() + static_cast<int64_t>(i) * kGroupCores * kTile;
    AttentionHeader headers[kGroupCores];
    for (int64_t core = 0; core < kGroupCores; ++core) headers[core] = QueryHeader(plan, job, core);
    ForQueries(plan, job, [&](int64_t core, int64_t query, int64_t row, int64_t head) {
      const KeyRange& seen = plan.rows[static_cast<size_t>(row)];
      AttentionHeader& header = headers[core];
      header.first[query] = static_cast<int32_t>(seen.first);
      header.last[query] = static_cast<int32_t>(seen.last);
      header.all_from = std::max(header.all_from, header.first[query]);
      header.all_to = std::min(header.all_to, header.last[query]);
      uint16_t* const to = ElementsOf(tiles + core * kTile);
      const float* const from = q.data() + (row * plan.shape.heads + head) * plan.shape.head_dim;
      for (int64_t dim = 0; dim < plan.shape.head_dim; ++dim) {
        to[QueryPlace(query, dim)] = FloatToBf16(from[dim] * factor);
      }
    });
    for (int64_t core = 0; core < kGroupCores; ++core) {
      std::memcpy(tiles + core * kTile, &headers[core], sizeof headers[core]);
    }
  }
}

KeyPacker::KeyPacker(const AttentionPlan& plan, std::span<std::byte> keys,
                     std::span<std::byte> values)
    : plan_(plan), keys_(keys), values_(values) {
  CheckSize(keys.size(), plan.key_bytes, "packed keys");
  CheckSize(values.size(), plan.value_bytes, "packed values");
  for (const std::span<std::byte> tiles : {keys, values}) {
    std::fill(tiles.begin(), tiles.end(), std::byte{});
    for (int64_t i = 0; i < plan.shape.kv_heads * plan.tiles; ++i) {
      AttentionHeader header;
      header.flags = kAttentionIsKeys;
      header.dims = static_cast<uint32_t>(plan.dims);
      header.position = static_cast<int32_t>(plan.first_position + i % plan.tiles * kAttentionKeys);
      std::memcpy(tiles.data() + i * kTile, &header, sizeof header);
    }
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
  for (int64_t head = 0; head < plan_.shape.kv_heads; ++head) {
    const int64_t tile = (head * plan_.tiles + at / kAttentionKeys) * kTile;
    uint16_t* const keys = ElementsOf(keys_.data() + tile);
    uint16_t* const values = ElementsOf(values_.data() + tile);
    const int64_t slot = at % kAttentionKeys;
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
  const int64_t groups = AttentionGroups(plan.device);
  for (size_t i = 0; i < plan.jobs.size(); ++i) {
    const int64_t group = static_cast<int64_t>(i) % groups;
    const int64_t number = static_cast<int64_t>(i) / groups;  // among the group's jobs
    ForQueries(plan, plan.jobs[i], [&](int64_t core, int64_t query, int64_t row, int64_t head) {
      const int64_t column = group * kGroupColumns + core / kCoreRows;
      const int64_t tile = number * kCoreRows + core % kCoreRows;
      const auto* const sums = reinterpret_cast<const float*>(
          packed.data() + plan.SumOffset(column) + tile * static_cast<int64_t>(kAttentionSumBytes));
      float* const to = context.data() + row * width + head * plan.shape.head_dim;
      for (int64_t dim = 0; dim < plan.shape.head_dim; ++dim) to[dim] = sums[SumPlace(query, dim)];
    });
  }
}

}  // namespace tandem::npu
