// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations in 8 bits: each is an integer of -127 to 127 times a power of two that a row shares
// within a tile of K (as OCP's MXINT8, whose blocks have 32). Pure functions on the caller's
// memory; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tandem::npu {

/// Tiles of K that a row of k values falls into, with an exponent each.
int64_t ScaledTiles(int64_t k);

/// x[i] ~ factor x integers[i] x 2^exponents[i / 128], to the nearest: half a step is at most 1/127
/// of the tile's largest. Returns the factor: 1 but for rows whose largest value is below 2^-54 or
/// beyond 2^66, where it is a power of two that brings them near 1. What is below 2^-101 of it is
/// none. A row with what is no number has zeros, and that as its factor.
float ScaleRow(std::span<const float> x, std::span<int8_t> integers, std::span<int8_t> exponents);

/// Inputs apart: a tile of a row's, in tiles for themselves in front of the others, which they
/// would take bits from, and in two parts. Places of x in A, and in weights: those apart, in their
/// order; those once more, for what the first part leaves over of them; all others. [k + 128]
std::vector<int32_t> OrderApart(int64_t k, std::span<const int32_t> apart);

/// ScaleRow of a row in that order, of 128 apart. integers [(ScaledTiles(k) + 1) x 128], exponents
/// [ScaledTiles(k) + 1].
float ScaleRowApart(std::span<const float> x, std::span<const int32_t> order,
                    std::span<int8_t> integers, std::span<int8_t> exponents);

/// What those of ScaleRow leave over of x, in the same form, with the same factor: both together
/// are within 2^-14 of the tile's largest.
void ScaleRest(std::span<const float> x, float factor, std::span<const int8_t> integers,
               std::span<const int8_t> exponents, std::span<int8_t> rest,
               std::span<int8_t> rest_exponents);

}  // namespace tandem::npu
