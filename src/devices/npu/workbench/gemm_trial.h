// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A matrix product with made-up data on an array, compared with a plain reference. One thread per
// backend.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/gemm/gemm_stream.h"
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
  /// Integers of the array: equal to the reference's, bit for bit. bf16: within what rounding of
  /// K additions in float (and of the result) can do.
  bool ok = false;
  /// Against the product of a and b in integers (narrow results: rounded and held as they should
  /// be) or in double.
  double max_abs_error = 0;
  /// Of the run, from handing it over to its end: of hardware, or of whoever emulates it.
  double seconds = 0;
};

/// Equal seeds give equal data. Throws Error as PlanGemm and the backend.
GemmTrial TryGemm(const GemmConfig& config, const GemmShape& shape, uint64_t seed,
                  ArrayBackend& backend);

}  // namespace tandem::npu
