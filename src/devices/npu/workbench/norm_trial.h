// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A product o and x = RMSNorm(base + RMSNorm(o)) of made-up data as one list on an array, nothing
// of the host's between both, compared with the same in double. Pure functions; thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "devices/npu/gemm/norm_plan.h"
#include "devices/npu/runner/array_runner.h"

namespace tandem::npu {

struct NormTrial {
  NormPlan plan;
  std::vector<Stream> streams;  ///< What the array was told, for the product and for the norms.
  bool ok = false;  ///< Each result is within what its roundings can do, and all are within 3 %.
  double max_abs_error = 0;
  double relative_error = 0;  ///< Of all of x together: the root of mean squares.
  /// Results that are not ok, as GatedTrial's; else empty.
  std::string difference;
};

/// On an array that is configured with MakeGemmDesign(config). Equal seeds give equal data. Of
/// shapes with inputs apart those are 32 times as large as the others. Throws Error as PlanNorm and
/// ArrayRunner::RunList, and kInvalidArgument for more rows than a norm takes.
NormTrial TryNormOn(ArrayRunner& runner, const GemmConfig& config, const NormShape& shape,
                    uint64_t seed, std::chrono::milliseconds timeout);

}  // namespace tandem::npu
