// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How many pieces of a size something takes.
#pragma once

#include <cstdint>

namespace tandem {

/// value / by, rounded up; `value` from 0 on, `by` from 1 on, and their sum in reach.
constexpr int64_t CeilDivide(int64_t value, int64_t by) { return (value + by - 1) / by; }

}  // namespace tandem
