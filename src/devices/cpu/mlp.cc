// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {
namespace {

// Rows up to which neurons that are dead in all of them are looked for. A row uses about one neuron
// in twenty, so that of 16 rows a little more than half of the neurons are alive, and sixteen
// weight rows that do not lie together cost more than sixteen that do.
constexpr int64_t kMostSparseRows = 16;

// Rows up to which `down` of a sparse layer is multiplied by neurons, row by row. Four inputs go
// together, of which one row needs a fifth.
constexpr int64_t kMostNeuronRows = 4;

}  // namespace

void Step::Execute(const GatedMlp& op, RowContext& rows) {
  const int64_t width = Width(op.h);
  const int64_t count = rows.count();
  const float* h = Data(op.h);
  float* out = Data(op.out);
  if (made_ == &op) {
    FinishMade(op, count, out);
  } else {
    float* normed = Scratch(0, count * width);
    ForRows(count, width, 4, [&](int64_t t, int) {
      row_.rms_norm(h + t * width, op.pre_norm.data(), op.eps, width, normed + t * width);
    });
    std::optional<float> cut;
    if (op.sparse) cut = op.sparsity_multiplier;
    const bool made = engine_ != nullptr && engine_->Gated({op.gate, op.up, op.down, normed, width,
                                                            count, nullptr, out, cut});
    if (!made) MultiplyGated(op, normed, count, out);
  }
  ForRows(count, width, 4, [&](int64_t t, int) {
    float* row = out + t * width;
    row_.rms_norm(row, op.post_norm.data(), op.eps, width, row);
    row_.add(h + t * width, width, row);
  });
}

void Step::FinishMade(const GatedMlp& op, int64_t count, float* out) {
  const int64_t width = Width(op.h);
  const float* const h = Data(op.h);
  const float* const made = Scratch(kMadeSlot, count * width);
  ForRows(count, width, 4, [&](int64_t t, int) {
    const float* const row = h + t * width;
    double squares = 0;
    for (int64_t i = 0; i < width; ++i) squares += double{row[i]} * row[i];
    const double mean = squares / static_cast<double>(width);
    const auto factor = static_cast<float>(mix_ / std::sqrt(mean + double{op.eps}));
    std::transform(made + t * width, made + (t + 1) * width, out + t * width,
                   [factor](float y) { return y * factor; });
  });
  made_ = nullptr;
}

void Step::MultiplyGated(const GatedMlp& op, const float* normed, int64_t count, float* out) {
  const int64_t width = Width(op.h);
  const int64_t ffn = op.gate.rows;
  float* gate = Scratch(1, count * ffn);
  float* up = Scratch(2, count * ffn);
  // Where dead neurons are left out of `up`, the gates must be there first.
  const bool finds_dead = op.sparse && count <= kMostSparseRows;
  products_.assign(1, {op.gate, gate, ffn});
  if (!finds_dead) products_.push_back({op.up, up, ffn});
  multiplier_.Load(normed, width, count, width);
  multiplier_.Run(products_);
  dead_.clear();
  if (op.sparse) {
    ForRows(count, ffn, 4,
            [&](int64_t t, int) { row_.cut_below(op.sparsity_multiplier, ffn, gate + t * ffn); });
    if (finds_dead) {
      dead_.assign(static_cast<size_t>(ffn), 1);
      for (int64_t t = 0; t < count; ++t) {
        const float* row = gate + t * ffn;
        for (int64_t i = 0; i < ffn; ++i) {
          dead_[static_cast<size_t>(i)] &= static_cast<uint8_t>(row[i] == 0);
        }
      }
    }
  }
  if (finds_dead) multiplier_.Run(op.up, up, ffn, dead_);
  team_.ParallelFor(count * ffn, kThreadWork / 16, [&](int64_t begin, int64_t end, int) {
    row_.gelu_times(gate + begin, end - begin, up + begin);
  });
  multiplier_.Load(up, ffn, count, ffn);
  if (op.sparse && count <= kMostNeuronRows) {
    multiplier_.RunLive(neurons_, op.down, out, width);
  } else {
    multiplier_.Run(op.down, out, width);
  }
}

}  // namespace tandem::cpu
