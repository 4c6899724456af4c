// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <cmath>

#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {

void Step::Execute(const FinalNorm& op, RowContext& rows) {
  const int64_t width = Width(op.x);
  for (int64_t t = 0; t < rows.count(); ++t) {
    RmsNorm(Data(op.x) + t * width, op.norm.data(), op.eps, width, Data(op.y) + t * width);
  }
}

void Step::Execute(const LmHead& op, RowContext& rows) {
  const int64_t vocab = op.table.rows;
  float* logits = Data(op.logits);
  multiplier_.Run(op.table, Data(op.y), op.table.cols, rows.count(), logits, vocab);
  if (op.soft_cap == 0) return;
  team_.ParallelFor(rows.count() * vocab, kThreadWork / 16, [&](int64_t begin, int64_t end, int) {
    if (const IsaKernels* fast = multiplier_.kernels()) {
      fast->soft_cap(op.soft_cap, end - begin, logits + begin);
      return;
    }
    for (int64_t i = begin; i < end; ++i) {
      logits[i] = op.soft_cap * std::tanh(logits[i] / op.soft_cap);
    }
  });
}

}  // namespace tandem::cpu
