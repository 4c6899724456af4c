// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A matrix product with made-up data on an array, compared with a plain reference. Pure functions;
// thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/runner/array_runner.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {

/// A matrix as it is shown: integers where the array's are, else floats. Row-major.
using TrialMatrix = std::variant<std::vector<int64_t>, std::vector<float>>;

struct GemmTrial {
  GemmPlan plan;
  Stream stream;  ///< What the array was told for it.
  /// What was multiplied: for bf16 the values after rounding, for i4 quantised activations and
  /// weights times their scales; and what came of it.
  TrialMatrix a;
  TrialMatrix b;
  TrialMatrix c;
  /// Integers of the array, and floats that it makes of them: equal to the reference's, bit for
  /// bit. bf16: within what rounding of K additions in float (and of the result) can do.
  bool ok = false;
  /// Against the product of a and b in integers (narrow results: rounded and held as they should
  /// be) or in double.
  double max_abs_error = 0;
  /// Of all results together, the root of mean squares: where rows have powers of two or weights 4
  /// bits, whose rounding to bytes max_abs_error shows.
  std::optional<double> relative_error;
  /// Results that are not ok: "3 of 4096, the first at [0,7]: 17, not 19"; else empty.
  std::string difference;
};

/// On the emulated array. Equal seeds give equal data. Throws Error as PlanGemm, and kDeviceLost
/// with the report where the array stops.
GemmTrial TryGemm(const GemmConfig& config, const GemmShape& shape, uint64_t seed);
/// The same on an array that is configured for it. Throws as ArrayRunner::Run, too.
GemmTrial TryGemmOn(ArrayRunner& runner, const GemmConfig& config, const GemmShape& shape,
                    uint64_t seed, std::chrono::milliseconds timeout);

}  // namespace tandem::npu
