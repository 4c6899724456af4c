// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Arrays of an NPU through AMD's XRT (plug-in: plugin.h). What was never run on hardware: all of
// it; it is proven on the emulated accelerator of devices/npu/shim.
#pragma once

#include <cstdint>
#include <memory>

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/isa/tile.h"

namespace tandem::npu {

struct XrtOptions {
  Generation generation = Generation::kNpu1;
  /// A hint for the driver's clocks, in 10^9 operations per second; 0 for none.
  uint32_t gops = 0;
};

/// A list that fails, or that is not done in time, is run once more in a context that was built
/// anew; if that fails, too, the device is given up, and every call after that says so. Throws
/// Error: as FindNpuNode and XrtPlugin, kUnsupported for a device of another generation,
/// kDeviceLost where XRT cannot open it.
std::unique_ptr<ArrayBackend> MakeXrtBackend(const XrtOptions& options);

}  // namespace tandem::npu
