// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Arrays of the emulator, each configured on its own. There is no clock, and no timeout.
#pragma once

#include <memory>

#include "devices/npu/arrays/array_backend.h"
#include "devices/npu/isa/tile.h"

namespace tandem::npu {

std::unique_ptr<ArrayBackend> MakeEmulatedBackend(Generation generation);

}  // namespace tandem::npu
