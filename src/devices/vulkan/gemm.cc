// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/gemm.h"

#include <algorithm>
#include <span>

namespace tandem::vulkan {
namespace {

uint64_t CeilDiv(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

// The first tile of a list, which goes from large to small, that has workgroups enough for the
// device; among those that are not mostly padding.
template <typename Tile>
Tile Choose(std::span<const Tile> tiles, uint64_t rows, uint64_t count, uint32_t workgroups) {
  for (const Tile& tile : tiles) {
    if (tile.tokens > 16 && CeilDiv(count, 16) * 16 <= tile.tokens / 2) continue;
    if (CeilDiv(rows, tile.rows) * CeilDiv(count, tile.tokens) >= workgroups) return tile;
  }
  const auto fits = std::find_if(tiles.rbegin(), tiles.rend(),
                                 [count](const Tile& tile) { return tile.tokens >= count; });
  return fits != tiles.rend() ? *fits : tiles.back();
}

constexpr CooperativeTile kCooperativeTiles[] = {
    {128, 128, 1, 2, 4, 2, 1}, {64, 64, 4, 1, 2, 2, 2}, {64, 32, 4, 1, 2, 1, 4},
    {32, 32, 8, 1, 1, 1, 8},   {32, 16, 8, 1, 1, 1, 8},
};
// Of fragments that are 32 columns deep: measured on an H200, where many workgroups count for more
// than what they share.
constexpr CooperativeTile kDeepTiles[] = {
    {64, 64, 4, 1, 2, 2, 2},
    {64, 32, 4, 1, 4, 1, 2},
    {16, 32, 8, 1, 1, 1, 8},
    {16, 16, 8, 1, 1, 1, 8},
};
constexpr DotTile kDotTiles[] = {
    {128, 64, 1, 2, 8, 4},
    {64, 64, 2, 1, 4, 4},
    {64, 32, 2, 1, 4, 4},
    {64, 16, 2, 1, 4, 4},
};
constexpr FloatTile kFloatTiles[] = {
    {128, 128, 16, 8, 8},
    {64, 64, 16, 4, 4},
    {64, 32, 16, 4, 4},
    {64, 16, 16, 4, 4},
};

// The kernel whose loops over fragments are written out, where there is one and the tile keeps to
// what it takes for granted (gemm_coop.comp).
Kernel CooperativeKernel(const CooperativeTile& tile, const Layout& layout,
                         const GemmDevice& device, uint32_t threads) {
  const CooperativeShape& by = device.cooperative;
  if (by.k < 16) return Kernel::kGemmCoopNarrow;
  if (by.k < layout.group || by.m * by.n != 8 * device.subgroup) return Kernel::kGemmCoop;
  if (std::max(tile.rows, tile.tokens) * tile.steps > threads) return Kernel::kGemmCoop;
  struct Fragments {
    uint32_t rows, tokens;
    Kernel kernel;
  };
  constexpr Fragments kWrittenOut[] = {
      {1, 1, Kernel::kGemmCoop1x1}, {1, 2, Kernel::kGemmCoop1x2}, {1, 4, Kernel::kGemmCoop1x4},
      {2, 1, Kernel::kGemmCoop2x1}, {2, 2, Kernel::kGemmCoop2x2}, {2, 4, Kernel::kGemmCoop2x4},
      {4, 2, Kernel::kGemmCoop4x2}, {4, 4, Kernel::kGemmCoop4x4},
  };
  const uint32_t rows = tile.rows / (tile.row_subgroups * by.m);
  const uint32_t tokens = tile.tokens / (tile.token_subgroups * by.n);
  for (const Fragments& one : kWrittenOut) {
    if (one.rows == rows && one.tokens == tokens) return one.kernel;
  }
  return Kernel::kGemmCoop;
}

void Append(std::vector<uint32_t>& to, const Layout& layout) {
  to.insert(to.end(),
            {layout.bits, layout.group, static_cast<uint32_t>(layout.minus), layout.scales});
}

}  // namespace

GemmDevice GemmDeviceOf(const Context& context) {
  GemmDevice device;
  device.subgroup = context.subgroup();
  device.shared_bytes = context.limits().maxComputeSharedMemorySize;
  // Vulkan does not say how many units a device has. Cards have many; an iGPU's have few.
  device.workgroups = context.info().kind == VulkanDeviceInfo::Kind::kDiscrete ? 128 : 32;
  device.integer_dot = context.integer_dot();
  device.cooperative = context.cooperative();
  return device;
}

uint64_t SharedBytes(const CooperativeTile& tile, const Layout& layout,
                     const CooperativeShape& by) {
  const uint64_t groups = 32 / layout.group;
  const uint64_t q_bytes = by.k > layout.group ? 64 : 32;
  const uint64_t codes =
      tile.rows * (32 * tile.steps + 16) + tile.tokens * (q_bytes * tile.steps + 16);
  const uint64_t scales = (tile.rows + tile.tokens) * tile.steps * groups * sizeof(float);
  const uint64_t mins = (layout.scales & 1U) != 0 || (tile.scaling & 2U) != 0 ? scales : 0;
  const uint64_t subgroups = tile.row_subgroups * tile.token_subgroups * tile.block_subgroups;
  const uint64_t results = subgroups * by.m * by.n * sizeof(float);
  // common.glsl has 64 floats of its own.
  return tile.buffers * codes + std::max(tile.buffers * (scales + mins), results) + 256;
}

Gemm GemmOf(const CooperativeTile& tile, const Layout& layout, const GemmDevice& device) {
  const CooperativeShape& by = device.cooperative;
  const uint32_t threads =
      tile.row_subgroups * tile.token_subgroups * tile.block_subgroups * device.subgroup;
  Gemm gemm;
  gemm.kernel = CooperativeKernel(tile, layout, device, threads);
  gemm.constants = {threads};
  Append(gemm.constants, layout);
  gemm.constants.insert(
      gemm.constants.end(),
      {tile.rows, tile.tokens, tile.steps, tile.buffers, tile.row_subgroups, tile.token_subgroups,
       tile.block_subgroups, by.m, by.n, by.k, tile.scaling});
  gemm.rows = tile.rows;
  gemm.tokens = tile.tokens;
  return gemm;
}

Gemm GemmOf(const DotTile& tile, const Layout& layout, const GemmDevice& device) {
  Gemm gemm;
  gemm.kernel = device.integer_dot ? Kernel::kGemmInt8Dot : Kernel::kGemmInt8;
  gemm.constants = {tile.rows / tile.thread_rows * (tile.tokens / tile.thread_tokens)};
  Append(gemm.constants, layout);
  gemm.constants.insert(gemm.constants.end(), {tile.rows, tile.tokens, tile.steps, tile.buffers,
                                               tile.thread_rows, tile.thread_tokens});
  gemm.rows = tile.rows;
  gemm.tokens = tile.tokens;
  return gemm;
}

Gemm GemmOf(const FloatTile& tile, const Layout& layout) {
  Gemm gemm;
  gemm.kernel = Kernel::kGemmFloat;
  gemm.constants = {tile.rows / tile.thread_rows * (tile.tokens / tile.thread_tokens),
                    layout.float_type,
                    tile.rows,
                    tile.tokens,
                    tile.depth,
                    tile.thread_rows,
                    tile.thread_tokens};
  gemm.rows = tile.rows;
  gemm.tokens = tile.tokens;
  return gemm;
}

Gemm ChooseGemm(const Layout& layout, uint64_t rows, uint64_t count, const GemmDevice& device) {
  if (!layout.quantized) {
    return GemmOf(Choose<FloatTile>(kFloatTiles, rows, count, device.workgroups), layout);
  }
  if (!device.cooperative) {
    return GemmOf(Choose<DotTile>(kDotTiles, rows, count, device.workgroups), layout, device);
  }
  const std::span<const CooperativeTile> tiles =
      device.cooperative.k == 32 ? std::span<const CooperativeTile>(kDeepTiles)
                                 : std::span<const CooperativeTile>(kCooperativeTiles);
  auto tile = Choose(tiles, rows, count, device.workgroups);
  while (SharedBytes(tile, layout, device.cooperative) > device.shared_bytes) {
    if (tile.buffers > 1) {
      tile.buffers = 1;
    } else if (tile.steps > tile.block_subgroups) {
      tile.steps /= 2;
    } else {
      tile = tiles.back();
      tile.steps = tile.block_subgroups = 4;
      break;
    }
  }
  return GemmOf(tile, layout, device);
}

}  // namespace tandem::vulkan
