// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Designs that do little, for those who try an array for the first time: a copy through the memory
// tiles, and one core that multiplies one tile. Pure functions; thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "devices/npu/design/design.h"
#include "devices/npu/design/sequence.h"

namespace tandem::npu {

/// Each column copies from its shim through a ring of its memory tile and back: DMA, locks,
/// streams, tokens, no core.
std::string CopyDesignName(const Device& device);
Design MakeCopyDesign(const Device& device);
/// 32-bit words that a memory tile takes at a time.
inline constexpr int64_t kCopyBlockWords = 1024;
/// Argument 0 to argument 1, both [columns][blocks][kCopyBlockWords].
Sequence CopySequence(const Device& device, int64_t blocks);

/// Core (0,2) alone multiplies one tile of A by one of B, as gemm_tile.h lays them out in i8:
/// straight from the shim, without a memory tile.
std::string OneCoreDesignName(const Device& device);
Design MakeOneCoreDesign(const Device& device);
/// Arguments 0, 1: `tiles` tiles of A, of B, each of which is the first and the last of its sum;
/// argument 2: as many tiles of 32-bit sums.
Sequence OneCoreSequence(const Device& device, int64_t tiles);

}  // namespace tandem::npu
