// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The NPU as the system shows it, before XRT is asked. Reads sysfs; thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "devices/npu/isa/tile.h"

namespace tandem::npu {

struct NpuNode {
  Generation generation = Generation::kNpu1;
  std::string address;  ///< PCI: "0000:c5:00.1".
  std::string node;     ///< "/dev/accel/accel0".
};

/// The first one that this process may use. Throws Error that says which of these is missing, and
/// what mends it: the PCI device, its driver, its node (kNotFound), the permission (kIo);
/// kUnsupported for parts of another protocol.
NpuNode FindNpuNode();

/// Whether the NPU in front of this process is the preloaded, emulated one.
bool NpuIsEmulated();

/// Bytes that this process may pin, which all buffers of an NPU must fit; UINT64_MAX for no limit.
uint64_t PinnableBytes();

}  // namespace tandem::npu
