// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// MLPs and per-layer mixes as lists: one call each, next to the model's own in double; what cannot
// be said on the array is left to the host; what is planned as a list.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "devices/npu/arrays/emulated_backend.h"
#include "devices/npu/gated_model.h"
#include "devices/npu/prefill/array_products.h"
#include "devices/npu/prefill/large_inputs.h"
#include "devices/npu/prefill/product_plan.h"
#include "devices/npu/relative_error.h"
#include "formats/dtype.h"

namespace tandem::npu::test {
namespace {

constexpr Device kArrays[] = {{Generation::kNpu1, 4}, {Generation::kNpu2, 8}};

TEST(NpuGatedProducts, MlpsAndMixesAreOneCallEach) {
  std::mt19937_64 random(1);
  for (const Device& device : kArrays) {
    for (const DType type : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_K}) {
      for (const bool mix : {false, true}) {
        SCOPED_TRACE(::testing::Message() << DTypeName(type) << " " << mix);
        const GatedModel gated(type, mix, random);
        ArrayProducts array(device, MakeEmulatedBackend(device.generation));
        array.Add(gated.Plan(device), {});
        std::vector<float> y;
        ASSERT_TRUE(array.Gated(gated.Call(y)));
        EXPECT_EQ(array.counts().calls, 1U);
        EXPECT_EQ(array.counts().macs, static_cast<uint64_t>(kGatedRows * gated.weights()));
        EXPECT_GT(array.counts().modelled_seconds, 0);
        // Values of x and h are off by up to 2/127.5 of the largest of 128, which of h is many
        // times the others; weights by 1/127 of theirs.
        EXPECT_LT(ErrorOf(y, gated.Want()), 0.035);
        // Few rows are the host's, as are other matrices.
        GatedCall few = gated.Call(y);
        few.rows = kLeastRows - 1;
        EXPECT_FALSE(array.Gated(few));
        GatedCall others = gated.Call(y);
        std::swap(others.gate, others.down);
        EXPECT_FALSE(array.Gated(others));
        EXPECT_EQ(array.counts().calls, 1U);
      }
    }
  }
}

// Whatever is left of the gates, which are normal: seven in ten, one in twenty, one in a hundred.
TEST(NpuGatedProducts, SparseMlpsAreOneCallEach) {
  std::mt19937_64 random(7);
  for (const Device& device : kArrays) {
    for (const DType type : {DType::kQ8_0, DType::kQ4_0, DType::kQ4_K}) {
      // Whole blocks of the type; halves of tiles where those are small.
      GatedModel gated(type, false, type == DType::kQ4_K ? 1024 : 832, random);
      for (const float deviations : {-0.5F, 1.645F, 2.3F}) {
        SCOPED_TRACE(::testing::Message() << DTypeName(type) << " " << deviations);
        gated.Cut(deviations);
        ArrayProducts array(device, MakeEmulatedBackend(device.generation));
        array.Add(gated.Plan(device), {});
        std::vector<float> y;
        ASSERT_TRUE(array.Gated(gated.Call(y)));
        EXPECT_EQ(array.counts().calls, 1U);
        EXPECT_EQ(array.counts().runs, 3U);
        EXPECT_EQ(array.counts().macs, static_cast<uint64_t>(kGatedRows * gated.weights()));
        // As MlpsAndMixesAreOneCallEach has it; of gates above a high cut little is left, and all
        // of the error.
        EXPECT_LT(ErrorOf(y, gated.Want()), deviations > 2 ? 0.05 : 0.035);
        // What is cut elsewhere, or not, is another product.
        GatedCall others = gated.Call(y);
        others.cut = 1;
        EXPECT_FALSE(array.Gated(others));
        others.cut.reset();
        EXPECT_FALSE(array.Gated(others));
        EXPECT_EQ(array.counts().calls, 1U);
      }
    }
  }
}

// Blocks of 32 in i4: one of each tile of h, whose others lose their bits else.
TEST(NpuGatedProducts, LargeBlocksOfSparseNeuronsCostTheOthersLess) {
  std::mt19937_64 random(9);
  std::set<int64_t> loud;
  for (int64_t tile = 0; tile < 768; tile += 128) {
    for (int64_t i = 0; i < 32; ++i) loud.insert(tile + 32 + i);
  }
  GatedModel gated(DType::kQ4_0, false, 768, random, loud);
  gated.Cut(1.0F);
  const std::vector<double> want = gated.Want();
  for (const Device& device : kArrays) {
    double errors[2];
    for (int way = 0; way < 2; ++way) {
      ProductPlan plan = gated.Plan(device);
      plan.parts[0].divisors.assign(768, 1);
      for (const int64_t neuron : loud) {
        plan.parts[0].divisors[static_cast<size_t>(neuron)] = way == 0 ? 1.0F : 8.0F;
      }
      ArrayProducts array(device, MakeEmulatedBackend(device.generation));
      array.Add(plan, {});
      std::vector<float> y;
      ASSERT_TRUE(array.Gated(gated.Call(y)));
      errors[way] = ErrorOf(y, want);
    }
    EXPECT_LT(errors[1], 0.97 * errors[0]);
  }
}

TEST(NpuGatedProducts, LargeNeuronsAreDividedByTheRootOfTheirSize) {
  std::vector<double> squares(1000, 0);
  EXPECT_EQ(DivisorsOf(squares, GemmType::kI8), std::vector<float>(1000, 1));
  squares.assign(1000, 0.9);
  squares[7] = 20 * 20;
  squares[8] = 5 * 5;
  squares[9] = 0;
  std::vector<float> want(1000, 1);
  want[7] = 4;
  want[8] = 2;
  EXPECT_EQ(DivisorsOf(squares, GemmType::kI8), want);
  // Weights of 32 share a scale, and have one size; those of the last eight here, too.
  std::fill(squares.begin() + 32, squares.begin() + 64, 8 * 8);
  squares[999] = 40 * 40;
  want.assign(1000, 1);
  std::fill(want.begin() + 32, want.begin() + 64, 2.0F);
  std::fill(want.end() - 8, want.end(), 2.0F);
  EXPECT_EQ(DivisorsOf(squares, GemmType::kI4), want);
}

// x is large in two inputs, h in a neuron of each of its tiles.
TEST(NpuGatedProducts, OutliersOfXAndHCostTheOthersLess) {
  std::mt19937_64 random(6);
  const std::set<int64_t> loud = {5, 200, 300, 500, 600, 700};
  GatedModel gated(DType::kQ8_0, false, 768, random, loud);
  for (size_t i = 0; i < gated.x().size(); ++i) {
    if (i % kGatedK == 17 || i % kGatedK == 200) gated.x()[i] *= 15;
  }
  const std::vector<double> want = gated.Want();
  for (const Device& device : kArrays) {
    double errors[3];
    for (int way = 0; way < 3; ++way) {
      ProductPlan plan = gated.Plan(device);
      ProductPart& part = plan.parts[0];
      if (way > 0) {
        part.sets_apart = true;
        // Both, and what fills their tile.
        part.apart = {17, 200};
        for (int32_t i = 20; part.apart.size() < 128; ++i) part.apart.push_back(i);
      }
      if (way > 1) {
        part.divisors.assign(768, 1);
        for (const int64_t neuron : loud) part.divisors[static_cast<size_t>(neuron)] = 8;
      }
      ArrayProducts array(device, MakeEmulatedBackend(device.generation));
      array.Add(plan, {});
      std::vector<float> y;
      ASSERT_TRUE(array.Gated(gated.Call(y)));
      EXPECT_EQ(array.counts().calls, 1U);
      errors[way] = ErrorOf(y, want);
      // Rows beyond the core stay the host's.
      for (const float bad : {NAN, 1e30F}) {
        const float good = gated.x()[17];
        gated.x()[17] = bad;
        EXPECT_FALSE(array.Gated(gated.Call(y))) << bad;
        gated.x()[17] = good;
      }
    }
    EXPECT_LT(errors[1], 0.6 * errors[0]);
    EXPECT_LT(errors[2], 0.85 * errors[1]);
  }
}

// Streams are kept by shape, in which an MLP and a mix may differ in nothing but up's inputs.
TEST(NpuGatedProducts, AnMlpAndAMixOfTheSameSidesAreTwoShapes) {
  std::mt19937_64 random(4);
  const GatedModel mlp(DType::kQ8_0, false, 256, random);
  const GatedModel mix(DType::kQ8_0, true, 256, random);
  for (const bool mix_first : {false, true}) {
    ArrayProducts array(kArrays[0], MakeEmulatedBackend(kArrays[0].generation));
    for (const GatedModel* const model :
         {mix_first ? &mix : &mlp, mix_first ? &mlp : &mix, mix_first ? &mix : &mlp}) {
      array.Add(model->Plan(kArrays[0]), {});
      std::vector<float> y;
      ASSERT_TRUE(array.Gated(model->Call(y)));
      EXPECT_LT(ErrorOf(y, model->Want()), 0.035);
    }
  }
}

TEST(NpuGatedProducts, AListIsPackedOnceWhateverItsType) {
  std::mt19937_64 random(5);
  const GatedModel gated(DType::kQ4_0, false, random);
  ProductPlan plan = gated.Plan(kArrays[0]);
  plan.parts[0].bytes = 1000;
  ArrayProducts array(kArrays[0], MakeEmulatedBackend(kArrays[0].generation));
  array.Add(plan, {});
  plan.parts[0].config.type = GemmType::kI8;
  array.Add(plan, {});
  EXPECT_EQ(array.bytes(), 1000U);
  EXPECT_TRUE(array.held().contains(KeyOf(plan.parts[0])));
  std::vector<float> y;
  ASSERT_TRUE(array.Gated(gated.Call(y)));
  EXPECT_LT(ErrorOf(y, gated.Want()), 0.035);
}

// Squares of gates that are cut are added up, and what is far below them is not above anything.
TEST(NpuGatedProducts, CutRowsBeyondTheCoreAreTheHosts) {
  std::mt19937_64 random(8);
  GatedModel gated(DType::kQ8_0, false, random);
  gated.Cut(1.645F);
  ArrayProducts array(kArrays[0], MakeEmulatedBackend(kArrays[0].generation));
  array.Add(gated.Plan(kArrays[0]), {});
  std::vector<float> y;
  for (const float bad : {NAN, 1e30F}) {
    const float good = gated.x()[200];
    gated.x()[200] = bad;
    EXPECT_FALSE(array.Gated(gated.Call(y))) << bad;
    gated.x()[200] = good;
  }
  for (float& value : gated.x()) value *= 1e8F;
  ASSERT_TRUE(array.Gated(gated.Call(y)));
  EXPECT_LT(ErrorOf(y, gated.Want()), 0.035);
  for (float& value : gated.x()) value *= 1e7F;
  EXPECT_FALSE(array.Gated(gated.Call(y)));
  std::fill(gated.x().begin(), gated.x().end(), 0.0F);
  ASSERT_TRUE(array.Gated(gated.Call(y)));
  EXPECT_EQ(y, std::vector<float>(y.size(), 0.0F));
}

// What the core has no numbers for.
TEST(NpuGatedProducts, RowsBeyondTheCoreAreTheHosts) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  std::mt19937_64 random(2);
  for (const bool mix : {false, true}) {
    GatedModel gated(DType::kQ8_0, mix, random);
    ArrayProducts array(kArrays[0], MakeEmulatedBackend(kArrays[0].generation));
    array.Add(gated.Plan(kArrays[0]), {});
    std::vector<float> y;
    std::vector<std::vector<float>*> inputs = {&gated.x()};
    if (mix) inputs.push_back(&gated.u());
    for (std::vector<float>* const values : inputs) {
      for (const float bad : {NAN, kInfinity, 1e30F}) {
        const float good = (*values)[200];
        (*values)[200] = bad;
        EXPECT_FALSE(array.Gated(gated.Call(y))) << bad;
        EXPECT_TRUE(std::isnan(y[0]));
        (*values)[200] = good;
      }
    }
    EXPECT_EQ(array.counts().calls, 0U);
    // Large together, each for itself is not.
    for (float& value : gated.x()) value *= 1e12F;
    EXPECT_EQ(array.Gated(gated.Call(y)), mix);
    for (float& value : gated.u()) value *= 1e12F;
    EXPECT_FALSE(array.Gated(gated.Call(y)));
    // Nothing stays nothing.
    std::fill(gated.x().begin(), gated.x().end(), 0.0F);
    std::fill(gated.u().begin(), gated.u().end(), 0.0F);
    ASSERT_TRUE(array.Gated(gated.Call(y)));
    EXPECT_EQ(y, std::vector<float>(y.size(), 0.0F));
  }
}

TEST(NpuGatedProducts, WeightsThatAreNoNumbersAreTheHosts) {
  std::mt19937_64 random(3);
  GatedModel gated(DType::kQ8_0, false, random);
  ProductPlan plan = gated.Plan(kArrays[1]);
  std::vector<float> row(kGatedK, 1);
  row[17] = NAN;
  std::vector<std::byte> bytes(static_cast<size_t>(plan.parts[0].matrices[1].rows) * kGatedK * 4);
  std::memcpy(bytes.data(), row.data(), kGatedK * 4);
  GatedCall call = {};
  std::vector<float> y;
  call = gated.Call(y);
  call.up = {DType::kF32, call.up.rows, kGatedK, kGatedK * 4, bytes.data()};
  plan.parts[0].matrices[1] = call.up;
  ArrayProducts array(kArrays[1], MakeEmulatedBackend(kArrays[1].generation));
  array.Add(plan, {});
  EXPECT_FALSE(array.Gated(call));
  EXPECT_EQ(array.counts().calls, 0U);
}

/// A dense MLP, a sparse one, a mix; nobody reads their weights.
class Ops {
 public:
  static constexpr float kCut = 1.5F;
  explicit Ops(DType type, int64_t k = 256, int64_t f = 512, int64_t p = 128) {
    const ValueId x = program_.AddValue("x", RowSet::kAll, 1, k);
    const auto matrix = [&](int64_t rows, int64_t cols) {
      const size_t row = RowBytes(type, cols);
      return WeightView{type, rows, cols, row, reinterpret_cast<const std::byte*>(++address_)};
    };
    for (const bool sparse : {false, true}) {
      GatedMlp op;
      op.h = op.out = x;
      op.gate = matrix(f, k);
      op.up = matrix(f, k);
      op.down = matrix(k, f);
      op.sparse = sparse;
      if (sparse) op.sparsity_multiplier = kCut;
      program_.ops.push_back({op, RowSet::kAll, kNoId});
    }
    PerLayerMix mix;
    mix.streams = mix.pli = x;
    mix.gate = matrix(p, k);
    mix.projection = matrix(k, p);
    program_.ops.push_back({mix, RowSet::kAll, kNoId});
  }
  ProductPlan Plan(const PlanOptions& options) const {
    return PlanProducts(program_, {0, program_.ops.size()}, {256, 1}, options);
  }

 private:
  uintptr_t address_ = 0;
  Program program_;
};

std::string Kinds(const ProductPlan& plan) {
  std::string kinds;
  for (const ProductPart& part : plan.parts) {
    kinds += part.gated ? 'L' : 'p';
    kinds += std::to_string(part.matrices.size());
  }
  return kinds;
}

TEST(NpuGatedProducts, MlpsAndMixesArePlannedAsLists) {
  PlanOptions options{kArrays[0], UINT64_MAX, kLeastSide, false, nullptr};
  for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
    const Ops ops(type);
    const ProductPlan plan = ops.Plan(options);
    EXPECT_EQ(Kinds(plan), "L3L3L2");
    EXPECT_EQ(plan.multiplied, plan.all);
    const ProductPart& dense = plan.parts[0];
    const ProductPart& sparse = plan.parts[1];
    EXPECT_FALSE(dense.cut);
    EXPECT_EQ(sparse.cut, Ops::kCut);
    EXPECT_FALSE(plan.parts[2].cut);
    // Eight tiles of gates have their sums in one of A, beside which each column has one of B.
    EXPECT_EQ(sparse.bytes, dense.bytes + static_cast<uint64_t>(4 * TileBBytes(sparse.config)));
    EXPECT_GT(ModelGated(GatedCaseOf(sparse, 256)).seconds,
              ModelGated(GatedCaseOf(dense, 256)).seconds);
    options.precise = true;
    EXPECT_EQ(Kinds(ops.Plan(options)), "p2p1p2p1p1p1");
    options.precise = false;
  }
  // Floats have no such design; narrow ones stay with the host; sums longer than a stream has.
  EXPECT_EQ(Kinds(Ops(DType::kF32).Plan(options)), "p2p1p2p1p1p1");
  EXPECT_EQ(Kinds(Ops(DType::kQ8_0, 256, 512, 96).Plan(options)), "L3L3");
  EXPECT_EQ(Kinds(Ops(DType::kQ8_0, kMostGemmSum / 32 * 32, 128, 128).Plan(options)),
            "p2p1p2p1p1p1");
}

// QKV, gate and up, and down set inputs apart, in one part for activations and in bytes alone.
TEST(NpuGatedProducts, APlanCountsTheTileForOutliers) {
  PlanOptions options{kArrays[0], UINT64_MAX, kLeastSide, false, nullptr};
  for (const DType type : {DType::kQ8_0, DType::kQ4_0, DType::kF32}) {
    const Ops ops(type);
    options.precise = true;
    const ProductPlan precise = ops.Plan(options);
    options.precise = false;
    for (const ProductPart& part : precise.parts) EXPECT_FALSE(part.sets_apart);
    const ProductPlan plan = ops.Plan(options);
    EXPECT_FALSE(plan.parts.back().sets_apart);
    if (type == DType::kF32) {
      for (const ProductPart& part : plan.parts) EXPECT_FALSE(part.sets_apart);
      continue;
    }
    // K of 256 becomes 384, and of 512 640.
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_TRUE(plan.parts[i].sets_apart);
      EXPECT_EQ(GatedCaseOf(plan.parts[i], 64).gate_k, 384);
    }
    // As calls, where there is room for no list, and then for no gate and up.
    options.budget = plan.parts[0].bytes - 1;
    const ProductPart gate_up = ops.Plan(options).parts[0];
    options.budget = gate_up.bytes - 1;
    const ProductPart down = ops.Plan(options).parts[0];
    options.budget = UINT64_MAX;
    EXPECT_TRUE(gate_up.sets_apart && down.sets_apart);
    EXPECT_EQ(SumOf(gate_up), 384);
    EXPECT_EQ(SumOf(down), 640);
    const auto weights_of = [](const ProductPart& part) { return part.bytes - 4 * part.n; };
    EXPECT_EQ(weights_of(gate_up) * 2, weights_of(precise.parts[0]) * 3);
    EXPECT_EQ(weights_of(down) * 4, weights_of(precise.parts[1]) * 5);
  }
  // One tile has nobody to spare; the longest sums have no room.
  EXPECT_FALSE(Ops(DType::kQ8_0, 128).Plan(options).parts[0].sets_apart);
  for (const ProductPart& part :
       Ops(DType::kQ8_0, kMostGemmSum / 32 * 32, 128, 128).Plan(options).parts) {
    EXPECT_FALSE(part.sets_apart);
  }
}

TEST(NpuGatedProducts, WhatIsBeyondTheBudgetAsAListMayFitInParts) {
  const Ops ops(DType::kQ8_0);
  PlanOptions options{kArrays[0], UINT64_MAX, kLeastSide, false, nullptr};
  const ProductPlan lists = ops.Plan(options);
  // The dense list, the sparse one behind it.
  uint64_t before = 0;
  for (const std::string parts : {"p2", "L3p2"}) {
    const uint64_t list = lists.parts[before == 0 ? 0 : 1].bytes;
    options.budget = before + list - 1;
    const ProductPlan plan = ops.Plan(options);
    EXPECT_EQ(Kinds(plan).substr(0, parts.size()), parts);
    EXPECT_LE(plan.bytes, options.budget);
    EXPECT_GT(plan.left.budget, 0);
    before += list;
  }
}

}  // namespace
}  // namespace tandem::npu::test
