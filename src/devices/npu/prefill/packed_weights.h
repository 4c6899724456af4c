// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights in the array's layout, and what the host has to multiply the array's sums with. Made once
// from views of the model; owns its memory, which must not outlive the backend. Immutable: any
// number of threads may read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/prefill/product_plan.h"

namespace tandem::npu {

/// Where a row's weights are in a column: runs, `stride` apart. All are multiples of 32 where types
/// of 32 are packed as they are.
struct ColumnLayout {
  int64_t depth = 0;
  int64_t run = depth;
  int64_t stride = depth;
  /// Those of inputs apart, in front of the others (OrderApart); of i4 whole blocks of 32. Then
  /// there is one run.
  std::span<const int32_t> apart = {};
  /// What the row's weights are multiplied with; empty: 1. Of i4 the same for each 32.
  std::span<const float> times = {};
};

/// Of the products over a part's k; refers to it. REQUIRES: inputs that are to be apart are known.
ColumnLayout LayoutOf(const ProductPart& part);

/// Rows of matrices as columns of packed B of a type.
class RowPacker {
 public:
  explicit RowPacker(GemmType type) : type_(type) {}
  /// With zeros where the layout has no weights. Returns the column's scale, rounded up to bfloat16
  /// where that is wanted; what is no number where the row holds such, 1 of bf16.
  float Pack(const WeightView& matrix, int64_t row, const ColumnLayout& layout, bool round_scale,
             ColumnPacker& packer, int64_t column) const;

 private:
  GemmType type_;
};

class PackedWeights {
 public:
  /// i4: the weights of Q4_0 as they are, and a ratio for each 32 (pack.h). i8: each row of a
  /// matrix rounded to 255 steps of its largest. bf16: rounded to nearest. A row that holds what is
  /// no number gets that as its scale, so that its results are none. Throws Error kResource without
  /// memory.
  PackedWeights(const ProductPart& part, ArrayBackend& backend);

  const ProductPart& part() const { return part_; }
  /// In the array's memory, which sees it.
  ArrayBuffer& buffer() const { return *buffer_; }
  std::span<const std::byte> bytes() const { return buffer_->bytes(); }
  /// What the sums of a column are multiplied with [n]; empty for bf16.
  std::span<const float> column_scales() const { return column_scales_; }

 private:
  ProductPart part_;
  std::unique_ptr<ArrayBuffer> buffer_;
  std::vector<float> column_scales_;
};

}  // namespace tandem::npu
