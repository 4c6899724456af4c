// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Designs of a few tiles without core programs.
#pragma once

#include <cstdint>
#include <optional>

#include "devices/npu/design/design.h"

namespace tandem::npu::test {

/// Shim MM2S 0 to the memory of core (0,2), a block of `words` at a time, and back to shim S2MM 0.
Design CoreRelay(const Device& device, int64_t words);
/// Through memory tile (0,1), [2][3] words padded to [4][5].
Design MemoryPad(const Device& device, std::optional<uint32_t> value);
/// Through memory tile (0,1): halves of 32 words through cores (0,2) and (0,3), joined swapped.
Design SplitJoin(const Device& device);
/// Packets 4 and 5 of shim MM2S 0 to byte 0x1000 of cores (0,2) and (0,3), 16 words each.
Design PacketSplit(const Device& device);
/// Both channels of the shim into the same 16 words of core (0,2).
Design TwoWriters(const Device& device);

}  // namespace tandem::npu::test
