// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/gemm_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "core/log.h"
#include "devices/vulkan/single_run.h"

namespace tandem::vulkan {
namespace {

constexpr uint64_t kCols = 768;  // more than a step of any tile, by the 256 of a super-block
constexpr double kTolerance = 1e-5;

bool Cooperative(Kernel kernel) {
  return kernel >= Kernel::kGemmCoop && kernel <= Kernel::kGemmCoopNarrow;
}

// Planes of random weights and activations, in the device's layout.
class Data {
 public:
  Data(Memory& memory, const Layout& layout, uint64_t rows, uint64_t count) : memory_(memory) {
    const uint64_t blocks = kCols / 32;
    constexpr uint64_t kGroupBytes[] = {2, 4, 1, 2};
    const uint64_t scale_row = (kCols / layout.group * kGroupBytes[layout.scales] + 3) / 4 * 4;
    scale_words = scale_row / 4;
    codes = Upload(Bytes(rows * blocks * (layout.bits == 8 ? 32 : 16)));
    if (layout.bits == 6) high = Upload(Bytes(rows * blocks * 8));
    scales = Upload(layout.scales >= 2 ? Bytes(rows * scale_row) : Halves(rows * scale_row));
    if (layout.scales >= 2) supers = Upload(Halves(rows * kCols / 256 * 4));

    std::vector<std::byte> q(count * kCols), groups;
    for (uint64_t g = 0; g < count * blocks; ++g) {
      int sums[2] = {0, 0};
      for (uint64_t i = 0; i < 32; ++i) {
        const int value = static_cast<int>(random_() % 255) - 127;
        q[32 * g + i] = static_cast<std::byte>(value);
        sums[i / 16] += value;
      }
      const float scale = 0.01F + 0.001F * static_cast<float>(random_() % 16);
      const uint32_t both =
          (static_cast<uint32_t>(sums[0]) & 0xffffU) | static_cast<uint32_t>(sums[1]) << 16;
      const auto* words = reinterpret_cast<const std::byte*>(&scale);
      groups.insert(groups.end(), words, words + 4);
      words = reinterpret_cast<const std::byte*>(&both);
      groups.insert(groups.end(), words, words + 4);
    }
    activations = Upload(q);
    activation_groups = Upload(groups);
  }

  Slice codes, high, scales, supers, activations, activation_groups;
  uint64_t scale_words = 0;

 private:
  std::vector<std::byte> Bytes(uint64_t count) {
    std::vector<std::byte> bytes(count);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random_());
    return bytes;
  }
  // From 1/128 to 1/64.
  std::vector<std::byte> Halves(uint64_t count) {
    std::vector<std::byte> bytes = Bytes(count);
    for (size_t i = 1; i < bytes.size(); i += 2) {
      bytes[i] = (bytes[i] & std::byte{0x03}) | std::byte{0x20};
    }
    return bytes;
  }
  Slice Upload(std::span<const std::byte> bytes) {
    Slice slice = memory_.device().Take(bytes.size());
    memory_.Write(slice, 0, bytes);
    return slice;
  }

  Memory& memory_;
  std::mt19937 random_{1};
};

Access In(const Slice& slice) { return slice.empty() ? None() : Constant(Tensor::Of(slice)); }
Access Out(const Slice& slice) { return {Tensor::Of(slice), 0, slice.size(), true, false}; }

}  // namespace

double GemmChecks::Difference(const Gemm& gemm, const Layout& layout) {
  // Neither fills whole tiles.
  const uint64_t rows = gemm.rows + 5, count = gemm.tokens + 3;
  const Data data(memory_, layout, rows, count);
  const uint64_t bytes = rows * count * sizeof(float);
  const auto run = [&](Kernel kernel, std::span<const uint32_t> constants, Grid grid) {
    const Slice y = memory_.device().Take(bytes), back = memory_.readback().Take(bytes);
    SingleRun commands(context_, pipelines_, 1);
    const Access bindings[] = {In(data.codes),  In(data.high),        In(data.scales),
                               In(data.supers), In(data.activations), In(data.activation_groups),
                               Out(y)};
    const Word push[] = {kCols / 32, rows, data.scale_words, count, uint64_t{0}, rows, 0.0F};
    commands.recorder().Dispatch(kernel, constants, bindings, push, grid);
    commands.recorder().Copy(Tensor::Of(y), Tensor::Of(back), bytes);
    commands.Run();
    std::vector<float> result(rows * count);
    std::memcpy(result.data(), back.mapped(), bytes);
    return result;
  };
  constexpr uint32_t kThreads = 128;
  const uint32_t plain[] = {
      kThreads, layout.bits, layout.group, static_cast<uint32_t>(layout.minus), layout.scales, 1,
      1};
  const uint64_t together = kThreads / context_.subgroup();
  const std::vector<float> want =
      run(context_.integer_dot() ? Kernel::kMatMulInt8Dot : Kernel::kMatMulInt8, plain,
          GridOf((rows + together - 1) / together, static_cast<uint32_t>(count)));
  const std::vector<float> got = run(gemm.kernel, gemm.constants, gemm.GridFor(rows, count));
  float most = 0, off = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    most = std::max(most, std::abs(want[i]));
    const float here = std::abs(got[i] - want[i]);
    if (!std::isfinite(here)) return std::numeric_limits<double>::quiet_NaN();
    off = std::max(off, here);
  }
  return static_cast<double>(off) / static_cast<double>(most);
}

Gemm GemmChecks::Choose(const Layout& layout, uint64_t rows, uint64_t count) {
  GemmDevice device = GemmDeviceOf(context_);
  if (refused_) device.cooperative = {};
  Gemm gemm = ChooseGemm(layout, rows, count, device);
  if (!tries_ || !Cooperative(gemm.kernel)) return gemm;
  if (!tried_.insert({gemm.kernel, gemm.constants}).second) return gemm;
  const double difference = Difference(gemm, layout);
  if (difference <= kTolerance) return gemm;
  log::Warning("{}: {} is wrong by {:.1e} on this driver ({}); cooperative matrices are not used",
               context_.info().name, KernelName(gemm.kernel), difference, context_.info().driver);
  refused_ = true;
  device.cooperative = {};
  return ChooseGemm(layout, rows, count, device);
}

}  // namespace tandem::vulkan
