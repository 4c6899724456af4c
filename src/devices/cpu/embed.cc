// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Look-ups of a token: its embedding and its per-layer inputs.
#include <algorithm>

#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {

void Step::Execute(const EmbedTokens& op, RowContext& rows) {
  const int64_t width = op.table.cols;
  ForRows(rows.count(), width, 4, [&](int64_t t, int) {
    float* row = Data(op.x) + t * width;
    op.table.ReadRow(rows.rows[static_cast<size_t>(t)].token, row);
    row_.scale(row, nullptr, op.scale, width, row);
  });
}

void Step::Execute(const PleGather& op, RowContext& rows) {
  const auto layers = static_cast<int64_t>(op.columns.size());
  ForRows(rows.count(), layers * op.width, 4, [&](int64_t t, int) {
    const int64_t token = rows.rows[static_cast<size_t>(t)].token;
    const std::byte* source = op.table.Row(token < op.vocab ? token : 0);
    for (size_t layer = 0; layer < op.columns.size(); ++layer) {
      float* row = Plane(op.ple, static_cast<int>(layer)) + t * op.width;
      DequantizeRow(op.table.type, source + RowBytes(op.table.type, op.columns[layer]), row,
                    op.width);
      row_.scale(row, nullptr, op.scale, op.width, row);
    }
  });
}

void Step::Execute(const PleProject& op, RowContext& rows) {
  const int64_t width = Width(op.x);
  const int64_t ple_width = Width(op.pli);
  multiplier_.Load(Data(op.x), width, rows.count(), width);
  // One layer after the other, while it is in the cache; together for an engine.
  const size_t together = multiplier_.HasEngine() ? op.projections.size() : 1;
  const int64_t size = rows.count() * ple_width;
  float* scratch = Scratch(0, static_cast<int64_t>(together) * size);
  for (size_t layer = 0; layer < op.projections.size(); ++layer) {
    float* projected = scratch + static_cast<int64_t>(layer % together) * size;
    if (layer % together == 0) {
      products_.clear();
      for (size_t i = 0; i < together; ++i) {
        products_.push_back(
            {op.projections[layer + i], scratch + static_cast<int64_t>(i) * size, ple_width});
      }
      multiplier_.Run(products_);
    }
    float* plane = Plane(op.pli, static_cast<int>(layer));
    ForRows(rows.count(), ple_width, 8, [&](int64_t t, int) {
      float* pp = projected + t * ple_width;
      row_.scale(pp, nullptr, op.scale, ple_width, pp);
      row_.rms_norm(pp, op.norm.data(), op.eps, ple_width, pp);
      row_.add_mix(pp, nullptr, op.mix, ple_width, plane + t * ple_width);
    });
  }
}

void Step::Execute(const SelectRows& op, RowContext& rows) {
  const int64_t width = Width(op.from);
  for (int plane = 0; plane < Info(op.from).planes; ++plane) {
    const float* from = Plane(op.from, plane);
    float* to = Plane(op.to, plane);
    for (int64_t t = 0; t < rows.count(); ++t) {
      std::copy_n(from + rows.source[static_cast<size_t>(t)] * width, width, to + t * width);
    }
  }
}

}  // namespace tandem::cpu
