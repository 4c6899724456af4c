// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations in 8 bits: each is an integer of -127 to 127 times a power of two that a row shares
// within a tile of K (as OCP's MXINT8, whose blocks have 32). Pure functions on the caller's
// memory; thread-safe.
#pragma once

#include <cstdint>
#include <span>

namespace tandem::npu {

/// Tiles of K that a row of k values falls into, with an exponent each.
int64_t ScaledTiles(int64_t k);

/// x[i] ~ factor x integers[i] x 2^exponents[i / 128], to the nearest: half a step is at most 1/127
/// of the tile's largest. Returns the factor: 1 but for rows whose largest value is below 2^-54 or
/// beyond 2^66, where it is a power of two that brings them near 1. What is below 2^-101 of it is
/// none. A row with what is no number has zeros, and that as its factor.
float ScaleRow(std::span<const float> x, std::span<int8_t> integers, std::span<int8_t> exponents);

/// The same with some inputs apart from their tiles, which they would take bits from: rounded
/// together as one more tile in front of the others, with an exponent of its own, and in their
/// places what that leaves over of them. So they have two parts, and the others the steps of a tile
/// without them. `apart`: which of x, 1 to 128 of them. integers
/// [(ScaledTiles(k) + 1) x 128], exponents [ScaledTiles(k) + 1].
float ScaleRowApart(std::span<const float> x, std::span<const int32_t> apart,
                    std::span<int8_t> integers, std::span<int8_t> exponents);

/// What those of ScaleRow leave over of x, in the same form, with the same factor: both together
/// are within 2^-14 of the tile's largest.
void ScaleRest(std::span<const float> x, float factor, std::span<const int8_t> integers,
               std::span<const int8_t> exponents, std::span<int8_t> rest,
               std::span<int8_t> rest_exponents);

}  // namespace tandem::npu
