// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations on their way to the array and sums on their way back. Pure functions on the caller's
// memory; thread-safe.
//
// In front of quantised weights an activation has two parts of 8 bits: the second is what the first
// leaves over, in steps of 1/254 of it. Each part is a row to the array, and the host adds their
// sums: nothing is lost but half a step of the second, 1/64,516 of the row's largest value.
#pragma once

#include <cstdint>
#include <span>

namespace tandem::npu {

/// Rounds to the nearest of -127 to 127 steps; returns the step, of which the largest value has
/// 127. Where a value is no number: zeros, and that.
float RoundToBytes(std::span<const float> values, std::span<int8_t> bytes);

/// Row x in two parts [k] each; returns the step of the first.
float SplitRow(std::span<const float> x, std::span<int8_t> first, std::span<int8_t> second);
/// y = what the sums of both parts say, with the row's step and the columns' scales [n].
void JoinRow(std::span<const int32_t> first, std::span<const int32_t> second, float step,
             std::span<const float> column_scales, float* y);

}  // namespace tandem::npu
