// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The CPU: runs every op of every Program. Its scalar kernels are the reference that tests and
// other devices are compared with; results do not depend on the number of threads nor on how a
// prompt is cut into steps, bit for bit.
#pragma once

#include <memory>

#include "devices/device.h"

namespace tandem {

/// `threads` includes the caller's; 0 means one per available processor.
std::unique_ptr<Device> MakeCpuDevice(int threads = 0);

}  // namespace tandem
