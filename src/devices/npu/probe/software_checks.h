// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The checks above the kernel. Internal to this folder.
#pragma once

#include "devices/npu/probe/distribution.h"
#include "devices/npu/probe/npu_probe.h"

namespace tandem::npu {

/// XRT maps the device's heap of 64 MB, and every buffer, locked in memory.
NpuCheck CheckMemlock(const NpuProbeOptions& options);
/// XRT, its plug-in, and whether they go together.
NpuCheck CheckXrt(const NpuProbeOptions& options, const Distribution& distribution);
/// Tandem's own plug-in for XRT.
NpuCheck CheckPlugin(const NpuProbeOptions& options, const Distribution& distribution);
/// The xclbins of a generation: there, whole, and of the designs of this program.
NpuCheck CheckKernelSet(const NpuProbeOptions& options, Generation generation);

}  // namespace tandem::npu
