// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/scaled_rows.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {
namespace {

constexpr size_t kTile = kTileKI8;
constexpr float kMost = 127;
/// Exponents of a row's largest tile that need no factor.
constexpr int kFarExponent = 60;
/// The factor's own, where a row is tiny: a float has it.
constexpr int kLeastFactor = -120;

/// The smallest exponent by which `most` still rounds to 127 steps; kLeastExponent where there is
/// nothing.
int ExponentOf(double most) {
  if (most == 0) return std::numeric_limits<int16_t>::min();
  int exponent = 0;
  const double fraction = std::frexp(most, &exponent);  // 0.5 <= fraction < 1
  return exponent - 7 + (fraction * 128 >= kMost + 0.5 ? 1 : 0);
}

/// Calls visit(first, count, tile) for the tiles of k values.
template <typename Visit>
void ForTiles(size_t k, const Visit& visit) {
  for (size_t first = 0; first < k; first += kTile) {
    visit(first, std::min(kTile, k - first), first / kTile);
  }
}

/// Rounds a tile to its own exponent. value(i) of the tile's.
template <typename Value>
void RoundTile(size_t count, const Value& value, int8_t* integers, int8_t& exponent) {
  double most = 0;
  for (size_t i = 0; i < count; ++i) most = std::max(most, std::abs(value(i)));
  exponent = static_cast<int8_t>(std::clamp(ExponentOf(most), kLeastExponent, kMostExponent));
  const double inverse = std::ldexp(1.0, -exponent);
  for (size_t i = 0; i < count; ++i) {
    integers[i] = static_cast<int8_t>(std::nearbyint(value(i) * inverse));
  }
}

void CheckSizes(size_t k, size_t integers, size_t exponents) {
  if (integers != k || exponents != static_cast<size_t>(ScaledTiles(static_cast<int64_t>(k)))) {
    throw Error(ErrorKind::kInternal, "scaled rows: memory of another size than the row's");
  }
}

}  // namespace

int64_t ScaledTiles(int64_t k) { return (k + kTileKI8 - 1) / kTileKI8; }

float ScaleRow(std::span<const float> x, std::span<int8_t> integers, std::span<int8_t> exponents) {
  CheckSizes(x.size(), integers.size(), exponents.size());
  float most = 0;
  for (const float value : x) {
    if (!std::isfinite(value)) {
      std::fill(integers.begin(), integers.end(), int8_t{0});
      std::fill(exponents.begin(), exponents.end(), static_cast<int8_t>(kLeastExponent));
      return std::numeric_limits<float>::quiet_NaN();
    }
    most = std::max(most, std::abs(value));
  }
  const int exponent = ExponentOf(most);
  const bool far = most > 0 && std::abs(exponent) > kFarExponent;
  const int shift = far ? std::max(exponent, kLeastFactor) : 0;
  const double near = std::ldexp(1.0, -shift);
  ForTiles(x.size(), [&](size_t first, size_t count, size_t tile) {
    RoundTile(
        count, [&](size_t i) { return x[first + i] * near; }, integers.data() + first,
        exponents[tile]);
  });
  return std::ldexp(1.0F, shift);
}

void ScaleRest(std::span<const float> x, float factor, std::span<const int8_t> integers,
               std::span<const int8_t> exponents, std::span<int8_t> rest,
               std::span<int8_t> rest_exponents) {
  CheckSizes(x.size(), integers.size(), exponents.size());
  CheckSizes(x.size(), rest.size(), rest_exponents.size());
  if (std::isnan(factor)) {
    std::fill(rest.begin(), rest.end(), int8_t{0});
    std::fill(rest_exponents.begin(), rest_exponents.end(), static_cast<int8_t>(kLeastExponent));
    return;
  }
  const double near = 1.0 / factor;
  ForTiles(x.size(), [&](size_t first, size_t count, size_t tile) {
    const double step = std::ldexp(1.0, exponents[tile]);
    RoundTile(
        count, [&](size_t i) { return x[first + i] * near - integers[first + i] * step; },
        rest.data() + first, rest_exponents[tile]);
  });
}

}  // namespace tandem::npu
