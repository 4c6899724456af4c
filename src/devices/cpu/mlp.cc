// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>

#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {
namespace {

// max(0, g - (mean + multiplier * deviation)); mean first, then the deviation around it: the
// one-pass formula loses the deviation to cancellation when the mean is large.
void Sparsify(float* g, int64_t n, float multiplier) {
  const float mean = Sum(g, n) / static_cast<float>(n);
  std::vector<float> centred(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) centred[static_cast<size_t>(i)] = g[i] - mean;
  const float deviation = RootMeanSquare(centred.data(), n);
  const float threshold = mean + multiplier * deviation;
  for (int64_t i = 0; i < n; ++i) g[i] = std::max(0.0f, g[i] - threshold);
}

}  // namespace

void Step::Execute(const GatedMlp& op, RowContext& rows) {
  const int64_t width = Width(op.h);
  const int64_t ffn = op.gate.rows;
  const int64_t count = rows.count();
  const float* h = Data(op.h);
  float* normed = Scratch(0, count * width);
  float* gate = Scratch(1, count * ffn);
  float* up = Scratch(2, count * ffn);
  for (int64_t t = 0; t < count; ++t) {
    RmsNorm(h + t * width, op.pre_norm.data(), op.eps, width, normed + t * width);
  }
  multiplier_.Run(op.gate, normed, width, count, gate, ffn);
  std::vector<uint8_t> dead;
  if (op.sparse) {
    dead.assign(static_cast<size_t>(ffn), 1);
    for (int64_t t = 0; t < count; ++t) {
      float* row = gate + t * ffn;
      Sparsify(row, ffn, op.sparsity_multiplier);
      for (int64_t i = 0; i < ffn; ++i) {
        if (row[i] > 0) dead[static_cast<size_t>(i)] = 0;
      }
    }
  }
  multiplier_.Run(op.up, normed, width, count, up, ffn, dead);
  team_.ParallelFor(count * ffn, kThreadWork / 16, [&](int64_t begin, int64_t end, int) {
    if (const IsaKernels* fast = multiplier_.kernels()) {
      fast->gelu_times(gate + begin, end - begin, up + begin);
      return;
    }
    for (int64_t i = begin; i < end; ++i) up[i] *= Gelu(gate[i]);
  });
  float* out = Data(op.out);
  multiplier_.Run(op.down, up, ffn, count, out, width);
  for (int64_t t = 0; t < count; ++t) {
    float* row = out + t * width;
    RmsNorm(row, op.post_norm.data(), op.eps, width, row);
    for (int64_t i = 0; i < width; ++i) row[i] += h[t * width + i];
  }
}

}  // namespace tandem::cpu
