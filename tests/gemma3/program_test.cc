// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3's Program: random shapes op by op against the double-precision reference, and what runs
// for which rows.
#include "gemma3/program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "devices/cpu/cpu_device.h"
#include "support/program_trace.h"
#include "support/random_gemma3.h"
#include "support/reference_gemma3.h"

namespace tandem::testing {
namespace {

using gemma3::Rows;

std::vector<int32_t> SomeIds(int64_t vocab, size_t count, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<int32_t> ids(count);
  for (int32_t& id : ids) id = static_cast<int32_t>(random() % static_cast<uint64_t>(vocab));
  return ids;
}

class Gemma3Shapes : public ::testing::TestWithParam<uint64_t> {};

TEST_P(Gemma3Shapes, EveryOpAgreesWithTheReference) {
  const RandomGemma3 model = MakeRandomGemma3(RandomGemma3Params(GetParam()), GetParam());
  const auto ids = SomeIds(model.params.vocab, 21, GetParam());
  const ReferenceRun reference = RunReference(model.params, model.weights, ids);
  const Program program = BuildProgram(model.params, model.weights, Rows::kAllWanted);
  for (const cpu::Isa isa : cpu::AvailableIsas()) {
    const Trace trace = TraceProgram(program, *MakeCpuDevice(2, isa), ids);
    EXPECT_EQ(trace.size(), program.ops.size());
    EXPECT_EQ(reference.trace.size(), program.ops.size());
    EXPECT_EQ(FirstDifference(program, trace, reference.trace, 5e-4), "") << cpu::IsaName(isa);
  }
}

TEST_P(Gemma3Shapes, QuantisedWeightsAgreeWithTheReference) {
  gemma3::HyperParams params = RandomGemma3Params(GetParam());
  params.width = 256;
  for (const DType type : {DType::kQ8_0, DType::kQ5_0, DType::kQ4_K, DType::kQ6_K}) {
    const RandomGemma3 model = MakeRandomGemma3(params, GetParam(), type);
    ASSERT_EQ(model.weights.layers[0].gate.type, type);
    const auto ids = SomeIds(params.vocab, 5, GetParam());
    const Program program = BuildProgram(params, model.weights, Rows::kAllWanted);
    const Trace reference = RunReference(params, model.weights, ids).trace;
    const Trace trace = TraceProgram(program, *MakeCpuDevice(1, cpu::Isa::kReference), ids);
    EXPECT_EQ(FirstDifference(program, trace, reference, 5e-4), "") << DTypeName(type);
    if (GetParam() > 3) break;  // all types for a few shapes, one for the rest
  }
}

INSTANTIATE_TEST_SUITE_P(Random, Gemma3Shapes, ::testing::Range<uint64_t>(1, 31));

// What the reference must be able to see: each of these changes alone is found, in the right op.
TEST(Gemma3Reference, SeesWhatSetsTheModelApart) {
  const RandomGemma3 model = MakeRandomGemma3(SmallGemma3Params(), 5);
  const auto ids = SomeIds(model.params.vocab, 21, 5);
  const Trace reference = RunReference(model.params, model.weights, ids).trace;
  const Program good = BuildProgram(model.params, model.weights, Rows::kAllWanted);
  const auto found = [&](const auto& change) {
    Program program = good;
    for (Op& op : program.ops) change(op.body);
    const auto device = MakeCpuDevice(1);
    const std::string text =
        FirstDifference(program, TraceProgram(program, *device, ids), reference, 5e-4);
    return text.substr(0, text.find(": off"));
  };
  EXPECT_EQ(found([](OpBody&) {}), "");
  EXPECT_EQ(found([](OpBody& body) {
              if (auto* op = std::get_if<QkvProject>(&body)) op->norm_value = true;
            }),
            "op 3: Attention, layer 0");
  EXPECT_EQ(found([](OpBody& body) {
              if (auto* op = std::get_if<QkvProject>(&body)) op->rope_factor = 1;
            }),
            "op 27: QkvProject, layer 5");  // the first full layer
  EXPECT_EQ(found([](OpBody& body) {
              if (auto* op = std::get_if<Attention>(&body)) op->scale = 1;
            }),
            "op 3: Attention, layer 0");
}

int Count(const Program& program, std::string_view name, RowSet rows) {
  return static_cast<int>(std::count_if(program.ops.begin(), program.ops.end(), [&](const Op& op) {
    return OpName(op.body) == name && op.rows == rows;
  }));
}

TEST(Gemma3Prefill, OfTheLastLayerOnlyKeysAndValuesRunForAllRows) {
  const RandomGemma3 model = MakeRandomGemma3(SmallGemma3Params(), 1);
  const Program program = BuildProgram(model.params, model.weights, Rows::kSomeWanted);
  EXPECT_EQ(program.caches.size(), 7u);
  EXPECT_EQ(Count(program, "QkvProject", RowSet::kAll), 7);
  EXPECT_EQ(Count(program, "Attention", RowSet::kAll), 6);
  EXPECT_EQ(Count(program, "GatedMlp", RowSet::kAll), 6);
  EXPECT_EQ(Count(program, "GatedMlp", RowSet::kWanted), 1);
  EXPECT_EQ(Count(program, "LmHead", RowSet::kAll), 0);
  for (const CacheTensor& cache : program.caches) {
    EXPECT_EQ(cache.window, cache.layer == 5 ? 0 : 8);
  }
}

TEST(Gemma3Program, HasNothingOfGemma3n) {
  const RandomGemma3 model = MakeRandomGemma3(SmallGemma3Params(), 1);
  const Program program = BuildProgram(model.params, model.weights, Rows::kAllWanted);
  EXPECT_EQ(program.ops.size(), 5u * 7 + 3);
  for (const Op& op : program.ops) {
    const std::string_view name = OpName(op.body);
    EXPECT_FALSE(name.starts_with("AltUp") || name.starts_with("Ple") || name == "PerLayerMix");
  }
}

TEST(Gemma3Params, AttentionScaleOfEverySize) {
  gemma3::HyperParams p;
  const auto scale = [&](int layers, int64_t width, int heads, int head_dim) {
    p.layers = layers;
    p.width = width;
    p.heads = heads;
    p.head_dim = head_dim;
    return gemma3::DefaultAttentionScale(p);
  };
  EXPECT_FLOAT_EQ(scale(18, 640, 4, 256), 1 / 16.0f);
  EXPECT_FLOAT_EQ(scale(26, 1152, 4, 256), 1 / 16.0f);
  EXPECT_FLOAT_EQ(scale(34, 2560, 8, 256), 1 / 16.0f);
  EXPECT_FLOAT_EQ(scale(48, 3840, 16, 256), 1 / 16.0f);
  EXPECT_FLOAT_EQ(scale(62, 5376, 32, 128), 1 / std::sqrt(168.0f));
}

}  // namespace
}  // namespace tandem::testing
