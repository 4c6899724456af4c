// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What cores do between the sums of gated products: GELU within its bound, and tiles of the next A
// within half a step of what they stand for.
#include "devices/npu/kernels/gated_kernels.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "devices/npu/gelu.h"
#include "devices/npu/kernel_call.h"
#include "devices/npu/kernels/gated_tile.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/kernels/registry.h"
#include "devices/npu/kernels/row_tile.h"

namespace tandem::npu::test {
namespace {

// All that a gate can be.
TEST(NpuGatedKernels, GeluIsWithinItsBound) {
  kernels::SetModes();
  constexpr unsigned kLanes = kernels::kGatedLanes;
  for (uint32_t first = 0; first < 0x10000; first += kLanes) {
    kernels::Brains x;
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      x[lane].bits = static_cast<uint16_t>(first + lane);
    }
    const auto got = kernels::Gelu(x).to_vector<float>();
    for (unsigned lane = 0; lane < kLanes; ++lane) {
      const double value = static_cast<float>(x[lane]);
      if (std::isnan(value)) continue;
      if (std::isinf(value) && value > 0) {
        ASSERT_EQ(got[lane], value);
        continue;
      }
      const double want = value < -10 ? 0 : GeluOf(value);
      const double bound = value < -4.5 ? 1e-7 : 5e-3 * std::abs(want);
      ASSERT_NEAR(got[lane], want, bound) << value;
    }
  }
}

/// Place of (row, column) in a tile of sums.
size_t PlaceOf(int row, int column, int r, int blocks = kTileN / 8) {
  return static_cast<size_t>(((row / r * blocks + column / 8) * r + row % r) * 8 + column % 8);
}

/// What the core has at hand.
struct Memory {
  Memory() : sums(kTileSumBytes), gate(kGateBytes), held(sizeof(GatedHalf)) {}
  std::vector<std::byte> a = std::vector<std::byte>(kActivationHeaderBytes);
  std::vector<std::byte> b = std::vector<std::byte>(kTileHeaderBytes);
  std::vector<std::byte> sums, gate, held;
  std::vector<std::byte> scales = std::vector<std::byte>(sizeof(AttentionState));
  std::vector<std::byte> factors = std::vector<std::byte>(sizeof(RowFactors));

  void SetRows(int rows) {
    ActivationTileHeader header;
    header.rows = static_cast<uint32_t>(rows);
    std::memcpy(a.data(), &header, sizeof header);
  }
  /// Scales of 64 columns as three tiles bring them.
  void Bring(const std::vector<native::bfloat16>& of_columns) {
    for (uint32_t part = 0; part < kScaleParts; ++part) {
      WeightTileHeader header;
      header.scale_part = part;
      for (size_t i = 0; i < kScalesOfPart; ++i) {
        const size_t column = part * kScalesOfPart + i;
        if (column < kTileN) header.scales[i] = of_columns[column].bits;
      }
      std::memcpy(b.data(), &header, sizeof header);
      CallWithB("gated_scales", {}, b.data(), {scales.data()});
    }
  }
};

// Gates and ups of both halves, rows of all sizes: the tile that comes out is h.
TEST(NpuGatedKernels, TilesAreGeluOfTheGateTimesUp) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (const auto& [generation, micro] :
       {std::pair{"npu1", kMicroI8Npu1}, std::pair{"npu2", kMicroI8Npu2}}) {
    const std::string suffix = std::string("_") + generation;
    for (const int rows : {RowGranule(micro), kTileM}) {
      Memory memory;
      memory.SetRows(rows);
      std::vector<double> want(static_cast<size_t>(rows) * kGatedColumns);
      for (int half = 0; half < 2; ++half) {
        std::vector<float> gate(size_t{kTileM} * kTileN);
        for (const bool up : {false, true}) {
          std::vector<native::bfloat16> scales(kTileN);
          for (native::bfloat16& scale : scales) scale = native::bfloat16(std::exp(normal(random)));
          memory.Bring(scales);
          for (int row = 0; row < rows; ++row) {
            // Rows whose halves are far from each other, that are nothing, that are huge.
            const float size = row == 1         ? 0.0F
                               : row == 2       ? 1e12F
                               : row == 3 && up ? (half == 0 ? 1e-9F : 1.0F)
                               : row == 4 && up ? (half == 0 ? 1.0F : 1.0F / 64)
                                                : std::exp2(static_cast<float>(row % 5));
            for (int column = 0; column < kTileN; ++column) {
              const float sum = normal(random) * size;
              reinterpret_cast<float*>(memory.sums.data())[PlaceOf(row, column, micro.r)] = sum;
              const float value = sum * static_cast<float>(scales[static_cast<size_t>(column)]);
              const auto at = static_cast<size_t>(row * kTileN + column);
              if (!up) {
                const native::bfloat16 scale = scales[static_cast<size_t>(column)];
                gate[at] = static_cast<float>(native::bfloat16(
                    static_cast<float>(native::bfloat16(sum)) * static_cast<float>(scale)));
              } else {
                want[static_cast<size_t>(row * kGatedColumns + half * kTileN + column)] =
                    GeluOf(gate[at]) * value;
              }
            }
          }
          if (!up) {
            CallKernel("gated_hold" + suffix,
                       {memory.a.data(), memory.sums.data(), memory.scales.data(),
                        memory.factors.data(), memory.gate.data()});
          } else {
            CallKernel("gated_multiply" + suffix, {memory.a.data(), memory.sums.data(),
                                                   memory.scales.data(), memory.gate.data()});
            if (half == 0) CallKernel("gated_keep", {memory.gate.data(), memory.held.data()});
          }
        }
      }
      CallKernel("gated_join" + suffix,
                 {memory.a.data(), memory.held.data(), memory.gate.data(), memory.sums.data()});
      ActivationTileHeader header;
      std::memcpy(&header, memory.sums.data(), sizeof header);
      ASSERT_EQ(header.rows, static_cast<uint32_t>(rows));
      const auto* const values =
          reinterpret_cast<const int8_t*>(memory.sums.data() + kActivationHeaderBytes);
      for (int row = 0; row < rows; ++row) {
        const auto* const line = want.data() + static_cast<size_t>(row) * kGatedColumns;
        double most = 0;
        for (int i = 0; i < kGatedColumns; ++i) most = std::max(most, std::abs(line[i]));
        const double step = std::ldexp(1.0, header.exponents[row]);
        // No larger than it must be, but where the largest is next to the border.
        EXPECT_LE(step, most == 0 ? 1e-30 : most / 62.9) << row;
        for (int i = 0; i < kGatedColumns; ++i) {
          const double got = values[PlaceOf(row, i, micro.r, kGatedColumns / 8)] * step;
          // Half a step, and of a half with a smaller one half of that before; GELU, and four
          // roundings to bfloat16.
          ASSERT_NEAR(got, line[i], 0.75 * step + 0.013 * std::abs(line[i])) << row << " " << i;
        }
      }
    }
  }
}

}  // namespace
}  // namespace tandem::npu::test
