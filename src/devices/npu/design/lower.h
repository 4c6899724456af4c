// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// From transfers in elements to BD fields in words. Pure functions.
//
// The rules are those of MLIR-AIE's two ways to registers, the runtime sequence and the static
// configuration, where they are right: lib/Dialect/AIEX/Utils/BdLowering.cpp, AIEDmaToNpu.cpp and
// lib/Targets/AIERT.cpp. What it gets wrong (docs/npu.md lists it) is done right or refused.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "devices/npu/design/model.h"
#include "devices/npu/isa/descriptor.h"

namespace tandem::npu {

/// Who repeats a transfer whose outermost dimension stands still (stride 0): the push that follows,
/// or whoever starts the task, as often as it says.
enum class Repeats : uint8_t {
  kByQueue,
  kByTask
};

/// Sets length, wraps, steps, iteration and padding of `bd` for a transfer of the runtime sequence,
/// of up to four dimensions of which the outermost becomes the iteration. A scan that is linear
/// becomes one without dimensions. Returns how often the BD must run for the whole transfer: the
/// outermost size, or 1. Throws Error kInvalidArgument, beginning with `where`, for shapes that the
/// tile cannot do.
int64_t LowerRuntimeShape(TileKind kind, const Transfer& transfer, Repeats repeats,
                          std::string_view where, Descriptor& bd);

/// The same for a static BD: each dimension that is given has its fields; a memory tile's fourth is
/// D3; the iteration is explicit; `length` includes the padding.
void LowerStaticShape(TileKind kind, const Transfer& transfer, std::string_view where,
                      Descriptor& bd);

/// Sets packet, locks and valid. A memory tile at `tile` reaches locks of its neighbours, too.
void LowerControl(Tile tile, const Transfer& transfer, std::string_view where, Descriptor& bd);

/// The address of a tile's buffer in the unit of the BD on `tile` that reads it: words, in the
/// window of a memory tile, which reaches its neighbours.
int64_t TileAddress(Tile tile, const Buffer& buffer, const Transfer& transfer,
                    std::string_view where);

/// Throws unless [offset, farthest element] lies inside `elements`. Strides are not negative.
void CheckInside(const Transfer& transfer, int64_t elements, std::string_view where);

}  // namespace tandem::npu
