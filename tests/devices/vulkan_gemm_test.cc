// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of many rows: every kind of tile, with tails on every side, against the plain kernel,
// whose sums of a group's products are the same integers; and which tile is chosen.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>

#include "devices/random_weights.h"
#include "devices/vulkan/gemm_check.h"
#include "support/product_runner.h"
#include "support/vulkan_test.h"

namespace tandem::testing {
namespace {

using vulkan::CooperativeTile;
using vulkan::DotTile;
using vulkan::FloatTile;
using vulkan::Gemm;
using vulkan::GemmDevice;
using vulkan::Layout;

// Rows and counts that fill no tile, and columns that fill no step.
struct Shape {
  int64_t rows, cols;
  uint64_t count;
};
constexpr Shape kShapes[] = {{150, 256, 40}, {33, 2304, 9}};

class VulkanGemm : public ::testing::TestWithParam<DType> {
 protected:
  void Check(const VulkanOptions& options, const auto& gemms_of) {
    std::mt19937_64 random(static_cast<uint64_t>(GetParam()) + 1);
    // Weights are known by their address: they outlive the device.
    std::vector<cpu::Weights> weights;
    for (const Shape& shape : kShapes) {
      weights.push_back(cpu::RandomWeights(GetParam(), shape.rows, shape.cols, random));
    }
    const bool thorough = GetParam() == DType::kQ4_0 || GetParam() == DType::kQ6_K;
    ProductRunner runner(options);
    for (size_t i = 0; i < weights.size(); ++i) {
      const Shape& shape = kShapes[i];
      runner.SetWeights({&weights[i].view, 1});
      const auto x = cpu::RandomRows(static_cast<int64_t>(shape.count) * shape.cols, random);
      runner.SetActivations(x, shape.count);
      const std::vector<float> want = runner.Plain();
      float most = 0;
      for (const float value : want) most = std::max(most, std::abs(value));
      ASSERT_GT(most, 0);
      std::vector<Gemm> gemms = gemms_of(runner.device());
      // A driver in software takes a second to compile a kernel. Types differ only in how weights
      // are brought to shared memory: one tile does for most of them.
      if (!thorough) gemms.resize(1);
      for (const Gemm& gemm : gemms) {
        const std::vector<float> got = runner.Run(gemm);
        for (size_t at = 0; at < want.size(); ++at) {
          ASSERT_NEAR(got[at], want[at], 2e-6 * most)
              << vulkan::KernelName(gemm.kernel) << ", tile of " << gemm.rows << " x "
              << gemm.tokens << ", row " << at % static_cast<size_t>(shape.rows) << " of "
              << shape.rows << ", " << at / static_cast<size_t>(shape.rows) << " of "
              << shape.count;
        }
      }
    }
  }

  Layout layout() const { return vulkan::LayoutOf(GetParam()); }
};

TEST_P(VulkanGemm, TilesAgreeWithThePlainKernel) {
  TANDEM_REQUIRE_VULKAN();
  Check({}, [&](const GemmDevice& device) -> std::vector<Gemm> {
    if (!layout().quantized) {
      return {GemmOf(FloatTile{64, 32, 16, 4, 4}, layout()),
              GemmOf(FloatTile{128, 128, 16, 8, 8}, layout())};
    }
    return {GemmOf(DotTile{64, 64, 2, 1, 4, 4}, layout(), device),
            GemmOf(DotTile{64, 16, 2, 2, 4, 4}, layout(), device),
            GemmOf(DotTile{128, 64, 1, 2, 8, 4}, layout(), device)};
  });
}

TEST_P(VulkanGemm, TilesWithoutIntegerDotProducts) {
  TANDEM_REQUIRE_VULKAN();
  if (GetParam() != DType::kQ4_K) GTEST_SKIP() << "one type says it";
  VulkanOptions options;
  options.integer_dot = false;
  Check(options, [&](const GemmDevice& device) -> std::vector<Gemm> {
    return {GemmOf(DotTile{64, 32, 2, 1, 4, 4}, layout(), device)};
  });
}

TEST_P(VulkanGemm, CooperativeTilesAgreeWithThePlainKernel) {
  TANDEM_REQUIRE_VULKAN();
  if (!layout().quantized) GTEST_SKIP() << "float weights do not use them";
  VulkanOptions options;
  options.cooperative = VulkanOptions::Cooperative::kAlways;
  if (!ProductRunner(options).device().cooperative) {
    GTEST_SKIP() << "no cooperative matrices of bytes here, or none in this build";
  }
  Check(options, [&](const GemmDevice& device) -> std::vector<Gemm> {
    std::vector<Gemm> gemms;
    constexpr CooperativeTile kTiles[] = {
        {32, 16, 8, 1, 1, 1, 8}, {128, 64, 1, 2, 4, 2, 1}, {64, 64, 4, 1, 2, 2, 2}};
    for (CooperativeTile tile : kTiles) {
      while (SharedBytes(tile, layout(), device.cooperative) > device.shared_bytes) {
        tile.steps /= 2;
        tile.block_subgroups = std::min(tile.steps, tile.block_subgroups);
      }
      gemms.push_back(GemmOf(tile, layout(), device));
    }
    return gemms;
  });
}

INSTANTIATE_TEST_SUITE_P(Types, VulkanGemm,
                         ::testing::ValuesIn(AllDTypes().begin(), AllDTypes().end()),
                         [](const auto& type) { return std::string(DTypeName(type.param)); });

// What tries kernels before their first use finds right ones right, and one that takes off the
// wrong offset wrong.
TEST(GemmChecks, FindsWrongProducts) {
  TANDEM_REQUIRE_VULKAN();
  vulkan::Context context({});
  vulkan::Memory memory(context);
  vulkan::Pipelines pipelines(context);
  vulkan::GemmChecks checks(context, memory, pipelines);
  const GemmDevice device = vulkan::GemmDeviceOf(context);
  for (const DType type : {DType::kQ4_0, DType::kQ4_1, DType::kQ4_K, DType::kQ6_K, DType::kQ8_0}) {
    const Layout layout = vulkan::LayoutOf(type);
    Gemm gemm = GemmOf(DotTile{64, 16, 2, 2, 4, 4}, layout, device);
    EXPECT_LT(checks.Difference(gemm, layout), 1e-5) << DTypeName(type);
    if (layout.bits == 8) continue;  // no offset to take off
    gemm.constants[3] += 1;
    EXPECT_GT(checks.Difference(gemm, layout), 1e-3) << DTypeName(type);
  }
}

// Whatever is asked for, the tile fits in the device and its parts divide.
TEST(ChooseGemm, FitsTheDevice) {
  using vulkan::Kernel;
  constexpr vulkan::CooperativeShape kShapesOf[] = {{}, {16, 16, 16}, {16, 16, 32}, {8, 8, 8}};
  for (const DType type : AllDTypes()) {
    const Layout layout = vulkan::LayoutOf(type);
    for (const auto& by : kShapesOf) {
      for (const uint32_t subgroup : {8u, 32u, 64u}) {
        for (const uint32_t shared : {32768u, 49152u, 65536u}) {
          for (const uint32_t workgroups : {32u, 160u}) {
            const GemmDevice device{subgroup, shared, workgroups, true, by};
            for (const uint64_t count : {9, 16, 17, 32, 33, 64, 100, 512, 2048}) {
              for (const uint64_t rows : {64, 512, 2048, 16384}) {
                const Gemm gemm = ChooseGemm(layout, rows, count, device);
                const auto& c = gemm.constants;
                ASSERT_LE(c[0], 1024u) << "threads";
                if (!layout.quantized) {
                  ASSERT_EQ(gemm.kernel, Kernel::kGemmFloat);
                  ASSERT_EQ(gemm.tokens * c[4] % c[0], 0u) << "activations are shared evenly";
                  continue;
                }
                if (!by) {
                  ASSERT_EQ(gemm.kernel, Kernel::kGemmInt8Dot);
                  continue;
                }
                const CooperativeTile tile{c[5], c[6], c[7], c[8], c[9], c[10], c[11]};
                ASSERT_LE(SharedBytes(tile, layout, by), shared);
                ASSERT_EQ(tile.steps % tile.block_subgroups, 0u);
                ASSERT_EQ(tile.rows % (tile.row_subgroups * by.m), 0u);
                ASSERT_EQ(tile.tokens % (tile.token_subgroups * by.n), 0u);
                ASSERT_EQ(c[0], tile.row_subgroups * tile.token_subgroups * tile.block_subgroups *
                                    subgroup);
              }
            }
          }
        }
      }
    }
  }
}

TEST(ChooseGemm, FewRowsOfActivationsTakeNarrowTiles) {
  const Layout layout = vulkan::LayoutOf(DType::kQ4_0);
  const GemmDevice card{32, 49152, 128, true, {16, 16, 32}};
  EXPECT_EQ(ChooseGemm(layout, 2048, 16, card).tokens, 16u);
  EXPECT_EQ(ChooseGemm(layout, 2048, 32, card).tokens, 32u);
  EXPECT_EQ(ChooseGemm(layout, 2048, 512, card).rows, 64u);
  EXPECT_LT(ChooseGemm(layout, 2048, 32, card).rows, 64u) << "32 workgroups leave a card idle";
  const GemmDevice igpu{32, 65536, 32, true, {16, 16, 16}};
  EXPECT_EQ(ChooseGemm(layout, 2048, 512, igpu).rows, 128u);
}

}  // namespace
}  // namespace tandem::testing
