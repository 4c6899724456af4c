// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace tandem {

/// The processor's name as /proc/cpuinfo has it, or "unknown processor".
std::string ProcessorName();

}  // namespace tandem
