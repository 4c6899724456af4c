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
#include "devices/npu/norm_model.h"
#include "devices/npu/prefill/array_products.h"
#include "devices/npu/prefill/product_plan.h"
#include "devices/npu/relative_error.h"
#include "formats/dtype.h"
#include "program/program.h"

namespace tandem::npu::test {
namespace {

constexpr Device kArrays[] = {{Generation::kNpu1, 4}, {Generation::kNpu2, 8}};
TEST(NpuNormProducts, OutputNormsAndMlpAreOneCall) {
  std::mt19937_64 random(1);
  for (const Device& device : kArrays) {
    for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
      // Of each type all rows once, of each device.
      const bool most = (type == DType::kQ4_0) == (device.generation == Generation::kNpu1);
      for (const int64_t rows : {kLeastRows, most ? kMostNormRows : int64_t{50}}) {
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
      const int64_t rows = type == DType::kQ8_0 ? kLeastRows : kMostNormRows;
      SCOPED_TRACE(::testing::Message() << DTypeName(type));
      Layer layer(type, rows, random);
      layer.Cut(1.645F);
      ArrayProducts array(device, MakeEmulatedBackend(device.generation));
      array.Add(layer.Plan(device), {});
      // Once more, where memory has what was left there.
      for (uint64_t calls = 1; calls <= (rows == kLeastRows ? 2U : 1U); ++calls) {
        ASSERT_TRUE(array.OutAndMlp(layer.Call()));
        EXPECT_EQ(array.counts().calls, calls);
        EXPECT_EQ(array.counts().runs, 5 * calls);
        EXPECT_EQ(array.counts().macs, calls * static_cast<uint64_t>(rows * layer.weights()));
        layer.Check(0.045);
      }
      // What is cut elsewhere was not packed.
      layer.Cut(1.5F);
      EXPECT_FALSE(array.OutAndMlp(layer.Call()));
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
        // Blocks of 32 in i4; in i8 those that are loud in the second half of their tile. Or
        // others, of no size.
        std::vector<int32_t>& list = plan.parts[1].apart;
        list.clear();
        const int32_t blocks[] = {0, 96, 192, 448};
        const int32_t ones[] = {17, 100, 200, 470};
        for (int32_t i = 0; i < 128; ++i) {
          if (!apart) {
            list.push_back(224 + i);
          } else if (type == DType::kQ4_0) {
            list.push_back(blocks[i / 32] + i % 32);
          } else {
            list.push_back(i >= 64 && i < 68 ? ones[i - 64] : 224 + i);
          }
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
  // A row that needs no factor of the host's, whose results' squares no float holds.
  const float good = std::exchange(layer.context()[300], 3e19F);
  EXPECT_FALSE(array.OutAndMlp(layer.Call()));
  layer.context()[300] = good;
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

TEST(NpuNormProducts, ArePackedOnceWhateverTheirType) {
  std::mt19937_64 random(7);
  Layer layer(DType::kQ4_0, 20, random);
  ProductPlan plan = layer.Plan(kArrays[0]);
  ASSERT_EQ(plan.parts.size(), 2U);
  plan.parts[0].bytes = 1000;
  plan.parts[1].bytes = 100;
  ArrayProducts array(kArrays[0], MakeEmulatedBackend(kArrays[0].generation));
  array.Add(plan, {});
  for (ProductPart& part : plan.parts) part.config.type = GemmType::kI8;
  array.Add(plan, {});
  EXPECT_EQ(array.bytes(), 1100U);
  EXPECT_TRUE(array.held().contains(KeyOf(plan.parts[0])));
  ASSERT_TRUE(array.OutAndMlp(layer.Call()));
  layer.Check(0.035);
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
  // Nor takes the output more without norms than it was counted with.
  options.budget = plan.parts[0].bytes;
  const ProductPlan alone = PlanProducts(layer.program(), {0, 2}, {64, 1}, options);
  ASSERT_EQ(alone.parts.size(), 1U);
  EXPECT_LE(alone.bytes, options.budget);
  options.budget = UINT64_MAX;
  options.precise = true;
  EXPECT_FALSE(PlanProducts(layer.program(), {0, 2}, {64, 1}, options).parts[0].norm.has_value());
}

}  // namespace
}  // namespace tandem::npu::test
