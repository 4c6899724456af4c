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

void Step::Route(const AltUpRouter& router, const float* x, int64_t width, int worker,
                 std::span<float> out) {
  float* normed = WorkerScratch(worker);
  row_.rms_norm(x, router.norm.data(), router.eps, width, normed);
  row_.scale(normed, nullptr, router.scale, width, normed);
  for (size_t k = 0; k < out.size(); ++k) {
    const float* weight = router.weight.data() + static_cast<int64_t>(k) * width;
    out[k] = std::tanh(row_.dot(weight, normed, width));
  }
}

void Step::MatchMagnitude(const float* reference, float* u, int64_t count, int64_t width,
                          float floor) {
  const auto mean_square = [&](const float* row) {
    return row_.dot(row, row, width) / static_cast<float>(width);
  };
  ForRows(count, width, 4, [&](int64_t t, int) {
    float* row = u + t * width;
    const float factor = std::sqrt(mean_square(reference + t * width)) /
                         std::sqrt(std::max(mean_square(row), floor));
    row_.scale(row, nullptr, factor, width, row);
  });
}

void Step::Execute(const AltUpExpand& op, RowContext& rows) {
  const int64_t width = Width(op.x);
  const float* x = Data(op.x);
  std::copy_n(x, rows.count() * width, Plane(op.streams, 0));
  multiplier_.Load(x, width, rows.count(), width);
  const auto stream = [&](size_t i) { return Plane(op.streams, static_cast<int>(i) + 1); };
  products_.clear();
  for (size_t i = 0; i < op.projections.size(); ++i) {
    products_.push_back({op.projections[i], stream(i), width});
  }
  multiplier_.Run(products_);
  for (size_t i = 0; i < op.projections.size(); ++i) {
    MatchMagnitude(x, stream(i), rows.count(), width, op.floor);
  }
}

void Step::Execute(const AltUpPredict& op, RowContext& rows) {
  const int64_t width = Width(op.streams);
  const auto count = static_cast<size_t>(Info(op.streams).planes);
  const int64_t plane = rows.count() * width;
  GrowWorkerScratch(width);
  ForRows(rows.count(), width, 16, [&](int64_t t, int worker) {
    const float* row = Data(op.streams) + t * width;
    float routed[kMaxStreams], c[kMaxStreams * kMaxStreams];
    Route(op.router, row + op.active * plane, width, worker, {routed, count});
    for (size_t i = 0; i < count * count; ++i) {
      c[i] = 0;
      for (size_t k = 0; k < count; ++k) c[i] += op.coefficients[i * count + k] * routed[k];
    }
    row_.predict(row, plane, static_cast<int>(count), c, width, Data(op.predictions) + t * width);
  });
}

void Step::Execute(const AltUpCorrect& op, RowContext& rows) {
  const int64_t width = Width(op.streams);
  const auto count = static_cast<size_t>(Info(op.streams).planes);
  const int64_t plane = rows.count() * width;
  GrowWorkerScratch(width);
  ForRows(rows.count(), width, 16, [&](int64_t t, int worker) {
    const float* row = Data(op.h) + t * width;
    float routed[kMaxStreams];
    Route(op.router, row, width, worker, {routed, count});
    const float* predictions = Data(op.predictions) + t * width;
    for (size_t j = 0; j < count; ++j) {
      float c = 1;
      for (size_t i = 0; i < count; ++i) c += op.coefficients[j * count + i] * routed[i];
      const int64_t offset = static_cast<int64_t>(j) * plane;
      row_.correct(c, row, predictions + op.active * plane, predictions + offset, width,
                   Data(op.streams) + offset + t * width);
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
    ForRows(count, width, 2, [&](int64_t t, int) {
      row_.scale(active + t * width, op.scale.data(), 1, width, target + t * width);
    });
    scaled = target;
  }
  const float* inputs = Plane(op.pli, op.plane);
  float* out = Scratch(2, count * width);
  const bool made = engine_ != nullptr && engine_->Gated({op.gate, WeightView{}, op.projection,
                                                          scaled, width, count, inputs, out});
  if (!made) {
    float* gated = Scratch(1, count * ple_width);
    multiplier_.Run(op.gate, scaled, width, count, gated, ple_width);
    float* mixed = Scratch(3, count * ple_width);
    std::copy_n(inputs, count * ple_width, mixed);
    ForRows(count, ple_width, 16, [&](int64_t t, int) {
      row_.gelu_times(gated + t * ple_width, ple_width, mixed + t * ple_width);
    });
    multiplier_.Run(op.projection, mixed, ple_width, count, out, width);
  }
  ForRows(count, width, 8, [&](int64_t t, int) {
    float* row = out + t * width;
    row_.rms_norm(row, op.post_norm.data(), op.eps, width, row);
    for (int plane = 1; plane < Info(op.streams).planes; ++plane) {
      row_.add(row, width, Plane(op.streams, plane) + t * width);
    }
  });
}

void Step::Execute(const AltUpCollapse& op, RowContext& rows) {
  const int64_t width = Width(op.x);
  const int64_t count = rows.count();
  const float* first = Plane(op.streams, 0);
  float* x = Data(op.x);
  std::copy_n(first, count * width, x);
  float* u = Scratch(0, count * width);
  for (size_t i = 0; i < op.projections.size(); ++i) {
    const float* stream = Plane(op.streams, static_cast<int>(i) + 1);
    multiplier_.Run(op.projections[i], stream, width, count, u, width);
    MatchMagnitude(first, u, count, width, op.floor);
    ForRows(count, width, 2,
            [&](int64_t t, int) { row_.add(u + t * width, width, x + t * width); });
  }
  const auto streams = static_cast<float>(Info(op.streams).planes);
  for (int64_t j = 0; j < count * width; ++j) x[j] /= streams;
}

}  // namespace tandem::cpu
