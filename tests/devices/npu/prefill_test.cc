// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What prefill brings to the array and takes from it: packed weights of every type, activations in
// 8 bits, the choice of products.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/arrays/emulated_backend.h"
#include "devices/npu/arrays/gemm_configuration.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/prefill/array_products.h"
#include "devices/npu/prefill/large_inputs.h"
#include "devices/npu/prefill/packed_weights.h"
#include "devices/npu/prefill/product_plan.h"
#include "devices/npu/relative_error.h"
#include "devices/random_weights.h"

namespace tandem::npu::test {
namespace {

constexpr Device kArrays[] = {{Generation::kNpu1, 4}, {Generation::kNpu2, 8}};

std::vector<int8_t> RandomBytes(int64_t size, int least, int most, std::mt19937_64& random) {
  std::uniform_int_distribution<int> byte(least, most);
  std::vector<int8_t> bytes(static_cast<size_t>(size));
  for (int8_t& value : bytes) value = static_cast<int8_t>(byte(random));
  return bytes;
}

/// A column of a row-major matrix [k,n].
template <typename T>
std::vector<T> Column(const std::vector<T>& matrix, int64_t n, int64_t columns) {
  std::vector<T> column;
  for (size_t i = static_cast<size_t>(n); i < matrix.size(); i += static_cast<size_t>(columns)) {
    column.push_back(matrix[i]);
  }
  return column;
}

TEST(NpuPrefill, ColumnsArePackedAsMatricesAre) {
  std::mt19937_64 random(1);
  for (const Device& device : kArrays) {
    for (int trial = 0; trial < 4; ++trial) {
      const auto k = static_cast<int64_t>(1 + random() % 300);
      const auto n = static_cast<int64_t>(1 + random() % 700);
      const GemmShape shape{1, k, n};
      const GemmPlan i8 = PlanGemm({device, GemmType::kI8, GemmOutput::kI32}, shape);
      const std::vector<int8_t> bytes = RandomBytes(k * n, -128, 127, random);
      std::vector<std::byte> want(static_cast<size_t>(i8.b_bytes));
      std::vector<std::byte> got(want.size(), std::byte{0x5A});
      PackB(i8, bytes, 3, want);
      ColumnPacker packer(i8, 3, got);
      for (int64_t i = 0; i < n; ++i) packer.Set(i, Column(bytes, i, n));
      EXPECT_EQ(got, want) << DeviceName(device) << " i8 " << k << "x" << n;

      const GemmPlan bf16 = PlanGemm({device, GemmType::kBf16, GemmOutput::kF32}, shape);
      std::vector<uint16_t> halves(bytes.size());
      for (uint16_t& half : halves) half = static_cast<uint16_t>(random());
      want.assign(static_cast<size_t>(bf16.b_bytes), std::byte{});
      got.assign(want.size(), std::byte{0x5A});
      PackB(bf16, halves, 0, want);
      ColumnPacker floats(bf16, 0, got);
      for (int64_t i = 0; i < n; ++i) floats.Set(i, Column(halves, i, n));
      EXPECT_EQ(got, want) << DeviceName(device) << " bf16 " << k << "x" << n;

      const GemmPlan i4 = PlanGemm({device, GemmType::kI4, GemmOutput::kI32}, shape);
      const std::vector<int8_t> nibbles = RandomBytes(k * n, -8, 7, random);
      std::vector<float> scales(static_cast<size_t>((k + 31) / 32 * n));
      for (float& scale : scales) scale = std::normal_distribution<float>()(random);
      std::vector<float> column_scales(static_cast<size_t>(n));
      want.assign(static_cast<size_t>(i4.b_bytes), std::byte{});
      got.assign(want.size(), std::byte{0x5A});
      PackB4(i4, nibbles, scales, column_scales, want);
      ColumnPacker fours(i4, 0, got);
      for (int64_t i = 0; i < n; ++i) {
        const float scale = fours.Set4(i, Column(nibbles, i, n), Column(scales, i, n));
        EXPECT_EQ(scale, column_scales[static_cast<size_t>(i)]);
      }
      EXPECT_EQ(got, want) << DeviceName(device) << " i4 " << k << "x" << n;
    }
  }
}

ProductPart Part(const Device& device, GemmType type, const std::vector<WeightView>& matrices) {
  ProductPart part;
  part.config = {device, type, GemmOutput::kF32};
  part.matrices = matrices;
  for (const WeightView& matrix : matrices) part.n += matrix.rows;
  part.k = matrices[0].cols;
  return part;
}

// What the array is given says the model's weights, within half a step of what it can say.
TEST(NpuPrefill, WeightsOfEveryTypeArePackedNextToWhatTheyAre) {
  std::mt19937_64 random(2);
  constexpr int64_t kK = 512;
  constexpr int64_t kN = 150;
  for (const DType type : AllDTypes()) {
    SCOPED_TRACE(DTypeName(type));
    const cpu::Weights first = cpu::RandomWeights(type, kN, kK, random);
    const cpu::Weights second = cpu::RandomWeights(type, 70, kK, random);
    const bool floats = type == DType::kF32 || type == DType::kF16 || type == DType::kBF16;
    const GemmType as = floats ? GemmType::kBf16 : GemmType::kI8;
    const ProductPart part = Part(kArrays[0], as, {first.view, second.view});
    const std::unique_ptr<ArrayBackend> backend =
        MakeEmulatedBackend(part.config.device.generation);
    const PackedWeights packed(part, *backend);
    // Row-major [k,n] of what must lie there.
    const int64_t n = part.n;
    std::vector<int8_t> bytes(static_cast<size_t>(kK * n));
    std::vector<uint16_t> halves(bytes.size());
    std::vector<float> row(kK);
    for (int64_t i = 0; i < n; ++i) {
      i < kN ? first.view.ReadRow(i, row.data()) : second.view.ReadRow(i - kN, row.data());
      float most = 0;
      for (const float value : row) most = std::max(most, std::abs(value));
      for (int64_t k = 0; k < kK; ++k) {
        const float value = row[static_cast<size_t>(k)];
        const auto at = static_cast<size_t>(k * n + i);
        halves[at] = FloatToBf16(value);
        if (floats) continue;
        const float scale = packed.column_scales()[static_cast<size_t>(i)];
        ASSERT_FLOAT_EQ(scale, most / 127);
        if (scale == 0) continue;
        bytes[at] = static_cast<int8_t>(std::nearbyint(value * (1 / scale)));
        ASSERT_LE(std::abs(static_cast<float>(bytes[at]) * scale - value), 0.501F * scale);
      }
    }
    const GemmPlan plan = PlanGemm(part.config, {1, kK, n});
    std::vector<std::byte> want(static_cast<size_t>(plan.b_bytes));
    floats ? PackB(plan, halves, 0, want) : PackB(plan, bytes, 0, want);
    EXPECT_TRUE(std::equal(want.begin(), want.end(), packed.bytes().begin(), packed.bytes().end()));
    EXPECT_EQ(packed.column_scales().empty(), floats);
  }
}

/// How far products of rows [rows, k] are off for their rounding to 8 bits, relative to all
/// results: each value is off by a part of its step, which is 2/127.5 of its tile's largest at
/// most.
double RoundingOf(const std::vector<float>& x, int64_t k) {
  double error = 0;
  double size = 0;
  for (size_t first = 0; first < x.size(); first += static_cast<size_t>(kTileKI8)) {
    EXPECT_EQ(k % kTileKI8, 0);
    float most = 0;
    for (size_t i = first; i < first + kTileKI8; ++i) {
      most = std::max(most, std::abs(x[i]));
      size += double{x[i]} * x[i];
    }
    const double step = 2 * most / 127.5;
    error += kTileKI8 * step * step / 12;
  }
  return std::sqrt(error / size);
}

// Two matrices of each type, products of the array against those of the model's weights in double.
TEST(NpuPrefill, ProductsAreThoseOfTheModelsWeights) {
  std::mt19937_64 random(3);
  constexpr int64_t kK = 256;
  constexpr int64_t kRows = 37;
  const std::vector<float> x = cpu::RandomRows(kRows * kK, random);
  const double rounding = RoundingOf(x, kK);
  for (const bool precise : {false, true}) {
    const Device& device = kArrays[precise ? 0 : 1];
    for (const DType type : {DType::kF32, DType::kBF16, DType::kQ8_0, DType::kQ4_0, DType::kQ4_K}) {
      SCOPED_TRACE(DTypeName(type));
      const cpu::Weights first = cpu::RandomWeights(type, 130, kK, random);
      const cpu::Weights second = cpu::RandomWeights(type, 40, kK, random);
      const GemmType as = type == DType::kF32 || type == DType::kBF16 ? GemmType::kBf16
                          : type == DType::kQ4_0                      ? GemmType::kI4
                                                                      : GemmType::kI8;
      ProductPlan plan;
      plan.parts.push_back(Part(device, as, {first.view, second.view}));
      ArrayProducts array(device, MakeEmulatedBackend(device.generation), precise);
      array.Add(plan, {});
      constexpr int64_t kStride = 200;
      std::vector<float> y(kRows * kStride, NAN);
      std::vector<Product> products = {{first.view, y.data(), kStride},
                                       {second.view, y.data() + 130, kStride}};
      array.Multiply(x.data(), kK, kRows, products);
      ASSERT_TRUE(products[0].done && products[1].done);
      EXPECT_EQ(array.counts().calls, 1U);
      EXPECT_EQ(array.counts().macs, uint64_t{kRows * kK * 170});
      EXPECT_GT(array.counts().modelled_seconds, 0);
      std::vector<float> got;
      std::vector<double> want;
      std::vector<float> row(kK);
      for (int64_t t = 0; t < kRows; ++t) {
        for (int64_t n = 0; n < 170; ++n) {
          n < 130 ? first.view.ReadRow(n, row.data()) : second.view.ReadRow(n - 130, row.data());
          double sum = 0;
          for (int64_t k = 0; k < kK; ++k) {
            sum += static_cast<double>(row[static_cast<size_t>(k)]) *
                   x[static_cast<size_t>(t * kK + k)];
          }
          want.push_back(sum);
          got.push_back(y[static_cast<size_t>(t * kStride + n)]);
        }
        EXPECT_TRUE(std::isnan(y[static_cast<size_t>(t * kStride + 170)]));
      }
      // Weights are rounded, and so are activations, unless they have two parts.
      EXPECT_LT(ErrorOf(got, want), as == GemmType::kBf16 ? 0.004
                                    : precise             ? 0.012
                                                          : 0.012 + rounding);
      // Of one matrix alone, and of few rows, it knows nothing.
      products = {{first.view, y.data(), kStride}};
      array.Multiply(x.data(), kK, kRows, products);
      EXPECT_FALSE(products[0].done);
      products.push_back({second.view, y.data(), kStride});
      array.Multiply(x.data(), kK, kLeastRows - 1, products);
      EXPECT_FALSE(products[0].done || products[1].done);
      EXPECT_EQ(array.counts().calls, 1U);
    }
  }
}

std::vector<double> SquaresOf(const std::vector<float>& x, int64_t k) {
  std::vector<double> squares(static_cast<size_t>(k));
  for (size_t i = 0; i < x.size(); ++i) squares[i % squares.size()] += double{x[i]} * x[i];
  return squares;
}

// Outliers in a few channels, in every row: what they cost the others, as they are and apart. K
// ends in the middle of a tile.
TEST(NpuPrefill, OutliersApartCostTheOthersNothing) {
  std::mt19937_64 random(8);
  constexpr int64_t kK = 608;
  constexpr int64_t kN = 150;
  constexpr int64_t kRows = 37;
  std::normal_distribution<float> normal;
  std::vector<float> x(kRows * kK);
  for (float& value : x) value = normal(random);
  for (int64_t t = 0; t < kRows; ++t) {
    for (const int64_t channel : {5, 140, 300, 606}) {
      float& value = x[static_cast<size_t>(t * kK + channel)];
      value = std::copysign(20 + value, value);
    }
  }
  for (const Device& device : kArrays) {
    for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
      SCOPED_TRACE(DTypeName(type));
      const cpu::Weights weights = cpu::RandomWeights(type, kN, kK, random);
      const GemmType as = type == DType::kQ4_0 ? GemmType::kI4 : GemmType::kI8;
      // Weights as the array has them: what is left is what activations lose.
      const ProductPart alone = Part(device, as, {weights.view});
      std::vector<std::vector<float>> results;
      for (const int way : {0, 1, 2}) {
        ProductPlan plan;
        plan.parts.push_back(alone);
        if (way == 1) {
          plan.parts[0].sets_apart = true;
          plan.parts[0].apart = LargestInputs(SquaresOf(x, kK), as);
        }
        ArrayProducts array(device, MakeEmulatedBackend(device.generation), way == 2);
        array.Add(plan, {});
        std::vector<float>& y = results.emplace_back(kRows * kN);
        std::vector<Product> products = {{weights.view, y.data(), kN}};
        array.Multiply(x.data(), kK, kRows, products);
        ASSERT_TRUE(products[0].done);
      }
      const std::vector<double> want(results[2].begin(), results[2].end());
      const double as_they_are = ErrorOf(results[0], want);
      const double apart = ErrorOf(results[1], want);
      EXPECT_LT(apart, as_they_are / 5);
      EXPECT_LT(apart, 0.01);
    }
  }
}

TEST(NpuPrefill, TheLargestInputsAreApartInBlocksWhereWeightsAre) {
  std::vector<double> squares(300, 1);
  squares[299] = squares[130] = 9;
  std::vector<int32_t> some = LargestInputs(squares, GemmType::kI8);
  ASSERT_EQ(some.size(), 128U);
  EXPECT_TRUE(std::is_sorted(some.begin(), some.end()));
  // Of equals the first ones.
  EXPECT_EQ(some[125], 125);
  EXPECT_EQ(some[126], 130);
  EXPECT_EQ(some[127], 299);
  squares.resize(288);
  squares[287] = squares[33] = 4;
  some = LargestInputs(squares, GemmType::kI4);
  ASSERT_EQ(some.size(), 128U);
  EXPECT_EQ(std::vector<int32_t>({some[0], some[32], some[64], some[96], some[127]}),
            std::vector<int32_t>({0, 32, 128, 256, 287}));
  // A part of a tile is all there is.
  EXPECT_EQ(LargestInputs(std::vector<double>(70, 1), GemmType::kI8).size(), 70U);
}

// A run that fails leaves an array that stands somewhere: the next one gets another.
TEST(NpuPrefill, ArraysRecoverFromRunsThatFail) {
  const GemmConfig config{kArrays[0], GemmType::kI8, GemmOutput::kI32};
  const GemmPlan plan = PlanGemm(config, {40, 200, 100});
  const Stream stream = GemmStream(plan);
  const std::vector<int8_t> ones(40 * 200, 1);
  const std::vector<int8_t> twos(200 * 100, 2);
  const std::unique_ptr<ArrayBackend> backend = MakeEmulatedBackend(config.device.generation);
  const auto a = backend->MakeBuffer(static_cast<size_t>(plan.a_bytes));
  const auto b = backend->MakeBuffer(static_cast<size_t>(plan.b_bytes));
  const auto c = backend->MakeBuffer(static_cast<size_t>(plan.c_bytes));
  PackA(plan, ones, a->bytes());
  PackB(plan, twos, 0, b->bytes());
  const auto context = backend->Configure(GemmConfiguration(config));
  const auto run = [&](const Stream& what, size_t c_bytes) {
    const auto program = context->Load(what);
    const ArrayArgument arguments[] = {
        {a.get(), a->bytes().size()}, {b.get(), b->bytes().size()}, {c.get(), c_bytes}};
    const ArrayRun one{program.get(), arguments};
    context->Run({&one, 1}, kArrayTimeout);
  };
  const size_t all = c->bytes().size();
  for (int round = 0; round < 2; ++round) {
    // Results that have no room stop it half way.
    EXPECT_THROW(run(stream, all / 2), Error);
    // Without a token that comes, it waits: a lost device, with the report.
    Stream waits = stream;
    waits.ops.emplace_back(SyncOp{});
    try {
      run(waits, all);
      ADD_FAILURE() << "nobody waited";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kDeviceLost);
      EXPECT_NE(error.message().find("waits for a token"), std::string::npos) << error.message();
    }
    run(stream, all);
    std::vector<int32_t> sums(40 * 100);
    UnpackC<int32_t>(plan, c->bytes(), sums);
    EXPECT_EQ(sums, std::vector<int32_t>(40 * 100, 400));
  }
}

// Rows that are nothing, tiny, huge or no numbers beside an ordinary one, through the array.
TEST(NpuPrefill, RowsOfEverySizeAreMultiplied) {
  std::mt19937_64 random(7);
  constexpr int64_t kK = 256;
  constexpr int64_t kRows = 20;
  for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
    const cpu::Weights weights = cpu::RandomWeights(type, 130, kK, random);
    std::vector<float> x = cpu::RandomRows(kRows * kK, random);
    const float sizes[] = {1, 0, 1e-37F, 1e30F};
    for (size_t i = 0; i < x.size(); ++i) x[i] *= sizes[i / kK % 4];
    x[5 * kK + 200] = NAN;
    x[6 * kK + 3] = INFINITY;
    for (const int way : {0, 1, 2}) {
      const bool precise = way == 1;
      ProductPlan plan;
      plan.parts.push_back(
          Part(kArrays[1], type == DType::kQ4_0 ? GemmType::kI4 : GemmType::kI8, {weights.view}));
      if (way == 2) {
        plan.parts[0].sets_apart = true;
        plan.parts[0].apart = LargestInputs(std::vector<double>(kK, 1), plan.parts[0].config.type);
      }
      ArrayProducts array(kArrays[1], MakeEmulatedBackend(kArrays[1].generation), precise);
      array.Add(plan, {});
      std::vector<float> y(kRows * 130);
      std::vector<Product> products = {{weights.view, y.data(), 130}};
      array.Multiply(x.data(), kK, kRows, products);
      ASSERT_TRUE(products[0].done);
      std::vector<float> row(kK);
      for (int64_t t = 0; t < kRows; ++t) {
        for (int64_t n = 0; n < 130; ++n) {
          const float got = y[static_cast<size_t>(t * 130 + n)];
          if (t == 5 || t == 6) {
            ASSERT_TRUE(std::isnan(got)) << t;
            continue;
          }
          weights.view.ReadRow(n, row.data());
          double want = 0;
          double most_x = 0;
          double most_w = 0;
          double sum_x = 0;
          double sum_w = 0;
          for (size_t k = 0; k < row.size(); ++k) {
            const double value = x[static_cast<size_t>(t * kK) + k];
            want += row[k] * value;
            most_x = std::max(most_x, std::abs(value));
            most_w = std::max(most_w, std::abs(double{row[k]}));
            sum_x += std::abs(value);
            sum_w += std::abs(double{row[k]});
          }
          // Weights are half a step of 1/127 off (ratios a whole one), activations half of at most
          // 2/127.5, and in two parts a 127th of that.
          const double bound = sum_x * most_w / (type == DType::kQ4_0 ? 126 : 252) +
                               sum_w * most_x / (precise ? 127.0 * 127 : 127) * 1.01;
          ASSERT_LE(std::abs(got - want), bound * 1.001) << t << " " << n;
        }
      }
    }
  }
}

/// A chain of products [wide, wide] of these types, MLPs of a sort.
class Chain {
 public:
  explicit Chain(const std::vector<DType>& types, int64_t wide = 256) {
    const ValueId x = program_.AddValue("x", RowSet::kAll, 1, wide);
    for (const DType type : types) {
      const size_t row = RowBytes(type, wide);
      weights_.emplace_back(row * static_cast<size_t>(wide));
      AttentionOut op;
      op.context = op.residual = op.h = x;
      op.output = {type, wide, wide, row, weights_.back().data()};
      program_.ops.push_back({op, RowSet::kAll, kNoId});
    }
  }
  ProductPlan Plan(const PlanOptions& options, int64_t rows = 256) const {
    return PlanProducts(program_, {0, program_.ops.size()}, {rows, 1}, options);
  }

 private:
  std::vector<std::vector<std::byte>> weights_;  // nobody reads them
  Program program_;
};

std::vector<GemmType> TypesOf(const ProductPlan& plan) {
  std::vector<GemmType> types;
  for (const ProductPart& part : plan.parts) types.push_back(part.config.type);
  return types;
}

TEST(NpuProductPlan, TypesFollowTheModels) {
  const PlanOptions all{kArrays[0], UINT64_MAX, kLeastSide, false, nullptr};
  using enum DType;
  EXPECT_EQ(TypesOf(Chain({kF32, kF16, kBF16}).Plan(all)), std::vector(3, GemmType::kBf16));
  EXPECT_EQ(TypesOf(Chain({kQ4_0, kQ4_0}).Plan(all)), std::vector(2, GemmType::kI4));
  // Q4_0 joins others where it is not alone: a configuration for each would cost more.
  EXPECT_EQ(TypesOf(Chain({kQ4_0, kQ8_0, kQ4_K, kQ6_K}).Plan(all)), std::vector(4, GemmType::kI8));
  EXPECT_EQ(TypesOf(Chain(std::vector<DType>(9, kQ4_0)).Plan(all)), std::vector(9, GemmType::kI4));
}

TEST(NpuProductPlan, ShortStretchesOfAnotherTypeStayWithTheHost) {
  using enum DType;
  const PlanOptions all{kArrays[0], UINT64_MAX, kLeastSide, false, nullptr};
  const ProductPlan few = Chain({kF16, kQ8_0, kF32, kQ8_0}).Plan(all);
  EXPECT_EQ(TypesOf(few), std::vector(2, GemmType::kI8));
  EXPECT_EQ(few.left.type, 2);
  EXPECT_EQ(few.left.Text(kLeastSide), "2 of a type that is not worth changing the array for");
  // Seven of 2048 by 2048: 7.6 ms of products by the model, and two changes take 6.8.
  std::vector<DType> types(7, kF16);
  types.insert(types.end(), 8, kQ8_0);
  const ProductPlan many = Chain(types, 2048).Plan(all);
  EXPECT_EQ(many.parts.size(), 15U);
  EXPECT_EQ(many.parts[0].config.type, GemmType::kBf16);
  EXPECT_EQ(many.parts[7].config.type, GemmType::kI8);
}

TEST(NpuProductPlan, KeepsToItsBudgetAndSaysWhatIsBeyond) {
  const Chain chain({DType::kQ8_0, DType::kQ8_0, DType::kQ8_0});
  PlanOptions options{kArrays[1], UINT64_MAX, kLeastSide, false, nullptr};
  const ProductPlan whole = chain.Plan(options);
  ASSERT_EQ(whole.parts.size(), 3U);
  EXPECT_EQ(whole.bytes, 3 * whole.parts[0].bytes);
  EXPECT_EQ(whole.multiplied, whole.all);
  options.budget = 2 * whole.parts[0].bytes;
  const ProductPlan two = chain.Plan(options);
  EXPECT_EQ(two.parts.size(), 2U);
  EXPECT_EQ(two.bytes, options.budget);
  EXPECT_EQ(two.left.Text(kLeastSide), "1 beyond the budget");
  options.budget -= 1;
  EXPECT_EQ(chain.Plan(options).parts.size(), 1U);
  options.budget = 0;
  EXPECT_EQ(chain.Plan(options).left.smallest, whole.parts[0].bytes);
  // What is packed already costs nothing.
  std::set<PartKey> held;
  for (const ProductPart& part : whole.parts) held.insert(KeyOf(part));
  options.held = &held;
  EXPECT_EQ(chain.Plan(options).parts.size(), 3U);
  EXPECT_EQ(chain.Plan(options).bytes, 0U);
}

TEST(NpuProductPlan, NarrowProductsAndFewRowsStayWithTheHost) {
  const PlanOptions all{kArrays[0], UINT64_MAX, kLeastSide, false, nullptr};
  const ProductPlan narrow = Chain({DType::kF32, DType::kF32}, 96).Plan(all);
  EXPECT_TRUE(narrow.parts.empty());
  EXPECT_EQ(narrow.left.Text(kLeastSide), "2 narrower than 128");
  const ProductPlan few = Chain({DType::kF32}).Plan(all, kLeastRows - 1);
  EXPECT_TRUE(few.parts.empty());
  EXPECT_EQ(few.all, 0);
  EXPECT_EQ(Chain({DType::kF32}).Plan(all, kLeastRows).parts.size(), 1U);
}

}  // namespace
}  // namespace tandem::npu::test
