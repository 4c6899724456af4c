// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Look-ups of a token: its embedding and its per-layer inputs.
#include <algorithm>

#include "devices/cpu/kernels.h"
#include "devices/cpu/step.h"

namespace tandem::cpu {

void Step::Execute(const EmbedTokens& op, RowContext& rows) {
  float* x = Data(op.x);
  for (int64_t t = 0; t < rows.count(); ++t) {
    float* row = x + t * op.table.cols;
    op.table.ReadRow(rows.rows[static_cast<size_t>(t)].token, row);
    for (int64_t i = 0; i < op.table.cols; ++i) row[i] *= op.scale;
  }
}

void Step::Execute(const PleGather& op, RowContext& rows) {
  for (size_t layer = 0; layer < op.columns.size(); ++layer) {
    const size_t offset = RowBytes(op.table.type, op.columns[layer]);
    float* plane = Plane(op.ple, static_cast<int>(layer));
    for (int64_t t = 0; t < rows.count(); ++t) {
      const int64_t token = rows.rows[static_cast<size_t>(t)].token;
      const int64_t id = token < op.vocab ? token : 0;
      float* row = plane + t * op.width;
      DequantizeRow(op.table.type, op.table.Row(id) + offset, row, op.width);
      for (int64_t i = 0; i < op.width; ++i) row[i] *= op.scale;
    }
  }
}

void Step::Execute(const PleProject& op, RowContext& rows) {
  const int64_t width = Width(op.x);
  const int64_t ple_width = Width(op.pli);
  float* projected = Scratch(0, rows.count() * ple_width);
  for (size_t layer = 0; layer < op.projections.size(); ++layer) {
    multiplier_.Run(op.projections[layer], Data(op.x), width, rows.count(), projected, ple_width);
    float* plane = Plane(op.pli, static_cast<int>(layer));
    for (int64_t t = 0; t < rows.count(); ++t) {
      float* pp = projected + t * ple_width;
      float* pli = plane + t * ple_width;
      for (int64_t i = 0; i < ple_width; ++i) pp[i] *= op.scale;
      RmsNorm(pp, op.norm.data(), op.eps, ple_width, pp);
      for (int64_t i = 0; i < ple_width; ++i) pli[i] = (pp[i] + pli[i]) * op.mix;
    }
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
