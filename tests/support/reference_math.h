// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Formulas of the Gemma family in double precision, for the reference models: straight from the
// papers, sharing no code with the Program or any device.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/weight_view.h"
#include "gemma/weights.h"

namespace tandem::testing {

/// Results by (operation as named by OpName, layer or -1), each [planes, T, width] like the value
/// that the operation writes. QkvProject keeps q.
using Trace = std::map<std::pair<std::string, int>, std::vector<double>>;

struct ReferenceRun {
  Trace trace;
  std::vector<double> logits;  // [T, V]
};

namespace reference {

using Row = std::vector<double>;
using Rows = std::vector<Row>;      // [T][width]
using Streams = std::vector<Rows>;  // [planes][T][width]

Row WeightRow(const WeightView& view, int64_t row);
Rows MatMul(const Rows& x, const WeightView& view);
double MeanSquare(const Row& x);
/// weight * x / sqrt(mean(x^2) + eps); an empty weight is none.
Row Rms(const Row& x, std::span<const float> weight, double eps);
double Gelu(double x);

/// RoPE of every head of one row: dimension dh, angle position * (theta^(-2 i / dh) / factor), of
/// which the reference implementation computes the frequency in float.
struct Rope {
  double theta = 0;
  float factor = 1;
};
void Rotate(Row& row, size_t dh, int64_t position, const Rope& rope);
/// Norm of every head of one row.
void NormHeads(Row& row, size_t dh, std::span<const float> weight, double eps);

/// softmax(scale q K^T) V of every query over the positions up to its own, of which a window > 0
/// leaves the last ones. Rows hold heads side by side.
struct AttentionShape {
  size_t heads = 0;
  size_t kv_heads = 0;
  size_t dh = 0;
  int64_t window = 0;
  double scale = 1;
};
Rows Attend(const Rows& q, const Rows& keys, const Rows& values, const AttentionShape& shape);

/// h + RMS((gelu(g') * u) Wd^T) with g and u of RMS(h); `multiplier` of the sparsity, or null.
Rows Mlp(const Rows& h, const gemma::BlockWeights& block, double eps, const float* multiplier);

/// Appends a result to the trace.
void Keep(Trace& trace, const char* op, int layer, const Streams& planes);

}  // namespace reference
}  // namespace tandem::testing
