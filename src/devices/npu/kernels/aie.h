// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What kernels are written in: AMD's AIE API where an AIE compiler builds them, and its look-alike
// elsewhere.
#pragma once

#if defined(__AIEARCH__)

#include <aie_api/aie.hpp>

#else

#include "devices/npu/kernels/native_aie.h"
#include "devices/npu/kernels/native_lanes.h"

namespace tandem::npu::kernels {
namespace aie = native;
using native::acc32;
using native::accfloat;
using native::bfloat16;
using native::int4;
}  // namespace tandem::npu::kernels

#define AIE_PREPARE_FOR_PIPELINING
#define AIE_LOOP_MIN_ITERATION_COUNT(n)

#endif
