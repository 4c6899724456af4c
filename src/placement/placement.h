// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Decides which device runs which op of a Program.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "devices/device.h"

namespace tandem {

/// Consecutive ops that one device runs.
struct PlacedSpan {
  OpRange ops;
  size_t device = 0;   ///< Index into the devices.
  std::string reason;  ///< Why it is not on the preferred device; empty when it is.
};

/// Puts each op on the preferred device, or on the fallback where that one does not support it.
/// Neighbouring ops of one device form one span. The spans cover the Program in order. Throws Error
/// kUnsupported when neither device supports an op.
std::vector<PlacedSpan> Place(const Program& program, std::span<Device* const> devices,
                              size_t preferred, size_t fallback);

}  // namespace tandem
