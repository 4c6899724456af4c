// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The reference level: scalar arithmetic on float rows, the oracle of all other levels. Its row
// kernels are behind RowKernelsOf(Isa::kReference). Each output element is computed by the same
// sequence of float operations whatever the batch or the number of threads, so results are
// reproducible bit for bit. Sums run in 16 interleaved partial sums, which keeps the rounding error
// of long rows small and lets any vector unit take part.
#pragma once

#include <cstdint>
#include <span>

#include "core/thread_team.h"
#include "formats/weight_view.h"

namespace tandem::cpu {

/// Multiplications worth handing to another thread. Assumed, not measured: some microseconds of
/// scalar arithmetic, more than a team that is awake needs to be told. A tanh or exp counts as 16.
inline constexpr int64_t kThreadWork = 1 << 14;

/// y[t, r] = dot(w row r, x row t) for all rows of `w`.
///   x [rows, w.cols], y [rows, w.rows], both with the given strides in floats.
/// Rows r with skip[r] != 0 are left at 0 without reading the weights; empty means none.
void MatMul(ThreadTeam& team, const WeightView& w, const float* x, int64_t x_stride, int64_t rows,
            float* y, int64_t y_stride, std::span<const uint8_t> skip = {});

}  // namespace tandem::cpu
