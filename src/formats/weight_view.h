// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A matrix of stored weights, [rows, cols] with cols fastest, owned by somebody else (a mapped
// file). Small enough to copy. The row stride may exceed the row: a MatFormer slice of a wider
// matrix is a view of it, not a copy.
#pragma once

#include <cstddef>
#include <cstdint>

#include "formats/dtype.h"

namespace tandem {

struct WeightView {
  DType type = DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  size_t row_stride = 0;  ///< Bytes from one row to the next.
  const std::byte* data = nullptr;

  bool empty() const { return data == nullptr; }
  const std::byte* Row(int64_t row) const { return data + static_cast<size_t>(row) * row_stride; }

  /// Rows [first, first + count). REQUIRES: inside the view.
  WeightView Rows(int64_t first, int64_t count) const;
  /// Columns [first, first + count). REQUIRES: inside the view, both multiples of the block length.
  WeightView Cols(int64_t first, int64_t count) const;
  /// Bytes of one row's data (not the stride).
  size_t RowDataBytes() const { return RowBytes(type, cols); }
  /// Bytes of all rows' data.
  size_t DataBytes() const { return static_cast<size_t>(rows) * RowDataBytes(); }
  /// Unpacks one row. `target` has room for cols.
  void ReadRow(int64_t row, float* target) const { DequantizeRow(type, Row(row), target, cols); }
};

}  // namespace tandem
