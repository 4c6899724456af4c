// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Turns the times of single ops into a profile: what each had to move and to multiply, and sums by
// kind.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "devices/device.h"
#include "engine/profile.h"
#include "program/program.h"

namespace tandem {

/// Whether a device multiplies these weights with activations of 8 bits.
using Int8Test = std::function<bool(const WeightView&)>;

/// Rows of a step that an op over `set` runs for.
int64_t CountRows(std::span<const StepRow> rows, RowSet set);

/// The work of `op` in a step of `rows`, with keys and values of type `kv`.
OpWork WorkOf(const Program& program, const Op& op, std::span<const StepRow> rows, DType kv,
              const Int8Test& int8);

/// One step as it ran.
struct StepTimes {
  const Program* program = nullptr;
  std::vector<StepRow> rows;
  std::vector<OpTime> ops;  ///< Of the devices that tell.
  KernelCounts kernels;     ///< Likewise.
  ArrayCounts array;        ///< Likewise.
};

/// Sums `steps`, which took `seconds` together, by kind of op: by name, by what sets ops of a name
/// apart in time (dense or sparse, window or all positions, with keys of their own or without), and
/// by whether they ran for all rows of a step or for fewer.
PhaseProfile SumSteps(std::span<const StepTimes> steps, double seconds, DType kv,
                      const Int8Test& int8);

}  // namespace tandem
