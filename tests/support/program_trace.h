// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs a Program on a device one op at a time and compares what each op wrote with a reference: a
// wrong kernel is named instead of guessed from the logits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "devices/device.h"
#include "support/reference_math.h"

namespace tandem::testing {

/// What the ops wrote, in the form of a reference trace; the logits are the entry of LmHead. All
/// ids go in one step from position 0, all wanted; the Program must be one for that.
Trace TraceProgram(const Program& program, Device& device, const std::vector<int32_t>& ids);

/// The first op in program order whose values differ from the reference by more than `tolerance`
/// times the largest reference value of that op, as "op 12: GatedMlp, layer 1: off by ... at ...";
/// empty when none does. Ops that the reference does not hold are passed over.
std::string FirstDifference(const Program& program, const Trace& trace, const Trace& reference,
                            double tolerance);

}  // namespace tandem::testing
