// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Scalar reference kernels on float rows. Each output element is computed by the same sequence of
// float operations whatever the batch or the number of threads, so results are reproducible bit for
// bit. Sums run in 16 interleaved partial sums, which keeps the rounding error of long rows small
// and lets any vector unit take part.
#pragma once

#include <cstdint>
#include <span>

#include "core/thread_team.h"
#include "formats/weight_view.h"

namespace tandem::cpu {

/// Multiplications worth handing to another thread: waking one takes 5 to 20 us, in which a core
/// does about this many. A tanh or exp counts as 16.
inline constexpr int64_t kThreadWork = 1 << 16;

/// sum_i a[i] b[i]
float Dot(const float* a, const float* b, int64_t n);
/// sum_i x[i]
float Sum(const float* x, int64_t n);
/// sqrt(mean(x^2))
float RootMeanSquare(const float* x, int64_t n);

/// y = w * x / sqrt(mean(x^2) + eps); no weight when `w` is null. In place is allowed.
void RmsNorm(const float* x, const float* w, float eps, int64_t n, float* y);

/// GELU, tanh approximation: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
float Gelu(float x);

/// y[t, r] = dot(w row r, x row t) for all rows of `w`.
///   x [rows, w.cols], y [rows, w.rows], both with the given strides in floats.
/// Rows r with skip[r] != 0 are left at 0 without reading the weights; empty means none.
void MatMul(ThreadTeam& team, const WeightView& w, const float* x, int64_t x_stride, int64_t rows,
            float* y, int64_t y_stride, std::span<const uint8_t> skip = {});

}  // namespace tandem::cpu
