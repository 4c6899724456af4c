// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the headers of weights' tiles ask for, step by step of a sum whose inputs are bytes of rows
// with scales. Internal to gemm.
#pragma once

#include <cstdint>

#include "devices/npu/kernels/gated_tile.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/kernels/row_tile.h"

namespace tandem::npu {

/// Flags of step `step` of `steps`: the first one `begins` a sum, the last one `ends` it, and
/// scales come with the first kScaleParts.
inline uint32_t StepFlags(uint32_t begins, uint32_t ends, int64_t step, int64_t steps) {
  uint32_t flags = step == 0 ? begins : 0;
  if (step < kScaleParts) flags |= kBringsScales;
  if (step + 1 == steps) flags |= ends;
  return flags;
}

/// How a sum ends that leaves as values of rows and their own sums.
inline constexpr uint32_t kEndsInRows = kHoldsGate | kLeavesRows | kLastOfSum;

/// How a sum of up ends: a half of a tile of h, the `first` or the `last` one of its tile.
inline uint32_t EndsOfUp(bool first, bool last) {
  return kGates | (first ? kKeepsHalf : 0) | (last ? kJoinsHalves | kLastOfSum : 0);
}

}  // namespace tandem::npu
