// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/scaled_rows.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "core/error.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {
namespace {

constexpr size_t kTile = kTileKI8;
constexpr float kMost = 127;
constexpr uint32_t kInfinity = 0x7F800000;
/// Exponents of a row's largest tile that need no factor.
constexpr int kFarExponent = 60;
/// The factor's own, where a row is tiny: a float has it.
constexpr int kLeastFactor = -120;

/// The bits of the largest size: sizes are ordered as their bits are, infinity and what is no
/// number above all others. Loops over floats are written for vectors of plain x86-64.
uint32_t MostBits(std::span<const float> values) {
  int32_t most = 0;
  for (const float value : values) {
    const auto size = static_cast<int32_t>(std::bit_cast<uint32_t>(value) & 0x7FFFFFFF);
    most = most < size ? size : most;
  }
  return static_cast<uint32_t>(most);
}

/// The smallest exponent by which a size still rounds to 127 steps; less than any where there is
/// nothing.
int ExponentOf(float most) {
  if (most == 0) return std::numeric_limits<int16_t>::min();
  int exponent = 0;
  const float fraction = std::frexp(most, &exponent);  // 0.5 <= fraction < 1
  return exponent - 7 + (fraction * 128 >= kMost + 0.5F ? 1 : 0);
}

/// Calls visit(first, count, tile) for the tiles of k values.
template <typename Visit>
void ForTiles(size_t k, const Visit& visit) {
  for (size_t first = 0; first < k; first += kTile) {
    visit(first, std::min(kTile, k - first), first / kTile);
  }
}

/// Rounds a tile to its own exponent. Powers of two are exact in float: what they lose is far below
/// half a step.
void RoundTile(std::span<const float> values, int8_t* integers, int8_t& exponent) {
  const auto most = std::bit_cast<float>(MostBits(values));
  exponent = static_cast<int8_t>(std::clamp(ExponentOf(most), kLeastExponent, kMostExponent));
  const float inverse = std::ldexp(1.0F, -exponent);
  // Added to this, a number below 2^22 is rounded to an integer, ties to even.
  constexpr float kRounds = 3 << 22;
  for (size_t i = 0; i < values.size(); ++i) {
    integers[i] =
        static_cast<int8_t>(static_cast<int32_t>((values[i] * inverse + kRounds) - kRounds));
  }
}

/// The power of two by which a row's factor is 2^it; none where the row holds what is no number.
std::optional<int> ShiftOf(std::span<const float> x) {
  const uint32_t bits = MostBits(x);
  if (bits >= kInfinity) return std::nullopt;
  const int exponent = ExponentOf(std::bit_cast<float>(bits));
  const bool far = bits != 0 && std::abs(exponent) > kFarExponent;
  return far ? std::max(exponent, kLeastFactor) : 0;
}

/// Of a row that holds what is no number.
float RoundToNone(std::span<int8_t> integers, std::span<int8_t> exponents) {
  std::fill(integers.begin(), integers.end(), int8_t{0});
  std::fill(exponents.begin(), exponents.end(), static_cast<int8_t>(kLeastExponent));
  return std::numeric_limits<float>::quiet_NaN();
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
  const std::optional<int> shift = ShiftOf(x);
  if (!shift) return RoundToNone(integers, exponents);
  const float near = std::ldexp(1.0F, -*shift);
  std::array<float, kTile> moved;
  ForTiles(x.size(), [&](size_t first, size_t count, size_t tile) {
    for (size_t i = 0; i < count; ++i) moved[i] = x[first + i] * near;
    RoundTile(std::span(moved).first(count), integers.data() + first, exponents[tile]);
  });
  return std::ldexp(1.0F, *shift);
}

std::vector<int32_t> OrderApart(int64_t k, std::span<const int32_t> apart) {
  std::vector<int32_t> order(apart.begin(), apart.end());
  order.insert(order.end(), apart.begin(), apart.end());
  std::vector<bool> is_apart(static_cast<size_t>(k));
  for (const int32_t i : apart) is_apart[static_cast<size_t>(i)] = true;
  for (int64_t i = 0; i < k; ++i) {
    if (!is_apart[static_cast<size_t>(i)]) order.push_back(static_cast<int32_t>(i));
  }
  return order;
}

float ScaleRowApart(std::span<const float> x, std::span<const int32_t> order,
                    std::span<int8_t> integers, std::span<int8_t> exponents) {
  const auto tiles = static_cast<size_t>(ScaledTiles(static_cast<int64_t>(x.size())) + 1);
  CheckSizes(tiles * kTile, integers.size(), exponents.size());
  if (order.size() != x.size() + kTile) {
    throw Error(ErrorKind::kInternal, "scaled rows: inputs apart that are not a tile");
  }
  const std::optional<int> shift = ShiftOf(x);
  if (!shift) return RoundToNone(integers, exponents);
  const float near = std::ldexp(1.0F, -*shift);
  std::vector<float> moved(tiles * kTile);
  std::transform(order.begin(), order.end(), moved.begin(),
                 [&](int32_t i) { return x[static_cast<size_t>(i)] * near; });
  ForTiles(moved.size(), [&](size_t first, size_t count, size_t tile) {
    RoundTile(std::span(moved).subspan(first, count), integers.data() + first, exponents[tile]);
    if (tile > 0) return;
    const float step = std::ldexp(1.0F, exponents[0]);
    // Exact: what is left has no more bits than x.
    for (size_t i = 0; i < kTile; ++i) moved[kTile + i] -= static_cast<float>(integers[i]) * step;
  });
  return std::ldexp(1.0F, *shift);
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
  const float near = 1 / factor;
  std::array<float, kTile> left;
  ForTiles(x.size(), [&](size_t first, size_t count, size_t tile) {
    const float step = std::ldexp(1.0F, exponents[tile]);
    // Exact: what is left has no more bits than x.
    for (size_t i = 0; i < count; ++i) {
      left[i] = x[first + i] * near - static_cast<float>(integers[first + i]) * step;
    }
    RoundTile(std::span(left).first(count), rest.data() + first, rest_exponents[tile]);
  });
}

}  // namespace tandem::npu
