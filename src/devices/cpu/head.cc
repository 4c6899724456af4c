// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {

void Step::Execute(const FinalNorm& op, RowContext& rows) {
  const int64_t width = Width(op.x);
  ForRows(rows.count(), width, 4, [&](int64_t t, int) {
    row_.rms_norm(Data(op.x) + t * width, op.norm.data(), op.eps, width, Data(op.y) + t * width);
  });
}

void Step::Execute(const LmHead& op, RowContext& rows) {
  const int64_t vocab = op.table.rows;
  float* logits = Data(op.logits);
  multiplier_.Run(op.table, Data(op.y), op.table.cols, rows.count(), logits, vocab);
  if (op.soft_cap == 0) return;
  team_.ParallelFor(rows.count() * vocab, kThreadWork / 16, [&](int64_t begin, int64_t end, int) {
    row_.soft_cap(op.soft_cap, end - begin, logits + begin);
  });
}

}  // namespace tandem::cpu
