// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/byte_rows.h"

#include <algorithm>
#include <cmath>

#include "devices/npu/gemm/pack.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {

void ByteRows::Start(const GemmPlan& plan) {
  plan_ = plan;
  bytes_.assign(static_cast<size_t>(plan.shape.m * plan.shape.k), 0);
  exponents_.assign(static_cast<size_t>(plan.shape.m * plan.k_steps),
                    static_cast<int8_t>(kLeastExponent));
}

std::span<int8_t> ByteRows::BytesAt(const Place& at, int64_t t, int64_t k) {
  const int64_t first = (at.row + t) * plan_.shape.k + at.tile * kTileKI8;
  return std::span(bytes_).subspan(static_cast<size_t>(first), static_cast<size_t>(k));
}

std::span<int8_t> ByteRows::ExponentsAt(const Place& at, int64_t t, int64_t k) {
  const int64_t first = (at.row + t) * plan_.k_steps + at.tile;
  return std::span(exponents_)
      .subspan(static_cast<size_t>(first), static_cast<size_t>(ScaledTiles(k)));
}

std::span<const float> ByteRows::Set(const Values& values, const Place& at) {
  factors_.resize(static_cast<size_t>(values.count));
  for (int64_t t = 0; t < values.count; ++t) {
    const std::span row(values.x + t * values.stride, static_cast<size_t>(values.k));
    factors_[static_cast<size_t>(t)] =
        ScaleRow(row, BytesAt(at, t, values.k), ExponentsAt(at, t, values.k));
  }
  return factors_;
}

std::span<const float> ByteRows::SetApart(const Values& values, std::span<const int32_t> apart,
                                          const Place& at) {
  factors_.resize(static_cast<size_t>(values.count));
  const int64_t k = (ScaledTiles(values.k) + 1) * kTileKI8;
  const std::vector<int32_t> order = OrderApart(values.k, apart);
  for (int64_t t = 0; t < values.count; ++t) {
    const std::span row(values.x + t * values.stride, static_cast<size_t>(values.k));
    factors_[static_cast<size_t>(t)] =
        ScaleRowApart(row, order, BytesAt(at, t, k), ExponentsAt(at, t, k));
  }
  return factors_;
}

std::span<const float> ByteRows::SetInParts(const Values& values, const Place& first,
                                            const Place& rest) {
  Set(values, first);
  for (int64_t t = 0; t < values.count; ++t) {
    const std::span row(values.x + t * values.stride, static_cast<size_t>(values.k));
    ScaleRest(row, factors_[static_cast<size_t>(t)], BytesAt(first, t, values.k),
              ExponentsAt(first, t, values.k), BytesAt(rest, t, values.k),
              ExponentsAt(rest, t, values.k));
  }
  return factors_;
}

double ByteRows::MostFrom(int64_t tile, int64_t end) const {
  int8_t most = kLeastExponent;
  for (int64_t row = 0; row < plan_.shape.m; ++row) {
    const auto first = exponents_.begin() + row * plan_.k_steps;
    most = std::max(most, *std::max_element(first + tile, first + end));
  }
  return std::ldexp(128.0, most);
}

void ByteRows::Pack(std::span<std::byte> a) const { PackScaledA(plan_, bytes_, exponents_, a); }

}  // namespace tandem::npu
