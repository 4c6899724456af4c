// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which kernel multiplies a matrix with many rows of activations, and in which tiles: pure
// functions of the matrix, the number of rows and the device. shaders/gemm*.comp are the kernels.
#pragma once

#include <cstdint>
#include <vector>

#include "devices/vulkan/cooperative.h"
#include "devices/vulkan/recorder.h"
#include "devices/vulkan/weights.h"

namespace tandem::vulkan {

/// Rows of activations from which on products go through tiles.
inline constexpr uint64_t kGemmRows = 9;

/// What decides about products.
struct GemmDevice {
  uint32_t subgroup = 32;
  uint32_t shared_bytes = 32768;
  uint32_t workgroups = 32;  ///< That keep it busy.
  bool integer_dot = false;
  CooperativeShape cooperative;
};
GemmDevice GemmDeviceOf(const Context& context);

/// A kernel with its specialisation constants. Workgroup (x, y) makes rows from y * rows on for the
/// activation rows from x * tokens on.
struct Gemm {
  Kernel kernel = Kernel::kGemmFloat;
  std::vector<uint32_t> constants;
  uint32_t rows = 0;
  uint32_t tokens = 0;

  Grid GridFor(uint64_t weight_rows, uint64_t count) const {
    return {static_cast<uint32_t>((count + tokens - 1) / tokens),
            static_cast<uint32_t>((weight_rows + rows - 1) / rows), 1};
  }
};

/// How gemm_coop shares a tile. Subgroups: by rows, by tokens, by blocks of 32 columns.
struct CooperativeTile {
  uint32_t rows, tokens, steps, buffers;
  uint32_t row_subgroups, token_subgroups, block_subgroups;
  uint32_t scaling = 0;  ///< gemm_coop.comp's constant of that name.
};
/// How gemm_int8 does: a thread makes thread_rows by thread_tokens.
struct DotTile {
  uint32_t rows, tokens, steps, buffers;
  uint32_t thread_rows, thread_tokens;
};
/// How gemm_float does.
struct FloatTile {
  uint32_t rows, tokens, depth;
  uint32_t thread_rows, thread_tokens;
};
Gemm GemmOf(const CooperativeTile& tile, const Layout& layout, const GemmDevice& device);
Gemm GemmOf(const DotTile& tile, const Layout& layout, const GemmDevice& device);
Gemm GemmOf(const FloatTile& tile, const Layout& layout);
/// Bytes of shared memory.
uint64_t SharedBytes(const CooperativeTile& tile, const Layout& layout, const CooperativeShape& by);

/// For weights of `layout` with `rows` rows and `count` rows of activations.
Gemm ChooseGemm(const Layout& layout, uint64_t rows, uint64_t count, const GemmDevice& device);

}  // namespace tandem::vulkan
