// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether a design fits the hardware, and what it takes of it. Pure functions; thread-safe.
//
// Counts: AMD's register headers (isa/tile.h, isa/ports.h) and MLIR-AIE's target model.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "devices/npu/design/design.h"

namespace tandem::npu {

/// What a core's stack takes at the low end of its memory: MLIR-AIE's default.
inline constexpr int64_t kCoreStackBytes = 0x400;

/// What of a design the hardware does not have, a line each: tiles, bytes, locks, BDs, channels,
/// ports, arbiters, packet rules, fields too narrow; memory, locks and ports that are given twice.
/// Empty for a design that can be configured.
std::vector<std::string> CheckLimits(const Design& design);

/// Streams that begin or end nowhere or go in a circle, channels without a stream, multiplexers
/// that do not match their switch, a line each. Looks at ports, not at packet ids. Designs that the
/// runtime completes have some; Tandem's own have none. REQUIRES: CheckLimits() found nothing.
std::vector<std::string> CheckRoutes(const Design& design);

/// What a tile is used for.
struct TileUse {
  Tile tile;
  int64_t bytes = 0;  ///< Of buffers, and of a core's stack.
  int locks = 0;
  int descriptors = 0;
  int channels_in = 0;   ///< S2MM. On shims those whose multiplexer is set.
  int channels_out = 0;  ///< MM2S.
  int masters = 0;       ///< Ports of the stream switch in use.
  int slaves = 0;
  int packet_rules = 0;
};
/// Tiles that the design uses, by column and row.
std::vector<TileUse> UseOf(const Design& design);

}  // namespace tandem::npu
