// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention's output, the norms behind it and the MLP as one list, next to the model's own in
// double; what is left to the host; what is planned as such.
#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "devices/npu/arrays/emulated_backend.h"
#include "devices/npu/gated_model.h"
#include "devices/npu/prefill/array_products.h"
#include "devices/npu/prefill/product_plan.h"
#include "devices/npu/relative_error.h"
#include "formats/dtype.h"
#include "program/program.h"

namespace tandem::npu::test {
namespace {

constexpr Device kArrays[] = {{Generation::kNpu1, 4}, {Generation::kNpu2, 8}};
constexpr int64_t kContext = 384;
constexpr int64_t kWidth = 512;
constexpr int64_t kNeurons = 768;
constexpr float kMix = 0.75F;
constexpr float kEpsilon = 1e-3F;

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
    return PlanProducts(program_, {0, program_.ops.size()}, {rows_, 1}, options);
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

TEST(NpuNormProducts, OutputNormsAndMlpAreOneCall) {
  std::mt19937_64 random(1);
  for (const Device& device : kArrays) {
    for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
      for (const int64_t rows : {kLeastRows, int64_t{50}, kMostNormRows}) {
        SCOPED_TRACE(::testing::Message() << DTypeName(type) << " " << rows);
        Layer layer(type, rows, random);
        ArrayProducts array(device, MakeEmulatedBackend(device.generation));
        array.Add(layer.Plan(device), {});
        ASSERT_TRUE(array.OutAndMlp(layer.Call()));
        EXPECT_EQ(array.counts().calls, 1U);
        EXPECT_EQ(array.counts().runs, 4U);
        EXPECT_EQ(array.counts().macs, static_cast<uint64_t>(rows * layer.weights()));
        EXPECT_GT(array.counts().modelled_seconds, 0);
        layer.Check(0.035);
      }
    }
  }
}

// Both runs that sum over x find it where the norm left it; the gates get their rows' factors
// before they are cut.
TEST(NpuNormProducts, SoAreThoseOfSparseLayers) {
  std::mt19937_64 random(6);
  for (const Device& device : kArrays) {
    for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
      for (const int64_t rows : {kLeastRows, int64_t{50}, kMostNormRows}) {
        SCOPED_TRACE(::testing::Message() << DTypeName(type) << " " << rows);
        Layer layer(type, rows, random);
        layer.Cut(1.645F);
        ArrayProducts array(device, MakeEmulatedBackend(device.generation));
        array.Add(layer.Plan(device), {});
        ASSERT_TRUE(array.OutAndMlp(layer.Call()));
        EXPECT_EQ(array.counts().calls, 1U);
        EXPECT_EQ(array.counts().runs, 5U);
        EXPECT_EQ(array.counts().macs, static_cast<uint64_t>(rows * layer.weights()));
        layer.Check(0.045);
        // Once more, where memory has what was left there.
        ASSERT_TRUE(array.OutAndMlp(layer.Call()));
        layer.Check(0.045);
        // What is cut elsewhere was not packed.
        layer.Cut(1.5F);
        EXPECT_FALSE(array.OutAndMlp(layer.Call()));
      }
    }
  }
}

// Of which the array finds in their places what their bytes leave over.
TEST(NpuNormProducts, OutliersOfXCostTheOthersLittle) {
  std::mt19937_64 random(2);
  const std::set<int64_t> loud = {17, 100, 200, 470};
  for (const Device& device : kArrays) {
    for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
      Layer layer(type, 40, random, loud);
      double errors[2];
      for (const bool apart : {false, true}) {
        ProductPlan plan = layer.Plan(device);
        ASSERT_EQ(plan.parts.size(), 2U);
        ASSERT_TRUE(plan.parts[0].norm && plan.parts[0].norm->sets_apart);
        ASSERT_TRUE(plan.parts[1].sets_apart);
        // Blocks of 32 in i4; in i8 both halves of the tile, those that are loud in the second.
        for (int32_t i = 0; i < 128; ++i) {
          const int32_t blocks[] = {0, 96, 192, 448};
          const int32_t ones[] = {17, 100, 200, 470};
          plan.parts[1].apart.push_back(type == DType::kQ4_0 ? blocks[i / 32] + i % 32
                                        : i >= 64 && i < 68  ? ones[i - 64]
                                                             : 256 + i);
        }
        if (!apart) plan.parts[1].apart.resize(32);  // Nothing of any size.
        if (!apart && type == DType::kQ4_0) {
          std::iota(plan.parts[1].apart.begin(), plan.parts[1].apart.end(), 320);
        }
        ArrayProducts array(device, MakeEmulatedBackend(device.generation));
        array.Add(plan, {});
        ASSERT_TRUE(array.OutAndMlp(layer.Call()));
        layer.Check(0.08);
        errors[apart ? 1 : 0] = layer.error();
      }
      EXPECT_LT(errors[1], 0.7 * errors[0]) << DTypeName(type);
    }
  }
}

TEST(NpuNormProducts, WhatCannotBeSaidIsTheHosts) {
  std::mt19937_64 random(3);
  const Device& device = kArrays[0];
  Layer layer(DType::kQ8_0, 20, random);
  ArrayProducts array(device, MakeEmulatedBackend(device.generation));
  array.Add(layer.Plan(device), {});
  for (const float bad : {NAN, INFINITY, 1e30F}) {
    for (std::vector<float>* const values : {&layer.context(), &layer.base()}) {
      const float good = (*values)[300];
      (*values)[300] = bad;
      EXPECT_FALSE(array.OutAndMlp(layer.Call())) << bad;
      EXPECT_TRUE(std::isnan(layer.o()[0]));
      (*values)[300] = good;
    }
  }
  for (const int64_t rows : {kLeastRows - 1, kMostNormRows + 1}) {
    OutMlpCall call = layer.Call();
    call.rows = rows;
    EXPECT_FALSE(array.OutAndMlp(call));
  }
  ArrayProducts precise(device, MakeEmulatedBackend(device.generation), true);
  EXPECT_FALSE(precise.OutAndMlp(layer.Call()));
  EXPECT_EQ(array.counts().calls, 0U);
  // Nothing stays nothing, and the norms' epsilon is all there is.
  std::fill(layer.context().begin(), layer.context().end(), 0.0F);
  std::fill(layer.base().begin(), layer.base().end(), 0.0F);
  ASSERT_TRUE(array.OutAndMlp(layer.Call()));
  EXPECT_EQ(layer.o(), std::vector<float>(layer.o().size(), 0.0F));
}

// For more rows than a norm takes, and where the MLP is not asked for.
TEST(NpuNormProducts, TheOutputAloneIsAProduct) {
  std::mt19937_64 random(4);
  for (const Device& device : kArrays) {
    Layer layer(DType::kQ8_0, 300, random);
    ArrayProducts array(device, MakeEmulatedBackend(device.generation));
    array.Add(layer.Plan(device), {});
    const OutMlpCall call = layer.Call();
    layer.context()[5] = 1e25F;       // The first row gets a factor of the host's,
    layer.context()[kContext] = NAN;  // the second is none.
    Product product = {call.out.output, call.o, kWidth};
    array.Multiply(layer.context().data(), kContext, 300, {&product, 1});
    ASSERT_TRUE(product.done);
    EXPECT_EQ(array.counts().calls, 1U);
    const Matrix& output = layer.output();
    for (const int64_t t : {int64_t{0}, int64_t{1}, int64_t{2}, int64_t{299}}) {
      const auto row = layer.context().begin() + t * kContext;
      const std::vector<double> want = output.Times(std::vector<double>(row, row + kContext));
      const auto got = layer.o().begin() + t * kWidth;
      const double error = ErrorOf(std::vector<float>(got, got + kWidth), want);
      EXPECT_TRUE(t == 1 ? std::isnan(error) : error < 0.02) << t << " " << error;
    }
  }
}

TEST(NpuNormProducts, NormsArePlannedBetweenAnOutputAndItsMlp) {
  std::mt19937_64 random(5);
  Layer layer(DType::kQ8_0, 64, random);
  const ProductPlan plan = layer.Plan(kArrays[0]);
  ASSERT_EQ(plan.parts.size(), 2U);
  ASSERT_TRUE(plan.parts[0].norm.has_value());
  EXPECT_EQ(plan.parts[0].norm->mlp, KeysOf(plan.parts[1].matrices));
  EXPECT_FLOAT_EQ(plan.parts[0].norm->pre_epsilon, kEpsilon / (kMix * kMix));
  EXPECT_EQ(plan.bytes, plan.parts[0].bytes + plan.parts[1].bytes);
  // An MLP that reads another value, or for other rows.
  auto& mlp = std::get<GatedMlp>(layer.program().ops[1].body);
  mlp.h = mlp.out;
  EXPECT_FALSE(layer.Plan(kArrays[0]).parts[0].norm.has_value());
  mlp.h = std::get<AttentionOut>(layer.program().ops[0].body).h;
  EXPECT_TRUE(layer.Plan(kArrays[0]).parts[0].norm.has_value());
  // One that does not fit as a list.
  PlanOptions options = {kArrays[0], plan.bytes - 1, kLeastSide, false, nullptr};
  const ProductPlan less = PlanProducts(layer.program(), {0, 2}, {64, 1}, options);
  EXPECT_FALSE(less.parts.front().norm.has_value());
  EXPECT_LE(less.bytes, options.budget);
  options.budget = UINT64_MAX;
  options.precise = true;
  EXPECT_FALSE(PlanProducts(layer.program(), {0, 2}, {64, 1}, options).parts[0].norm.has_value());
}

}  // namespace
}  // namespace tandem::npu::test
