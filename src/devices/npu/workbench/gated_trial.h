// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// D h with h = gelu(A G) x (A U), or gates that are cut, of made-up data as one list on an array,
// nothing of the host's between its runs, compared with the same in double. Pure functions;
// thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "devices/npu/gemm/cut_plan.h"
#include "devices/npu/gemm/gated_plan.h"
#include "devices/npu/runner/array_runner.h"

namespace tandem::npu {

struct GatedTrial {
  GatedPlan plan;
  std::optional<CutPlan> cut;   ///< Of gates that are cut; the plan is its part.
  std::vector<Stream> streams;  ///< What the array was told, run by run.
  bool ok = false;  ///< Each result is within what its roundings can do, and all are within 5 %.
  double max_abs_error = 0;
  double relative_error = 0;  ///< Of all results together: the root of mean squares.
  /// Results that are not ok: "3 of 4096, the first at [0,7]: 17, not 19"; else empty.
  std::string difference;
};

/// On an array that is configured with MakeGemmDesign(config). Equal seeds give equal data.
/// `deviations`: gates are cut so many above their mean. Throws Error as PlanGated, PlanCut and
/// ArrayRunner::RunList.
GatedTrial TryGatedOn(ArrayRunner& runner, const GemmConfig& config, const GatedShape& shape,
                      uint64_t seed, std::chrono::milliseconds timeout,
                      std::optional<float> deviations = {});

}  // namespace tandem::npu
