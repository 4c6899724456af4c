// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Made-up layers from attention's contexts on, as a host offers them and as they are in double.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <variant>
#include <vector>

#include "devices/npu/gated_model.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/prefill/product_plan.h"
#include "devices/npu/relative_error.h"
#include "devices/products.h"
#include "program/program.h"

namespace tandem::npu::test {

inline constexpr int64_t kContext = 384;
inline constexpr int64_t kWidth = 512;
inline constexpr int64_t kNeurons = 768;
inline constexpr float kMix = 0.75F;
inline constexpr float kEpsilon = 1e-3F;

/// A layer from attention's contexts on. Channels in `loud` are 30 times the others in x.
class Layer {
 public:
  Layer(DType type, int64_t rows, std::mt19937_64& random, const std::set<int64_t>& loud = {})
      : rows_(rows),
        output_(type, kWidth, kContext, random),
        gate_(type, kNeurons, kWidth, random),
        up_(type, kNeurons, kWidth, random),
        down_(type, kWidth, kNeurons, random),
        post_(kWidth),
        pre_(kWidth),
        context_(static_cast<size_t>(rows * kContext)),
        base_(static_cast<size_t>(rows * kWidth)) {
    std::normal_distribution<float> normal;
    for (float& weight : post_) weight = 1 + normal(random) / 4;
    for (float& weight : pre_) weight = 1 + normal(random) / 4;
    for (const int64_t i : loud) pre_[static_cast<size_t>(i)] *= 30;
    for (float& value : context_) value = normal(random);
    for (size_t i = 0; i < base_.size(); ++i) {
      // Rows of many sizes.
      base_[i] = normal(random) * std::exp2(static_cast<float>(i / kWidth % 7) - 2);
    }
    program_.AddValue("context", RowSet::kAll, 1, kContext);
    const ValueId residual = program_.AddValue("residual", RowSet::kAll, 1, kWidth);
    const ValueId h = program_.AddValue("h", RowSet::kAll, 1, kWidth);
    AttentionOut out;
    out.context = 0;
    out.residual = residual;
    out.output = output_.view();
    out.post_norm = post_;
    out.mix = kMix;
    out.eps = kEpsilon;
    out.h = h;
    GatedMlp mlp;
    mlp.h = h;
    mlp.pre_norm = pre_;
    mlp.gate = gate_.view();
    mlp.up = up_.view();
    mlp.down = down_.view();
    mlp.post_norm = post_;
    mlp.eps = kEpsilon;
    mlp.out = program_.AddValue("out", RowSet::kAll, 1, kWidth);
    program_.ops = {{out, RowSet::kAll, 0}, {mlp, RowSet::kAll, 0}};
  }

  /// Makes it a sparse layer, whose gates are cut so many deviations above their mean.
  void Cut(float deviations) {
    cut_ = deviations;
    auto& mlp = std::get<GatedMlp>(program_.ops[1].body);
    mlp.sparse = true;
    mlp.sparsity_multiplier = deviations;
  }

  Program& program() { return program_; }
  ProductPlan Plan(const Device& device) const {
    const PlanOptions options = {device, UINT64_MAX, kLeastSide, false, nullptr};
    ProductPlan plan = PlanProducts(program_, {0, program_.ops.size()}, {rows_, 1}, options);
    // As if the first inputs were the largest.
    for (ProductPart& part : plan.parts) {
      part.apart.resize(part.sets_apart ? kTileKI8 : 0);
      std::iota(part.apart.begin(), part.apart.end(), 0);
    }
    return plan;
  }
  OutMlpCall Call() {
    o_.assign(static_cast<size_t>(rows_ * kWidth), NAN);
    y_.assign(o_.size(), NAN);
    return {std::get<AttentionOut>(program_.ops[0].body),
            std::get<GatedMlp>(program_.ops[1].body),
            context_.data(),
            base_.data(),
            rows_,
            o_.data(),
            y_.data()};
  }

  /// Compares what a call left.
  void Check(double most) {
    std::vector<double> o;
    std::vector<double> y;
    for (int64_t t = 0; t < rows_; ++t) {
      const auto row = context_.begin() + t * kContext;
      const std::vector<double> products = output_.Times(std::vector<double>(row, row + kContext));
      o.insert(o.end(), products.begin(), products.end());
      std::vector<double> h = Normed(products, post_);
      for (size_t i = 0; i < h.size(); ++i) {
        h[i] = (h[i] + base_[static_cast<size_t>(t) * kWidth + i]) * kMix;
      }
      const std::vector<double> x = Normed(h, pre_);
      std::vector<double> neurons = gate_.Times(x);
      if (cut_) CutGates(neurons, *cut_);
      const std::vector<double> up = up_.Times(x);
      for (size_t f = 0; f < up.size(); ++f) neurons[f] = GeluOf(neurons[f]) * up[f];
      const std::vector<double> down = down_.Times(neurons);
      y.insert(y.end(), down.begin(), down.end());
      // As the host finishes it, by the products that came back.
      const auto got = o_.begin() + t * kWidth;
      std::vector<double> of_host = Normed(std::vector<double>(got, got + kWidth), post_);
      double squares = 0;
      for (size_t i = 0; i < of_host.size(); ++i) {
        const double mixed = (of_host[i] + base_[static_cast<size_t>(t) * kWidth + i]) * kMix;
        squares += mixed * mixed;
      }
      const double factor = kMix / std::sqrt(squares / kWidth + kEpsilon);
      for (int64_t i = 0; i < kWidth; ++i) {
        float& value = y_[static_cast<size_t>(t * kWidth + i)];
        value = static_cast<float>(value * factor);
      }
    }
    EXPECT_LT(ErrorOf(o_, o), 0.02);
    error_ = ErrorOf(y_, y);
    EXPECT_LT(error_, most);
  }
  double error() const { return error_; }
  const Matrix& output() const { return output_; }
  std::vector<float>& context() { return context_; }
  std::vector<float>& base() { return base_; }
  const std::vector<float>& o() const { return o_; }
  const std::vector<float>& y() const { return y_; }
  int64_t weights() const { return kWidth * kContext + 3 * kWidth * kNeurons; }

 private:
  static std::vector<double> Normed(std::vector<double> row, const std::vector<float>& weights) {
    const double squares = std::inner_product(row.begin(), row.end(), row.begin(), 0.0);
    const double factor = 1 / std::sqrt(squares / static_cast<double>(row.size()) + kEpsilon);
    for (size_t i = 0; i < row.size(); ++i) row[i] *= factor * weights[i];
    return row;
  }

  int64_t rows_;
  std::optional<float> cut_;
  Matrix output_, gate_, up_, down_;
  std::vector<float> post_, pre_;
  std::vector<float> context_, base_, o_, y_;
  Program program_;
  double error_ = 0;
};

}  // namespace tandem::npu::test
