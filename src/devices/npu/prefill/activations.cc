// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/activations.h"

#include <algorithm>
#include <cmath>

namespace tandem::npu {
namespace {

constexpr float kMost = 127;
/// Steps of the second part in one of the first: what is left over is half of one at most.
constexpr int32_t kParts = 254;

int8_t Nearest(float value) {
  return static_cast<int8_t>(std::nearbyint(std::clamp(value, -kMost, kMost)));
}

/// The largest size, or what is no number where there is one.
float LargestOf(std::span<const float> values) {
  float most = 0;
  for (const float value : values) {
    if (!std::isfinite(value)) return value - value;  // no number: infinity less itself
    most = std::max(most, std::abs(value));
  }
  return most;
}

}  // namespace

float RoundToBytes(std::span<const float> values, std::span<int8_t> bytes) {
  const float step = LargestOf(values) / kMost;
  // Steps too small to divide by are none.
  const float inverse = 1 / step;
  if (!std::isfinite(inverse)) {
    std::fill(bytes.begin(), bytes.end(), int8_t{0});
    return std::isnan(step) ? step : 0;
  }
  std::transform(values.begin(), values.end(), bytes.begin(),
                 [&](float value) { return Nearest(value * inverse); });
  return step;
}

float SplitRow(std::span<const float> x, std::span<int8_t> first, std::span<int8_t> second) {
  const float step = RoundToBytes(x, first);
  const float inverse = kParts / step;
  if (!std::isfinite(inverse)) {
    std::fill(second.begin(), second.end(), int8_t{0});
    return step;
  }
  for (size_t i = 0; i < x.size(); ++i) {
    second[i] = Nearest((x[i] - static_cast<float>(first[i]) * step) * inverse);
  }
  return step;
}

void JoinRow(std::span<const int32_t> first, std::span<const int32_t> second, float step,
             std::span<const float> column_scales, float* y) {
  const double small = static_cast<double>(step) / kParts;
  for (size_t i = 0; i < first.size(); ++i) {
    // Exact: below 2^40.
    const int64_t sum = int64_t{first[i]} * kParts + second[i];
    y[i] = static_cast<float>(static_cast<double>(sum) * small * column_scales[i]);
  }
}

}  // namespace tandem::npu
