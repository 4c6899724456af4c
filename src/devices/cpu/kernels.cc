// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/kernels.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace tandem::cpu {
namespace {

constexpr int64_t kLanes = 16;

float Reduce(const float (&lane)[kLanes]) {
  float total[kLanes];
  std::copy(std::begin(lane), std::end(lane), total);
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) total[i] += total[i + half];
  }
  return total[0];
}

// Weight rows that are unpacked together and used for every row of x: 8 rows of up to 16384 floats
// are 512 KiB, within the L2 of the processors we care about, and divide the traffic of x by 8.
constexpr int64_t kPanelRows = 8;

}  // namespace

float Dot(const float* a, const float* b, int64_t n) {
  float lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) lane[j] += a[i + j] * b[i + j];
  }
  for (int64_t j = 0; i + j < n; ++j) lane[j] += a[i + j] * b[i + j];
  return Reduce(lane);
}

float Sum(const float* x, int64_t n) {
  float lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) lane[j] += x[i + j];
  }
  for (int64_t j = 0; i + j < n; ++j) lane[j] += x[i + j];
  return Reduce(lane);
}

float RootMeanSquare(const float* x, int64_t n) {
  return std::sqrt(Dot(x, x, n) / static_cast<float>(n));
}

void RmsNorm(const float* x, const float* w, float eps, int64_t n, float* y) {
  const float scale = 1.0f / std::sqrt(Dot(x, x, n) / static_cast<float>(n) + eps);
  if (w == nullptr) {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale;
  } else {
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] * scale * w[i];
  }
}

float Gelu(float x) {
  constexpr float kSqrt2OverPi = 0.7978845608028654f;
  return 0.5f * x * (1.0f + std::tanh(kSqrt2OverPi * (x + 0.044715f * x * x * x)));
}

void MatMul(ThreadTeam& team, const WeightView& w, const float* x, int64_t x_stride, int64_t rows,
            float* y, int64_t y_stride, std::span<const uint8_t> skip) {
  if (rows == 0) return;
  const int64_t panel_work = kPanelRows * w.cols * rows;
  const int64_t grain = kPanelRows * ((kThreadWork + panel_work - 1) / panel_work);
  team.ParallelFor(w.rows, grain, [&](int64_t begin, int64_t end, int) {
    std::vector<float> panel(static_cast<size_t>(kPanelRows * w.cols));
    int64_t index[kPanelRows];
    int64_t r = begin;
    while (r < end) {
      int64_t count = 0;
      for (; r < end && count < kPanelRows; ++r) {
        if (!skip.empty() && skip[static_cast<size_t>(r)] != 0) {
          for (int64_t t = 0; t < rows; ++t) y[t * y_stride + r] = 0;
          continue;
        }
        w.ReadRow(r, panel.data() + count * w.cols);
        index[count++] = r;
      }
      for (int64_t t = 0; t < rows; ++t) {
        for (int64_t i = 0; i < count; ++i) {
          y[t * y_stride + index[i]] = Dot(panel.data() + i * w.cols, x + t * x_stride, w.cols);
        }
      }
    }
  });
}

}  // namespace tandem::cpu
