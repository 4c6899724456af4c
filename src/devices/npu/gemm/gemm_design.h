// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The array design of matrix products: one configuration per type, loaded once, that multiplies
// matrices of any size, and attends. Pure functions; thread-safe.
//
// Core (c, r) computes tiles [64,64] of C. Row r of cores shares a stream of A, column c one of B,
// each through a memory tile; the four results of a column leave together. Everything moves in the
// order in which it lies in DRAM, so no descriptor has a dimension, but for those of shims that
// bring what another run of a list has left in rooms (rooms.h). How many steps a sum has, only the
// tiles of B know: their header says which is the first and which the last; how many steps a tile
// of A has, says its own (gemm_tile.h). So neither cores nor memory tiles hold anything of a
// problem, and a runtime stream is a few transfers of the shims.
#pragma once

#include <cstdint>
#include <string>

#include "devices/npu/design/design.h"
#include "devices/npu/design/design_builder.h"
#include "devices/npu/timing/gemm_time.h"

namespace tandem::npu {

/// What a configuration multiplies. i8 gives i8, i16 or i32; i4 gives i32; bf16 gives bf16 or f32.
/// i8 and i4 to f32: activations with a power of two for each row and tile of K (scaled_rows.h),
/// summed in float.
struct GemmConfig {
  Device device;  ///< Of 4 columns, or 8.
  GemmType type = GemmType::kI8;
  GemmOutput output = GemmOutput::kI32;
  friend bool operator==(const GemmConfig&, const GemmConfig&) = default;
};

/// Whether the design attends, too (devices/npu/attention): those with results of 32 bits do, since
/// there is room. A core tells tiles of keys and values from those of A by their header.
bool Attends(const GemmConfig& config);

/// Throws Error kInvalidArgument for what there is no design of.
void CheckGemmConfig(const GemmConfig& config);
/// The design. Throws as CheckGemmConfig.
Design MakeGemmDesign(const GemmConfig& config);

/// Whether rows of A have powers of two, which the core sums by.
bool ScalesRows(const GemmConfig& config);

/// "gemm-i8-i32-npu1".
std::string GemmDesignName(const GemmConfig& config);

/// The column in which a core row's stream of A enters.
constexpr int SourceColumn(const Device& device, int core_row) {
  return core_row * device.columns / kCoreRows;
}

/// Bytes of the tiles that the array moves.
int64_t TileABytes(const GemmConfig& config);
int64_t TileBBytes(const GemmConfig& config);
int64_t TileCBytes(const GemmConfig& config);

}  // namespace tandem::npu
