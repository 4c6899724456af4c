// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What an array is set up with to multiply matrices. Pure function; thread-safe.
#pragma once

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/gemm/gemm_design.h"

namespace tandem::npu {

/// "gemm-i8-i32-npu1": weights, results, generation. Throws as MakeGemmDesign.
ArrayConfiguration GemmConfiguration(const GemmConfig& config);

}  // namespace tandem::npu
