// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A device image of our own for the emulated accelerator: the array's configuration as a CDO, and
// in place of machine code a table of what each core does, kernels by their names. Hardware does
// not take it: the images that it takes are built by MLIR-AIE. Pure functions; thread-safe.
//
// All words are 32 bits, little-endian:
//   "TNDM" "EPDI" version generation columns | words of the CDO, words of the table | CDO | table
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "devices/npu/design/design.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {

struct EmulatedPdi {
  Stream configuration;
  /// Cores with their programs, and the locks and buffers that those name. Nothing else.
  Design programs;
};

/// Throws Error: as EncodeConfiguration and EncodeCdo; kInvalidArgument for cores that have machine
/// code.
std::vector<std::byte> WriteEmulatedPdi(const Design& design);
/// Whether the bytes begin as one.
bool IsEmulatedPdi(std::span<const std::byte> bytes);
/// Reads untrusted bytes; what stands behind the image's end is not looked at (device buffers are
/// rounded up). Throws Error: kCorruptFile, kUnsupported.
EmulatedPdi ReadEmulatedPdi(std::span<const std::byte> bytes, std::string_view name);

}  // namespace tandem::npu
