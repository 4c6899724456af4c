// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/reference_math.h"

#include <algorithm>
#include <cmath>

namespace tandem::testing::reference {
namespace {

double Dot(const Row& a, const Row& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

Row WeightRow(const WeightView& view, int64_t row) {
  std::vector<float> values(static_cast<size_t>(view.cols));
  view.ReadRow(row, values.data());
  return {values.begin(), values.end()};
}

Rows MatMul(const Rows& x, const WeightView& view) {
  Rows out(x.size(), Row(static_cast<size_t>(view.rows)));
  for (int64_t r = 0; r < view.rows; ++r) {
    const Row weights = WeightRow(view, r);
    for (size_t t = 0; t < x.size(); ++t) out[t][size_t(r)] = Dot(x[t], weights);
  }
  return out;
}

double MeanSquare(const Row& x) { return Dot(x, x) / double(x.size()); }

Row Rms(const Row& x, std::span<const float> weight, double eps) {
  const double scale = 1 / std::sqrt(MeanSquare(x) + eps);
  Row y = x;
  for (size_t i = 0; i < y.size(); ++i) {
    y[i] *= scale * (weight.empty() ? 1.0 : double(weight[i]));
  }
  return y;
}

double Gelu(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
}

void Rotate(Row& row, size_t dh, int64_t position, const Rope& rope) {
  const size_t half = dh / 2;
  for (size_t head = 0; head < row.size() / dh; ++head) {
    const Row part(row.begin() + int64_t(head * dh), row.begin() + int64_t((head + 1) * dh));
    for (size_t i = 0; i < dh; ++i) {
      const float frequency =
          float(std::pow(rope.theta, -2.0 * double(i % half) / double(dh))) / rope.factor;
      const double angle = float(position) * frequency;
      const double other = i < half ? -part[i + half] : part[i - half];
      row[head * dh + i] = part[i] * std::cos(angle) + other * std::sin(angle);
    }
  }
}

void NormHeads(Row& row, size_t dh, std::span<const float> weight, double eps) {
  for (size_t head = 0; head < row.size() / dh; ++head) {
    const auto begin = row.begin() + int64_t(head * dh);
    const Row normed = Rms(Row(begin, begin + int64_t(dh)), weight, eps);
    std::copy(normed.begin(), normed.end(), begin);
  }
}

Rows Attend(const Rows& q, const Rows& keys, const Rows& values, const AttentionShape& shape) {
  const size_t dh = shape.dh;
  const size_t group = shape.heads / shape.kv_heads;
  Rows context(q.size(), Row(q[0].size()));
  for (size_t t = 0; t < q.size(); ++t) {
    for (size_t head = 0; head < shape.heads; ++head) {
      std::vector<double> weight(t + 1, 0);
      double total = 0;
      double highest = -INFINITY;
      for (int pass = 0; pass < 2; ++pass) {
        for (size_t j = 0; j <= t; ++j) {
          if (shape.window > 0 && int64_t(t - j) >= shape.window) continue;
          double score = 0;
          for (size_t i = 0; i < dh; ++i) {
            score += q[t][head * dh + i] * keys[j][head / group * dh + i];
          }
          score *= shape.scale;
          if (pass == 0) {
            highest = std::max(highest, score);
          } else {
            weight[j] = std::exp(score - highest);
            total += weight[j];
          }
        }
      }
      for (size_t j = 0; j <= t; ++j) {
        for (size_t i = 0; i < dh; ++i) {
          context[t][head * dh + i] += weight[j] / total * values[j][head / group * dh + i];
        }
      }
    }
  }
  return context;
}

Rows Mlp(const Rows& h, const gemma::BlockWeights& block, double eps, const float* multiplier) {
  Rows z = h;
  for (Row& row : z) row = Rms(row, block.ffn_norm, eps);
  Rows g = MatMul(z, block.gate);
  const Rows u = MatMul(z, block.up);
  for (size_t t = 0; t < g.size(); ++t) {
    if (multiplier != nullptr) {
      double mean = 0;
      for (const double v : g[t]) mean += v / double(g[t].size());
      double variance = 0;
      for (const double v : g[t]) variance += (v - mean) * (v - mean) / double(g[t].size());
      const double threshold = mean + double(*multiplier) * std::sqrt(variance);
      for (double& v : g[t]) v = std::max(0.0, v - threshold);
    }
    for (size_t i = 0; i < g[t].size(); ++i) g[t][i] = Gelu(g[t][i]) * u[t][i];
  }
  Rows out = MatMul(g, block.down);
  for (size_t t = 0; t < out.size(); ++t) {
    out[t] = Rms(out[t], block.post_ffn_norm, eps);
    for (size_t d = 0; d < out[t].size(); ++d) out[t][d] += h[t][d];
  }
  return out;
}

void Keep(Trace& trace, const char* op, int layer, const Streams& planes) {
  std::vector<double>& flat = trace[{op, layer}];
  flat.clear();
  for (const Rows& rows : planes) {
    for (const Row& row : rows) flat.insert(flat.end(), row.begin(), row.end());
  }
}

}  // namespace tandem::testing::reference
