// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The xclbin of a configuration. Pure functions; thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "devices/npu/arrays/array_backend.h"

namespace tandem::npu {

struct XclbinBytes {
  std::vector<std::byte> bytes;
  std::string kernel;
};

/// NAME.xclbin of the folder $TANDEM_NPU_KERNELS, or of tandem/npu in the user's data folder; the
/// emulated accelerator gets one that is made for it unless the variable is set. Throws Error:
/// kNotFound, kIo, kCorruptFile; kUnsupported for one of another generation, and for one whose
/// cores have no machine code where hardware is to run it.
XclbinBytes FindXclbin(const ArrayConfiguration& configuration, bool emulated);

/// One for the emulated accelerator.
std::vector<std::byte> MakeEmulatedXclbin(const ArrayConfiguration& configuration);

}  // namespace tandem::npu
