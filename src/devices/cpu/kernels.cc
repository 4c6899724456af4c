// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/kernels.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "core/float_types.h"
#include "devices/cpu/attention_kernels.h"
#include "devices/cpu/isa_tables.h"

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
constexpr int64_t kRowsTogether = 8;

float Sum(const float* x, int64_t n) {
  float lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) lane[j] += x[i + j];
  }
  for (int64_t j = 0; i + j < n; ++j) lane[j] += x[i + j];
  return Reduce(lane);
}

// Keys or values p of `rows`, in float.
void UnpackOne(const KvRows& rows, int64_t p, std::vector<float>& target) {
  target.resize(static_cast<size_t>(rows.dims));
  DequantizeRow(rows.type, rows.data + p * rows.stride, target.data(), rows.dims);
}

void AddScaled(float a, const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

}  // namespace

namespace reference {

float Dot(const float* a, const float* b, int64_t n) {
  float lane[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t j = 0; j < kLanes; ++j) lane[j] += a[i + j] * b[i + j];
  }
  for (int64_t j = 0; i + j < n; ++j) lane[j] += a[i + j] * b[i + j];
  return Reduce(lane);
}

void Unpack(const KvRows& rows, float* out) {
  for (int64_t p = 0; p < rows.count; ++p) {
    DequantizeRow(rows.type, rows.data + p * rows.stride, out + p * rows.dims, rows.dims);
  }
}

void Scores(const float* q, int64_t q_stride, int queries, const KvRows& keys, float scale,
            float* s, int64_t s_stride) {
  std::vector<float> key;
  for (int64_t p = 0; p < keys.count; ++p) {
    UnpackOne(keys, p, key);
    for (int r = 0; r < queries; ++r) {
      s[r * s_stride + p] = Dot(q + r * q_stride, key.data(), keys.dims) * scale;
    }
  }
}

void AddValues(const float* s, int64_t s_stride, int queries, const KvRows& values, float* out,
               int64_t out_stride) {
  std::vector<float> value;
  for (int64_t p = 0; p < values.count; ++p) {
    UnpackOne(values, p, value);
    for (int r = 0; r < queries; ++r) {
      AddScaled(s[r * s_stride + p], value.data(), values.dims, out + r * out_stride);
    }
  }
}

void RmsNorm(const float* x, const float* w, float eps, int64_t n, float* y) {
  Scale(x, w, 1.0f / std::sqrt(Dot(x, x, n) / static_cast<float>(n) + eps), n, y);
}

void Add(const float* x, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

void AddMix(const float* a, const float* b, float factor, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = (a[i] + y[i] + (b == nullptr ? 0.0f : b[i])) * factor;
}

void Scale(const float* x, const float* w, float factor, int64_t n, float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] * factor * (w == nullptr ? 1.0f : w[i]);
}

void ToHalf(const float* x, int64_t n, uint16_t* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = FloatToHalf(x[i]);
}

float Highest(const float* x, int64_t n) {
  float highest = -INFINITY;
  for (int64_t i = 0; i < n; ++i) highest = x[i] > highest ? x[i] : highest;
  return highest;
}

float ExpSum(float highest, int64_t n, float* x) {
  float total = 0;
  for (int64_t i = 0; i < n; ++i) total += x[i] = std::exp(x[i] - highest);
  return total;
}

void GeluTimes(const float* x, int64_t n, float* y) {
  constexpr float kSqrt2OverPi = 0.7978845608028654f;
  for (int64_t i = 0; i < n; ++i) {
    const float v = x[i];
    y[i] *= 0.5f * v * (1.0f + std::tanh(kSqrt2OverPi * (v + 0.044715f * v * v * v)));
  }
}

void SoftCap(float cap, int64_t n, float* x) {
  for (int64_t i = 0; i < n; ++i) x[i] = cap * std::tanh(x[i] / cap);
}

void CutBelow(float multiplier, int64_t n, float* x) {
  const float mean = Sum(x, n) / static_cast<float>(n);
  float lane[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) lane[i % kLanes] += (x[i] - mean) * (x[i] - mean);
  const float threshold = mean + multiplier * std::sqrt(Reduce(lane) / static_cast<float>(n));
  for (int64_t i = 0; i < n; ++i) {
    const float above = x[i] - threshold;
    x[i] = above <= 0 ? 0 : above;  // NaN stays NaN: a damaged layer must not look like an idle one
  }
}

void Rotate(const float* cosine, const float* sine, int64_t half, float* head) {
  for (int64_t i = 0; i < half; ++i) {
    const float low = head[i];
    const float high = head[i + half];
    head[i] = low * cosine[i] - high * sine[i];
    head[i + half] = high * cosine[i] + low * sine[i];
  }
}

void Predict(const float* streams, int64_t plane, int count, const float* c, int64_t n,
             float* out) {
  for (int j = 0; j < count; ++j) {
    float* target = out + j * plane;
    std::copy_n(streams + j * plane, n, target);
    for (int k = 0; k < count; ++k) AddScaled(c[j * count + k], streams + k * plane, n, target);
  }
}

void Correct(float c, const float* h, const float* active, const float* prediction, int64_t n,
             float* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = prediction[i] + c * (h[i] - active[i]);
}

}  // namespace reference

void MatMul(ThreadTeam& team, const WeightView& w, const float* x, int64_t x_stride, int64_t rows,
            float* y, int64_t y_stride, std::span<const uint8_t> skip) {
  if (rows == 0) return;
  const int64_t panel_work = kRowsTogether * w.cols * rows;
  const int64_t grain = kRowsTogether * ((kThreadWork + panel_work - 1) / panel_work);
  // Taken here and not by whoever comes to work, so that a step always asks for the same memory.
  std::vector<float> panels(static_cast<size_t>(team.size() * kRowsTogether * w.cols));
  team.ParallelFor(w.rows, grain, [&](int64_t begin, int64_t end, int worker) {
    float* panel = panels.data() + worker * kRowsTogether * w.cols;
    int64_t index[kRowsTogether];
    int64_t r = begin;
    while (r < end) {
      int64_t count = 0;
      for (; r < end && count < kRowsTogether; ++r) {
        if (!skip.empty() && skip[static_cast<size_t>(r)] != 0) {
          for (int64_t t = 0; t < rows; ++t) y[t * y_stride + r] = 0;
          continue;
        }
        w.ReadRow(r, panel + count * w.cols);
        index[count++] = r;
      }
      for (int64_t t = 0; t < rows; ++t) {
        for (int64_t i = 0; i < count; ++i) {
          y[t * y_stride + index[i]] = reference::Dot(panel + i * w.cols, x + t * x_stride, w.cols);
        }
      }
    }
  });
}

}  // namespace tandem::cpu
