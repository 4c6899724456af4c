// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Finds stored values that are no finite numbers. A pure function of the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "formats/dtype.h"

namespace tandem {

struct NonFinite {
  uint64_t count = 0;  ///< Infinities and NaNs: of values, or of scales and minimums of blocks.
  uint64_t first = 0;  ///< Element of the first one: of its block the first element.
};

/// Looks at every value of F32, F16 and BF16, and at every scale and minimum of block types, whose
/// other fields are integers. `data` may lie at any address.
/// REQUIRES: data.size() is a multiple of BlockBytes(type).
NonFinite FindNonFinite(DType type, std::span<const std::byte> data);

}  // namespace tandem
