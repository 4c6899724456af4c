// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What tells whether an xclbin is of this program's design. Pure functions; thread-safe.
#pragma once

#include <string>

#include "devices/npu/design/design.h"

namespace tandem::npu {

/// The file in devices/npu/kernels that has what a design's cores call, and the object that it is
/// compiled to for the design's generation, "gemm_kernels.aie2.o"; empty where it has no cores.
std::string KernelSourceOf(const Design& design);
std::string KernelObjectOf(const Design& design);

/// 16 digits that change with the design: who built an xclbin of it earlier has another one. The
/// kernels' source does not count, its name does. Throws as DesignMlir.
std::string DesignFingerprint(const Design& design);

}  // namespace tandem::npu
