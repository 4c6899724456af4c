// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Configuration data objects (CDO, version 2): the register writes that set an array up, in the
// form in which they lie in a device image (PDI). Pure functions; thread-safe.
//
// Source: bootgen, cdo-driver/cdo_driver.c (header, commands, alignment), which MLIR-AIE writes its
// configurations with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "devices/npu/stream/stream.h"

namespace tandem::npu {

/// The words of a CDO that does what these operations do: WRITE, BLOCKWRITE, MASKWRITE and MASKPOLL
/// alone. Data of block writes begins at a multiple of 16 bytes. Throws Error kInvalidArgument for
/// other operations, and for blocks of 4 GB.
std::vector<uint32_t> EncodeCdo(std::span<const StreamOp> ops);

/// The operations of a CDO out of untrusted bytes; commands that do nothing are left out. `name`
/// (printable) stands for the source in errors. Throws Error: kCorruptFile for bytes that
/// contradict themselves, kUnsupported for other versions, and for commands that set up no array.
std::vector<StreamOp> DecodeCdo(std::span<const std::byte> bytes, std::string_view name);

}  // namespace tandem::npu
