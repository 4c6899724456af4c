// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How long a gated product and the one behind it take, as one list (devices/npu/gemm/gated_plan.h
// and cut_plan.h), by the model of gemm_time.h. Pure function; thread-safe.
#pragma once

#include <cstdint>
#include <optional>

#include "devices/npu/timing/gemm_time.h"

namespace tandem::npu {

/// y = D (gelu(x G) x (u U)), or of gates that are cut.
struct GatedCase {
  Device device;
  GemmType type = GemmType::kI8;
  KernelClass kernel = KernelClass::kPeano;
  int64_t m = 0;
  int64_t gate_k = 0;
  int64_t up_k = 0;
  int64_t neurons = 0;
  int64_t n = 0;
  bool cuts = false;
  std::optional<double> clock_hz;
};

/// Halves of a tile of h, 64 neurons each, that have neurons of their own: where 64 are enough for
/// each column of the array, one; those behind are sums without weights.
int64_t GatedHalves(const Device& device, int64_t neurons);

/// All runs. What a further run of a list costs beyond its work is not known, and reckoned as
/// nothing. Throws as ModelGemm.
GemmTime ModelGated(const GatedCase& gated);

}  // namespace tandem::npu
