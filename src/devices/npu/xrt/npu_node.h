// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The NPU as the system shows it, before XRT is asked: what devices/npu/probe says, as an error
// where something is missing. Thread-safe.
#pragma once

#include <string>

#include "devices/npu/isa/tile.h"

namespace tandem::npu {

struct NpuNode {
  Generation generation = Generation::kNpu1;
  std::string address;  ///< PCI: "0000:c5:00.1".
  std::string node;     ///< "/dev/accel/accel0".
};

/// The first one on the bus. Throws Error with the words of tandem doctor about what is missing,
/// and what mends it: the PCI device, its driver, its node (kNotFound), the permission (kIo);
/// kUnsupported for parts that Tandem has no designs for.
NpuNode FindNpuNode();

/// Whether the NPU in front of this process is the preloaded, emulated one.
bool NpuIsEmulated();

}  // namespace tandem::npu
