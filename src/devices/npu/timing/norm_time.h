// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How long a product and the norms behind it take in a list (devices/npu/gemm/norm_plan.h), by the
// model of gemm_time.h. Pure function; thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "devices/npu/timing/gemm_time.h"

namespace tandem::npu {

/// x = RMSNorm(base + RMSNorm(o)), o [m, n] a product over k; `apart`: x has a tile more.
struct NormCase {
  Device device;
  GemmType type = GemmType::kI8;
  KernelClass kernel = KernelClass::kPeano;
  int64_t m = 0;
  int64_t k = 0;
  int64_t n = 0;
  bool apart = false;
  std::optional<double> clock_hz;
};

/// Both runs, or without `with_norm` the product alone. What a second run of a list costs beyond
/// its work is not known, and reckoned as nothing. Throws as ModelGemm.
GemmTime ModelNorm(const NormCase& norm, bool with_norm = true);

}  // namespace tandem::npu
