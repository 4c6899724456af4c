// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// AltUp: expansion into streams, prediction, correction, the per-layer input mixed into the passive
// streams, and the collapse.
#include <algorithm>
#include <cmath>

#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {
void Step::Route(const AltUpRouter& router, const float* x, int64_t width, std::span<float> out) {
  const float inverse_rms =
      1.0f / std::sqrt(Dot(x, x, width) / static_cast<float>(width) + router.eps);
  std::vector<float> normed(static_cast<size_t>(width));
  for (int64_t i = 0; i < width; ++i) {
    normed[static_cast<size_t>(i)] =
        x[i] * inverse_rms * router.norm[static_cast<size_t>(i)] * router.scale;
  }
  for (size_t k = 0; k < out.size(); ++k) {
    out[k] = std::tanh(
        Dot(router.weight.data() + static_cast<int64_t>(k) * width, normed.data(), width));
  }
}

void Step::MatchMagnitude(const float* reference, float* u, int64_t count, int64_t width,
                          float floor) {
  team_.ParallelFor(count, 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      float* row = u + t * width;
      const float mean_square = Dot(row, row, width) / static_cast<float>(width);
      const float factor =
          RootMeanSquare(reference + t * width, width) / std::sqrt(std::max(mean_square, floor));
      for (int64_t i = 0; i < width; ++i) row[i] *= factor;
    }
  });
}

void Step::Execute(const AltUpExpand& op, RowContext& rows) {
  const int64_t width = Width(op.x);
  const float* x = Data(op.x);
  std::copy_n(x, rows.count() * width, Plane(op.streams, 0));
  for (size_t i = 0; i < op.projections.size(); ++i) {
    float* stream = Plane(op.streams, static_cast<int>(i) + 1);
    multiplier_.Run(op.projections[i], x, width, rows.count(), stream, width);
    MatchMagnitude(x, stream, rows.count(), width, op.floor);
  }
}

void Step::Execute(const AltUpPredict& op, RowContext& rows) {
  const int64_t width = Width(op.streams);
  const auto count = static_cast<size_t>(Info(op.streams).planes);
  const int64_t plane = rows.count() * width;
  const float* streams = Data(op.streams);
  float* predictions = Data(op.predictions);
  team_.ParallelFor(rows.count(), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const float* row = streams + t * width;
      float routed[kMaxStreams];
      Route(op.router, row + op.active * plane, width, {routed, count});
      for (size_t j = 0; j < count; ++j) {
        float* out = predictions + static_cast<int64_t>(j) * plane + t * width;
        std::copy_n(row + static_cast<int64_t>(j) * plane, width, out);
        for (size_t k = 0; k < count; ++k) {
          const float* coefficients = op.coefficients.data() + (count * j + k) * count;
          float c = 0;
          for (size_t i = 0; i < count; ++i) c += coefficients[i] * routed[i];
          const float* stream = row + static_cast<int64_t>(k) * plane;
          for (int64_t i = 0; i < width; ++i) out[i] += c * stream[i];
        }
      }
    }
  });
}

void Step::Execute(const AltUpCorrect& op, RowContext& rows) {
  const int64_t width = Width(op.streams);
  const auto count = static_cast<size_t>(Info(op.streams).planes);
  const int64_t plane = rows.count() * width;
  const float* predictions = Data(op.predictions);
  const float* h = Data(op.h);
  float* streams = Data(op.streams);
  team_.ParallelFor(rows.count(), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t t = begin; t < end; ++t) {
      const float* row = h + t * width;
      float routed[kMaxStreams];
      Route(op.router, row, width, {routed, count});
      const float* active = predictions + op.active * plane + t * width;
      for (size_t j = 0; j < count; ++j) {
        float c = 1;
        for (size_t i = 0; i < count; ++i) c += op.coefficients[j * count + i] * routed[i];
        const int64_t offset = static_cast<int64_t>(j) * plane + t * width;
        for (int64_t i = 0; i < width; ++i) {
          streams[offset + i] = predictions[offset + i] + c * (row[i] - active[i]);
        }
      }
    }
  });
}

void Step::Execute(const PerLayerMix& op, RowContext& rows) {
  const int64_t width = Width(op.streams);
  const int64_t ple_width = Width(op.pli);
  const int64_t count = rows.count();
  const float* active = Plane(op.streams, op.active);
  const float* scaled = active;
  if (!op.scale.empty()) {
    float* target = Scratch(0, count * width);
    for (int64_t t = 0; t < count; ++t) {
      for (int64_t i = 0; i < width; ++i) {
        target[t * width + i] = active[t * width + i] * op.scale[static_cast<size_t>(i)];
      }
    }
    scaled = target;
  }
  float* gated = Scratch(1, count * ple_width);
  multiplier_.Run(op.gate, scaled, width, count, gated, ple_width);
  const float* pli = Plane(op.pli, op.plane);
  for (int64_t i = 0; i < count * ple_width; ++i) gated[i] = Gelu(gated[i]) * pli[i];
  float* out = Scratch(2, count * width);
  multiplier_.Run(op.projection, gated, ple_width, count, out, width);
  for (int64_t t = 0; t < count; ++t) {
    float* row = out + t * width;
    RmsNorm(row, op.post_norm.data(), op.eps, width, row);
    for (int plane = 1; plane < Info(op.streams).planes; ++plane) {
      float* stream = Plane(op.streams, plane) + t * width;
      for (int64_t i = 0; i < width; ++i) stream[i] += row[i];
    }
  }
}

void Step::Execute(const AltUpCollapse& op, RowContext& rows) {
  const int64_t width = Width(op.x);
  const int64_t size = rows.count() * width;
  const float* first = Plane(op.streams, 0);
  float* x = Data(op.x);
  std::copy_n(first, size, x);
  float* u = Scratch(0, size);
  for (size_t i = 0; i < op.projections.size(); ++i) {
    multiplier_.Run(op.projections[i], Plane(op.streams, static_cast<int>(i) + 1), width,
                    rows.count(), u, width);
    MatchMagnitude(first, u, rows.count(), width, op.floor);
    for (int64_t j = 0; j < size; ++j) x[j] += u[j];
  }
  const auto streams = static_cast<float>(Info(op.streams).planes);
  for (int64_t j = 0; j < size; ++j) x[j] /= streams;
}

}  // namespace tandem::cpu
