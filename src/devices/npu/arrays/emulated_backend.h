// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Arrays of the emulator, each configured on its own. There is no clock, and no timeout.
#pragma once

#include <memory>

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/emulator/emulator.h"
#include "devices/npu/isa/tile.h"

namespace tandem::npu {

/// `watch` is told in every list what of the host's memory went by in it so far.
std::unique_ptr<ArrayBackend> MakeEmulatedBackend(Generation generation,
                                                  Emulator::Watch watch = {});

}  // namespace tandem::npu
