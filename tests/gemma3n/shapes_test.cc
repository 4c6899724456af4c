// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Programs of random shapes, op by op against the double-precision reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "devices/cpu/cpu_device.h"
#include "gemma3n/program.h"
#include "support/program_trace.h"
#include "support/random_model.h"
#include "support/reference_gemma3n.h"

namespace tandem::testing {
namespace {

// With 8-bit activations the levels agree to the bit in every product of quantised weights. What
// lies between (norms, attention, activations) rounds differently, and now and then that moves an
// activation by a step of its 8 bits: the logits show it, a little.
void ExpectCloseOnAllLevels(const Program& program, const std::vector<int32_t>& ids, DType type) {
  std::vector<double> first;
  for (const cpu::Isa isa : cpu::AvailableIsas()) {
    if (isa == cpu::Isa::kReference) continue;
    const auto logits = TraceProgram(program, *MakeCpuDevice(1, isa), ids).at({"LmHead", -1});
    const std::vector<double> now(logits.begin(), logits.end());
    if (first.empty()) first = now;
    double largest = 0, difference = 0;
    for (size_t i = 0; i < now.size(); ++i) {
      largest = std::max(largest, std::abs(first[i]));
      difference = std::max(difference, std::abs(now[i] - first[i]));
    }
    EXPECT_LE(difference, 0.05 * largest) << DTypeName(type) << " " << cpu::IsaName(isa);
  }
}

class Shapes : public ::testing::TestWithParam<uint64_t> {};

TEST_P(Shapes, EveryOpAgreesWithTheReference) {
  const RandomModel model = MakeRandomModel(RandomParams(GetParam()), GetParam());
  const auto ids = RandomIds(model.params.vocab, 21, GetParam());
  const ReferenceRun reference = RunReference(model.params, model.weights, ids);
  const Program program = BuildProgram(model.params, model.weights, gemma3n::Rows::kAllWanted);
  // Float weights are multiplied in float on every level of instructions.
  for (const cpu::Isa isa : cpu::AvailableIsas()) {
    const Trace trace = TraceProgram(program, *MakeCpuDevice(2, isa), ids);
    EXPECT_EQ(FirstDifference(program, trace, reference.trace, 5e-4), "") << cpu::IsaName(isa);
  }
}

// Quantised weights are exact inputs too: only the arithmetic on them may differ.
TEST_P(Shapes, EveryWeightTypeAgreesWithTheReference) {
  for (const DType type : AllDTypes()) {
    if (!CanQuantize(type)) continue;
    gemma3n::HyperParams params = RandomParams(GetParam());
    params.width = 256;
    params.ple_width = BlockElements(type) > 1 ? BlockElements(type) : 8;
    const RandomModel model = MakeRandomModel(params, GetParam(), type);
    ASSERT_EQ(model.weights.layers[0].gate.type, type);
    const auto ids = RandomIds(params.vocab, 5, GetParam());
    const Program program = BuildProgram(params, model.weights, gemma3n::Rows::kAllWanted);
    const Trace reference = RunReference(params, model.weights, ids).trace;
    const Trace trace = TraceProgram(program, *MakeCpuDevice(1, cpu::Isa::kReference), ids);
    EXPECT_EQ(FirstDifference(program, trace, reference, 5e-4), "") << DTypeName(type);
    ExpectCloseOnAllLevels(program, ids, type);
    if (GetParam() > 3) break;  // all types for a few shapes, one for the rest
  }
}

INSTANTIATE_TEST_SUITE_P(Random, Shapes, ::testing::Range<uint64_t>(1, 41));

TEST(FirstDifference, NamesTheOpThatIsWrong) {
  RandomModel model = MakeRandomModel(RandomParams(7), 7);
  const auto ids = RandomIds(model.params.vocab, 9, 7);
  const ReferenceRun reference = RunReference(model.params, model.weights, ids);
  Program program = BuildProgram(model.params, model.weights, gemma3n::Rows::kAllWanted);
  size_t broken = 0;
  for (size_t i = 0; i < program.ops.size(); ++i) {
    if (auto* op = std::get_if<AttentionOut>(&program.ops[i].body)) {
      op->mix *= 1.001f;
      broken = i;
      break;
    }
  }
  const auto device = MakeCpuDevice(1);
  const std::string found =
      FirstDifference(program, TraceProgram(program, *device, ids), reference.trace, 5e-4);
  EXPECT_EQ(found.substr(0, found.find(": off")),
            "op " + std::to_string(broken) + ": AttentionOut, layer 0")
      << found;
}

}  // namespace
}  // namespace tandem::testing
