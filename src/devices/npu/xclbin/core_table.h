// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Core programs as words: locks, buffers and cores of a design. Internal to the library.
//
//   locks    count, {column, row, id}
//   buffers  count, {column, row, address, bytes}
//   cores    count, {column, row, steps}
//   steps    count, {kind, ...}: acquire lock value at_least; release lock value; call name
//            buffers; loop count steps; when buffer word mask steps
//   names    bytes, then words with the bytes
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "devices/npu/design/design.h"

namespace tandem::npu {

/// Throws Error kInvalidArgument for what the words cannot say.
std::vector<uint32_t> WriteCoreTable(const Design& design);
/// Reads untrusted words. Throws Error kCorruptFile.
Design ReadCoreTable(const Device& device, std::span<const uint32_t> words, std::string_view name);

}  // namespace tandem::npu
