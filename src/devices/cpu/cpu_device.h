// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The CPU: runs every op of every Program, on the best instructions of the processor or on a chosen
// level. The reference level computes in float and is what tests and other devices are compared
// with. On every level results do not depend on the number of threads nor on how a prompt is cut
// into steps, bit for bit.
#pragma once

#include <cstdint>
#include <memory>

#include "devices/cpu/isa.h"
#include "devices/products.h"

namespace tandem {

/// `threads` includes the caller's; 0 means what PlanThreads() advises.
std::unique_ptr<HostDevice> MakeCpuDevice(int threads = 0);
/// The same on a given level of instructions; `pin` as for ThreadTeam, `precise` as for Multiplier.
/// REQUIRES: an available one.
std::unique_ptr<HostDevice> MakeCpuDevice(int threads, cpu::Isa isa, bool pin = false,
                                          bool precise = false);

/// Memory that the device takes in time for weights of `program` that it keeps in another order:
/// `down` of the sparse layers.
uint64_t CpuCopyBytes(const Program& program, cpu::Isa isa);

}  // namespace tandem
