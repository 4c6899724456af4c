// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of float weights, which become floats as they are loaded. Compiled once per instruction
// set, with TANDEM_ISA naming the namespace; uses nothing of the standard library that the linker
// could merge across levels.
#include "devices/cpu/isa_tables.h"
#include "devices/cpu/sources.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

// kWeights weight rows by kTokens activation rows, so that each loaded register serves several
// products. A sum's order is the same in all tiles.
template <typename From, int kWeights, int kTokens>
TANDEM_LANES void Tile(const std::byte* const* w, int64_t cols, const float* x, int64_t x_stride,
                       float* y, int64_t y_stride) {
  Floats16 sum[kWeights][kTokens] = {};
  int64_t k = 0;
  for (; k + 16 <= cols; k += 16) {
    Floats16 xs[kTokens];
    for (int t = 0; t < kTokens; ++t) xs[t] = LoadFloats(x + t * x_stride + k);
    for (int r = 0; r < kWeights; ++r) {
      const Floats16 ws = From::Load(w[r] + k * From::kBytes);
      for (int t = 0; t < kTokens; ++t) sum[r][t] = MulAdd(ws, xs[t], sum[r][t]);
    }
  }
  if (k < cols) {
    for (int r = 0; r < kWeights; ++r) {
      const Floats16 ws = LoadTail<From>(w[r] + k * From::kBytes, cols - k);
      for (int t = 0; t < kTokens; ++t) {
        sum[r][t] = MulAdd(ws, LoadSome(x + t * x_stride + k, cols - k), sum[r][t]);
      }
    }
  }
  for (int r = 0; r < kWeights; ++r) {
    for (int t = 0; t < kTokens; ++t) y[t * y_stride + r] = SumLanes(sum[r][t]);
  }
}

template <typename From, int kWeights>
TANDEM_LANES void Rows(const std::byte* const* w, int64_t cols, const float* x, int64_t x_stride,
                       int64_t rows, float* y, int64_t y_stride) {
  int64_t t = 0;
  for (; t + 4 <= rows; t += 4) {
    Tile<From, kWeights, 4>(w, cols, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
  }
  for (; t < rows; ++t) {
    Tile<From, kWeights, 1>(w, cols, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
  }
}

template <typename From>
void Multiply(const WeightView& w, const int64_t* index, int count, const float* x,
              int64_t x_stride, int64_t rows, float* y, int64_t y_stride) {
  const std::byte* from[kPanelRows];
  for (int r = 0; r < count; ++r) {
    from[r] = w.data + static_cast<size_t>(index[r]) * w.row_stride;
  }
  int r = 0;
  for (; r + 4 <= count; r += 4) {
    Rows<From, 4>(from + r, w.cols, x, x_stride, rows, y + r, y_stride);
  }
  for (; r < count; ++r) Rows<From, 1>(from + r, w.cols, x, x_stride, rows, y + r, y_stride);
}

}  // namespace

void MultiplyFloat(const WeightView& w, const int64_t* index, int count, const float* x,
                   int64_t x_stride, int64_t rows, float* y, int64_t y_stride) {
  switch (w.type) {
    case DType::kF32: return Multiply<FromFloats>(w, index, count, x, x_stride, rows, y, y_stride);
    case DType::kF16: return Multiply<FromHalves>(w, index, count, x, x_stride, rows, y, y_stride);
    case DType::kBF16: return Multiply<FromBf16>(w, index, count, x, x_stride, rows, y, y_stride);
    default: return;
  }
}

}  // namespace tandem::cpu::TANDEM_ISA
