// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// An attention with made-up data on the emulated array, compared with a plain softmax in double.
// Pure functions; thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "devices/npu/attention/attention_plan.h"
#include "devices/npu/runner/array_runner.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {

struct AttentionTrial {
  AttentionPlan plan;
  Stream stream;  ///< What the array was told for it.
  /// The values that the array computed with: [rows, heads, head_dim], [keys, kv_heads, head_dim]
  /// twice; and what came of it, [rows, heads, head_dim]. Queries as before scaling.
  std::vector<float> q, k, v, o;
  int64_t keys = 0;
  bool ok = false;           ///< Each element is within AttentionBound() of the reference.
  double max_abs_error = 0;  ///< Against the reference.
};

/// softmax(scale q K^T) V in double of one query [head_dim], over keys and values that lie `stride`
/// apart.
std::vector<double> PlainAttention(std::span<const float> q, const float* keys, const float* values,
                                   int64_t stride, const KeyRange& seen, double scale);

/// How far from the reference an element of a context may be, where `score` is the largest size
/// of a score in powers of two and `value` that of a value: what rounding can do to weights (their
/// bfloat16, the cubic, fixed point) and to scores, whose products are summed in float, twice over,
/// for both the sums and the total.
double AttentionBound(double score, double value, int64_t head_dim, int64_t keys);

/// Queries are the last `rows` of `keys` positions. Normal data; scores deviate by about 2. Equal
/// seeds give equal data. On the emulated array. Throws Error as PlanAttention, and kDeviceLost
/// with the report where the array stops.
AttentionTrial TryAttention(const GemmConfig& config, const AttentionShape& shape, int64_t rows,
                            int64_t keys, int64_t window, uint64_t seed);
/// The same on an array that is configured with MakeGemmDesign(config). Throws Error as
/// PlanAttention and ArrayRunner::Run.
AttentionTrial TryAttentionOn(ArrayRunner& runner, const GemmConfig& config,
                              const AttentionShape& shape, int64_t rows, int64_t keys,
                              int64_t window, uint64_t seed, std::chrono::milliseconds timeout);

}  // namespace tandem::npu
