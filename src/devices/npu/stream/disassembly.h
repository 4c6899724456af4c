// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Operations of a stream in the words of AMD's register reference: tile, register, fields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "devices/npu/stream/stream.h"

namespace tandem::npu {

struct Disassembled {
  std::string name;          ///< "BLOCKWRITE".
  std::optional<Tile> tile;  ///< Of operations on a register, where the device has the tile.
  std::string reg;           ///< "DMA_BD0_0"; "?" where there is none; empty without address.
  std::optional<uint32_t> address;
  /// What the values say, by name: fields of registers, or arguments of the operation.
  std::vector<std::pair<std::string, int64_t>> fields;
  std::vector<uint32_t> data;  ///< Raw words that were written.
};

/// Reads one operation of a stream for `device`.
Disassembled Disassemble(const Device& device, const StreamOp& op);
/// One line, without the name: "shim (0,0) DMA_MM2S_0_TASK_QUEUE = 0x80000003  Start_BD_ID=3 ...".
std::string TextOf(const Disassembled& op);

}  // namespace tandem::npu
