// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Made-up MLPs and per-layer mixes, as a host offers them and as they are in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <set>
#include <span>
#include <vector>

#include "devices/npu/gelu.h"
#include "devices/npu/prefill/product_plan.h"
#include "devices/products.h"
#include "formats/dtype.h"
#include "formats/weight_view.h"

namespace tandem::npu::test {

/// A stored matrix whose products of normal rows are normal.
class Matrix {
 public:
  /// Rows in `loud` are 30 times the others.
  Matrix(DType type, int64_t rows, int64_t cols, std::mt19937_64& random,
         const std::set<int64_t>& loud = {})
      : bytes_(static_cast<size_t>(rows) * RowBytes(type, cols)),
        view_{type, rows, cols, RowBytes(type, cols), bytes_.data()} {
    std::normal_distribution<float> normal;
    std::vector<float> row(static_cast<size_t>(cols));
    for (int64_t r = 0; r < rows; ++r) {
      const float size = (loud.contains(r) ? 30.0F : 1.0F) / std::sqrt(static_cast<float>(cols));
      for (float& value : row) value = normal(random) * size;
      QuantizeRow(type, row.data(), bytes_.data() + static_cast<size_t>(r) * view_.row_stride,
                  cols);
    }
    values_.resize(static_cast<size_t>(rows * cols));
    for (int64_t r = 0; r < rows; ++r) view_.ReadRow(r, values_.data() + r * cols);
  }
  const WeightView& view() const { return view_; }
  /// Products of all rows.
  std::vector<double> Times(std::span<const double> x) const {
    std::vector<double> y;
    for (int64_t r = 0; r < view_.rows; ++r) {
      const float* const row = values_.data() + r * view_.cols;
      double sum = 0;
      for (size_t i = 0; i < x.size(); ++i) sum += row[i] * x[i];
      y.push_back(sum);
    }
    return y;
  }

 private:
  std::vector<std::byte> bytes_;
  WeightView view_;
  std::vector<float> values_;  ///< As they are stored.
};

/// Gates less what cuts them, `deviations` above their mean.
inline void CutGates(std::vector<double>& gates, double deviations) {
  double sum = 0;
  for (const double gate : gates) sum += gate;
  const double mean = sum / static_cast<double>(gates.size());
  double squares = 0;
  for (const double gate : gates) squares += (gate - mean) * (gate - mean);
  const double deviation = std::sqrt(squares / static_cast<double>(gates.size()));
  for (double& gate : gates) gate = std::max(gate - mean - deviations * deviation, 0.0);
}

inline constexpr int64_t kGatedK = 256;
inline constexpr int64_t kGatedN = 200;
inline constexpr int64_t kGatedRows = 37;

/// An MLP, or a mix, whose factors are given.
class GatedModel {
 public:
  GatedModel(DType type, bool mix, std::mt19937_64& random)
      : GatedModel(type, mix, mix ? 256 : 768, random) {}
  GatedModel(DType type, bool mix, int64_t neurons, std::mt19937_64& random,
             const std::set<int64_t>& loud = {})
      : neurons_(neurons),
        gate_(type, neurons_, kGatedK, random),
        up_(type, neurons_, kGatedK, random, loud),
        down_(type, kGatedN, neurons_, random),
        mix_(mix),
        x_(static_cast<size_t>(kGatedRows * kGatedK)),
        u_(static_cast<size_t>(kGatedRows * neurons_)) {
    std::normal_distribution<float> normal;
    for (float& value : x_) value = normal(random);
    for (float& value : u_) value = normal(random);
  }

  /// An MLP of gates that are cut so many deviations above their mean.
  void Cut(float deviations) { cut_ = deviations; }

  ProductPlan Plan(const Device& device) const {
    ProductPart part;
    const bool four = gate_.view().type == DType::kQ4_0;
    part.config = {device, four ? GemmType::kI4 : GemmType::kI8, GemmOutput::kF32};
    part.matrices = {gate_.view(), up_.view(), down_.view()};
    if (mix_) part.matrices.erase(part.matrices.begin() + 1);
    part.gated = true;
    part.k = kGatedK;
    part.n = kGatedN;
    part.cut = cut_;
    ProductPlan plan;
    plan.parts.push_back(part);
    return plan;
  }
  GatedCall Call(std::vector<float>& y) const {
    y.assign(static_cast<size_t>(kGatedRows * kGatedN), NAN);
    return {gate_.view(), mix_ ? WeightView{} : up_.view(), down_.view(), x_.data(), kGatedK,
            kGatedRows,   mix_ ? u_.data() : nullptr,       y.data(),     cut_};
  }
  /// Of the stored weights.
  std::vector<double> Want() const {
    std::vector<double> want;
    for (int64_t t = 0; t < kGatedRows; ++t) {
      const auto x = x_.begin() + t * kGatedK;
      const std::vector<double> row(x, x + kGatedK);
      std::vector<double> h = gate_.Times(row);
      if (cut_) CutGates(h, *cut_);
      std::vector<double> u(u_.begin() + t * neurons_, u_.begin() + (t + 1) * neurons_);
      if (!mix_) u = up_.Times(row);
      for (size_t f = 0; f < h.size(); ++f) h[f] = GeluOf(h[f]) * u[f];
      const std::vector<double> y = down_.Times(h);
      want.insert(want.end(), y.begin(), y.end());
    }
    return want;
  }
  std::vector<float>& x() { return x_; }
  std::vector<float>& u() { return u_; }
  int64_t weights() const { return neurons_ * (kGatedK * (mix_ ? 1 : 2) + kGatedN); }

 private:
  int64_t neurons_;
  Matrix gate_, up_, down_;
  bool mix_;
  std::optional<float> cut_;
  std::vector<float> x_, u_;
};

}  // namespace tandem::npu::test
