// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A core's program: the loadable parts of an AIE executable (ELF). Values; thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace tandem::npu {

/// Words for one place of a core tile.
struct ProgramSegment {
  uint32_t offset = 0;  ///< Inside the tile: program memory, or data memory.
  std::vector<uint32_t> words;
};

/// The segments of an untrusted ELF in the order of the file: code at its address in program
/// memory, data at the lower 16 bits of its address (a core sees its own memory from 0x70000),
/// zeros up to its size in memory. Throws Error kCorruptFile.
std::vector<ProgramSegment> ReadCoreProgram(std::span<const std::byte> bytes,
                                            std::string_view name);

}  // namespace tandem::npu
