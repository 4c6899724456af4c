// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the host brings to a product with a norm behind (norm_plan.h), and its results out of their
// rooms. Pure functions on the caller's memory; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "devices/npu/gemm/norm_plan.h"
#include "devices/npu/gemm/pack.h"

namespace tandem::npu {

/// The product's weights as ColumnPacker, whose columns are results in their order. Refers to plan
/// and memory.
class OutPacker : public ColumnPacker {
 public:
  OutPacker(const NormPlan& plan, std::span<std::byte> out);
};

/// Which result each column of the product is: those apart first. `apart`: 128, or none.
std::vector<int32_t> OrderOfResults(int64_t n, std::span<const int32_t> apart);

/// Results of the product, which are bfloat16, [m, n].
void UnpackOut(const NormPlan& plan, std::span<const int32_t> order,
               std::span<const std::byte> rooms, std::span<float> results);

/// Constants of a norm.
struct NormWeights {
  std::span<const float> post;  ///< [n] of o's norm,
  float post_epsilon = 0;
  std::span<const float> pre;  ///< and of y's.
  float pre_epsilon = 0;
  std::span<const int32_t> order;  ///< OrderOfResults
};
/// The norm's B: base [m, n], which is rounded to bfloat16; the headers behind the rooms; and into
/// the tail of its C the next product's tile.
void PackNorm(const NormPlan& plan, const NormWeights& weights, std::span<const float> base,
              std::span<std::byte> b);
void PackNormHeaders(const NormPlan& plan, std::span<std::byte> rooms);
void PackNormTail(const NormPlan& plan, const NormWeights& weights, std::span<std::byte> x);

}  // namespace tandem::npu
