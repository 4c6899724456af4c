// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Queries, keys, values and results to and from the order in which the array takes them
// (AttentionPlan, attention_tile.h). What fills no tile is zeros that no query sees. Pure functions
// on the caller's memory; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "devices/npu/attention/attention_plan.h"

namespace tandem::npu {

/// Queries [rows, heads * head_dim], multiplied with `scale` and log2(e) and rounded to bfloat16,
/// into the plan's query_bytes.
void PackQueries(const AttentionPlan& plan, std::span<const float> q, float scale,
                 std::span<std::byte> out);

/// Keys and values, position by position. Refers to plan and memory.
class KeyPacker {
 public:
  /// `out`, key_bytes of the plan, becomes zeros and headers.
  KeyPacker(const AttentionPlan& plan, std::span<std::byte> out);
  /// What lies at a position between the plan's first and last, [kv_heads * head_dim] each, rounded
  /// to bfloat16.
  void Set(int64_t position, std::span<const float> key, std::span<const float> value);

 private:
  const AttentionPlan& plan_;
  std::span<std::byte> out_;
};

/// Results out of sum_bytes, [rows, heads * head_dim].
void UnpackContext(const AttentionPlan& plan, std::span<const std::byte> packed,
                   std::span<float> context);

}  // namespace tandem::npu
