// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gated products, h = gelu(A G) x (A U) for 128 columns at a time, which are a tile of A for the
// product behind: what kernels, the design and those who pack matrices agree on beside gemm_tile.h.
// Also included by AIE compilers.
//
// A core sums four times for such a tile: the gate's first 64 columns, up's, the gate's others,
// up's. Where there are few columns, twice: both halves of the tile are the same then, and the
// product behind has no weights for the second. What is done with complete sums, the tile of B that
// ends them says. The result leaves in the first bytes of the room of sums, once.
#pragma once

#include <cstddef>
#include <cstdint>

#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {

// Flags of a tile of B beside kFirstOfSum, of the first sum alone, and kLastOfSum, of the last.
inline constexpr uint32_t kNextSum = 4;        ///< Sums start from zero where the last ones were.
inline constexpr uint32_t kBringsScales = 8;   ///< A part of the columns' scales.
inline constexpr uint32_t kHoldsGate = 16;     ///< Sums are complete: the gate,
inline constexpr uint32_t kGates = 32;         ///< or up, which becomes a half of h.
inline constexpr uint32_t kKeepsHalf = 64;     ///< It is the first,
inline constexpr uint32_t kJoinsHalves = 128;  ///< and the second.
inline constexpr uint32_t kLeavesRows = 256;   ///< With kHoldsGate: that leaves (row_tile.h).

/// 64 scales come with a sum's first three tiles, which it has at least.
inline constexpr int kScaleParts = 3;
static_assert(kScaleParts * kScalesOfPart >= kTileN);
/// In a core's memory eight columns' scales lie as often as a vector of 32 values takes them.
inline constexpr int kScaleCopies = 4;
inline constexpr size_t kColumnScaleBytes = size_t{2} * kScaleCopies * kScaleParts * kScalesOfPart;

/// A half of a tile of h until the other is there: [m/R][8][R][8], and an exponent for each row.
struct GatedHalf {
  int8_t values[kTileM * kTileN];
  int8_t exponents[kTileM];
};
/// The gate's half in bfloat16, in the order of sums. Of its room the second half of h takes some.
inline constexpr size_t kGateBytes = size_t{2} * kTileM * kTileN;
static_assert(sizeof(GatedHalf) <= kGateBytes);
/// Columns of a gated tile.
inline constexpr int kGatedColumns = 2 * kTileN;
static_assert(kGatedColumns == kTileKI8 && kTileABytes <= kTileSumBytes);

}  // namespace tandem::npu
