// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Programs of random shapes on a Vulkan device, op by op against the double-precision reference;
// and every weight type against the CPU, which brings activations to 8 bits in the same way.
// Devices are made anew for each model: they know weights by their address.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <variant>
#include <vector>

#include "devices/cpu/cpu_device.h"
#include "devices/random_weights.h"
#include "gemma3/program.h"
#include "gemma3n/program.h"
#include "support/program_trace.h"
#include "support/random_gemma3.h"
#include "support/random_model.h"
#include "support/reference_gemma3.h"
#include "support/reference_gemma3n.h"
#include "support/vulkan_test.h"

namespace tandem::testing {
namespace {

class VulkanShapes : public ::testing::TestWithParam<uint64_t> {};

TEST_P(VulkanShapes, EveryOpAgreesWithTheReference) {
  TANDEM_REQUIRE_VULKAN();
  const RandomModel model = MakeRandomModel(RandomParams(GetParam()), GetParam());
  // One row, two, and enough for tiles that are not full.
  const size_t rows = GetParam() % 3 == 0 ? 1 : GetParam() % 3 == 1 ? 2 : 21;
  const auto ids = RandomIds(model.params.vocab, rows, GetParam());
  const Trace reference = RunReference(model.params, model.weights, ids).trace;
  const Program program = BuildProgram(model.params, model.weights, gemma3n::Rows::kAllWanted);
  VulkanOptions options;
  options.staged = GetParam() % 2 == 0;
  const Trace trace = TraceProgram(program, *MakeVulkanDevice(options), ids);
  EXPECT_EQ(FirstDifference(program, trace, reference, 5e-4), "");
}

INSTANTIATE_TEST_SUITE_P(Random, VulkanShapes, ::testing::Range<uint64_t>(1, 9));

class VulkanGemma3Shapes : public ::testing::TestWithParam<uint64_t> {};

TEST_P(VulkanGemma3Shapes, EveryOpAgreesWithTheReference) {
  TANDEM_REQUIRE_VULKAN();
  const RandomGemma3 model = MakeRandomGemma3(RandomGemma3Params(GetParam()), GetParam());
  const auto ids = RandomIds(model.params.vocab, GetParam() % 2 == 0 ? 1 : 21, GetParam());
  const ReferenceRun reference = RunReference(model.params, model.weights, ids);
  const Program program = BuildProgram(model.params, model.weights, gemma3::Rows::kAllWanted);
  const Trace trace = TraceProgram(program, *MakeVulkanDevice(), ids);
  EXPECT_EQ(FirstDifference(program, trace, reference.trace, 5e-4), "");
}

INSTANTIATE_TEST_SUITE_P(Random, VulkanGemma3Shapes, ::testing::Range<uint64_t>(1, 5));

// A look-up, and a product of what was looked up.
Program LookUpAndMultiply(const WeightView& table, const WeightView& head) {
  Program program;
  program.vocab_rows = head.rows;
  const ValueId x = program.AddValue("x", RowSet::kWanted, 1, table.cols);
  program.logits = program.AddValue("logits", RowSet::kWanted, 1, head.rows);
  program.ops.push_back({EmbedTokens{table, 1, x}, RowSet::kWanted, kNoId});
  program.ops.push_back({LmHead{x, head, 0, program.logits}, RowSet::kWanted, kNoId});
  return program;
}

constexpr int64_t kCols = 512;
constexpr int64_t kHeadRows = 150;
constexpr int64_t kTableRows = 9;

class VulkanWeights : public ::testing::TestWithParam<DType> {
 protected:
  void SetUp() override {
    std::mt19937_64 random(static_cast<uint64_t>(GetParam()) + 1);
    table_ = cpu::RandomWeights(GetParam(), kTableRows, kCols, random);
    head_ = cpu::RandomWeights(GetParam(), kHeadRows, kCols, random);
    program_ = LookUpAndMultiply(table_.view, head_.view);
  }

  // The rows that were looked up are exact; products agree with the CPU's but for the order of
  // sums.
  void ExpectAgreement(const VulkanOptions& options, const std::vector<int32_t>& ids) {
    const Trace got = TraceProgram(program_, *MakeVulkanDevice(options), ids);
    const Trace want = TraceProgram(program_, *MakeCpuDevice(1), ids);
    std::vector<float> row(kCols);
    for (size_t t = 0; t < ids.size(); ++t) {
      table_.view.ReadRow(ids[t], row.data());
      for (size_t i = 0; i < row.size(); ++i) {
        const double value = got.at({"EmbedTokens", -1})[t * row.size() + i];
        // A minimum may be joined by one rounding or by two.
        ASSERT_NEAR(value, row[i], 1e-6 * std::abs(row[i]) + 1e-6) << t << ", " << i;
      }
    }
    EXPECT_EQ(FirstDifference(program_, got, want, 2e-5), "");
  }

  cpu::Weights table_, head_;
  Program program_;
};

TEST_P(VulkanWeights, AgreeWithTheCpu) {
  TANDEM_REQUIRE_VULKAN();
  ExpectAgreement({}, {3});
  ExpectAgreement({}, {0, 8, 4, 4, 7});
}

TEST_P(VulkanWeights, AgreeWithoutIntegerDotProductsInPartsAndStaged) {
  TANDEM_REQUIRE_VULKAN();
  VulkanOptions options;
  options.integer_dot = false;
  options.staged = true;
  options.max_binding = BlockElements(GetParam()) == 1 ? 64 * 4 * kCols : 64 * kCols;
  ExpectAgreement(options, {1, 2, 3});
  ExpectAgreement(options, {5});
}

INSTANTIATE_TEST_SUITE_P(Types, VulkanWeights,
                         ::testing::ValuesIn(AllDTypes().begin(), AllDTypes().end()),
                         [](const auto& type) { return std::string(DTypeName(type.param)); });

// Values near `size`.
cpu::Weights SizedWeights(DType type, int64_t rows, float size, std::mt19937_64& random) {
  cpu::Weights weights = cpu::RandomWeights(type, rows, kCols, random);
  std::uniform_real_distribution<float> uniform(-size, size);
  std::vector<float> row(kCols);
  for (int64_t r = 0; r < rows; ++r) {
    std::generate(row.begin(), row.end(), [&] { return uniform(random); });
    std::byte* to = weights.bytes.data() + static_cast<size_t>(r) * weights.view.row_stride;
    QuantizeRow(type, row.data(), to, kCols);
  }
  return weights;
}

// Rows are brought to 8 bits as on the CPU however large they are; weights are small, so that no
// sum overflows.
TEST(VulkanRows, OfAnySizeAgreeWithTheCpu) {
  TANDEM_REQUIRE_VULKAN();
  std::mt19937_64 random(11);
  const cpu::Weights table = SizedWeights(DType::kF32, kTableRows, 1.0F, random);
  const cpu::Weights head = SizedWeights(DType::kQ8_0, kHeadRows, 0.01F, random);
  for (const float size : {1e-20F, 1e33F, 2e34F, 3e38F}) {
    SCOPED_TRACE(size);
    Program program = LookUpAndMultiply(table.view, head.view);
    std::get<EmbedTokens>(program.ops[0].body).scale = size;
    const Trace got = TraceProgram(program, *MakeVulkanDevice(), {3});
    const Trace want = TraceProgram(program, *MakeCpuDevice(1), {3});
    EXPECT_EQ(FirstDifference(program, got, want, 2e-5), "");
  }
}

}  // namespace
}  // namespace tandem::testing
