// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// One GGUF file, parsed and checked: what GgufFile is put together from.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "formats/gguf.h"
#include "formats/gguf_metadata.h"

namespace tandem {

struct GgufPart {
  uint32_t version = 0;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;  ///< `part` is left at 0.
};

/// Parses `bytes`. Guarantees for each tensor: every dimension at least 1, rows of whole blocks,
/// data inside `bytes`, aligned, and disjoint from the data of the others. Does not look for
/// duplicate tensor names. `name` (printable) stands for the file in errors.
GgufPart ParseGgufPart(std::span<const std::byte> bytes, std::string_view name,
                       GgufOptions options);

}  // namespace tandem
