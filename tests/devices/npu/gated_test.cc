// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// D h with h = gelu(A G) x (A U), both products on the emulated array and nothing of the host's
// between them, of random and of edge shapes, against the same in double.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "core/error.h"
#include "devices/npu/emulator/emulator.h"
#include "devices/npu/gemm/gated_plan.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/kernels/gated_tile.h"

namespace tandem::npu::test {
namespace {

double GeluOf(double x) {
  return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

/// A weight matrix column by column: what the array multiplies, times the column's scale.
struct Columns {
  std::vector<std::vector<double>> values;
};

class GatedCase {
 public:
  GatedCase(const GemmConfig& config, const GatedShape& shape, std::mt19937& random)
      : plan_(PlanGated(config, shape)), random_(random) {}

  void Run(Emulator& emulator) {
    MakeInputs();
    std::vector<std::byte> b(static_cast<size_t>(plan_.b_bytes));
    std::vector<std::byte> down(static_cast<size_t>(plan_.down.b_bytes));
    GatedPacker packer(plan_, b);
    const int64_t neurons = plan_.shape.neurons;
    for (int64_t f = 0; f < neurons; ++f) {
      gate_.values.push_back(Pack(packer, f, plan_.shape.gate_k, &packer));
      const int64_t up_k = plan_.shared() ? plan_.shape.gate_k : plan_.shape.up_k;
      up_.values.push_back(Pack(packer, packer.UpColumn(f), up_k, &packer));
    }
    ColumnPacker down_packer(plan_.down, 0, down);
    for (int64_t n = 0; n < plan_.shape.n; ++n) {
      down_.values.push_back(Pack(down_packer, n, plan_.padded_neurons(), nullptr));
    }
    std::vector<std::byte> h(static_cast<size_t>(plan_.c_bytes), std::byte{0xA5});
    std::vector<std::byte> c(static_cast<size_t>(plan_.down.c_bytes), std::byte{0xA5});
    RunStream(emulator, GatedSequence(plan_), {&a_, &b, &h});
    RunStream(emulator, GatedDownSequence(plan_), {&h, &down, &c});
    std::vector<float> got(static_cast<size_t>(plan_.shape.m * plan_.shape.n));
    UnpackC<float>(plan_.down, c, got);
    Check(got);
  }

 private:
  void MakeInputs() {
    std::normal_distribution<float> normal;
    const auto k = static_cast<size_t>(plan_.a.shape.k);
    const auto steps = static_cast<size_t>(plan_.a.k_steps);
    const auto m = static_cast<size_t>(plan_.shape.m);
    std::vector<int8_t> bytes(m * k);
    std::vector<int8_t> exponents(m * steps);
    x_.assign(m * k, 0);
    std::vector<float> row(k);
    for (size_t t = 0; t < m; ++t) {
      for (size_t i = 0; i < k; ++i) {
        const auto at = static_cast<int64_t>(i);
        const bool of_gate = at < plan_.shape.gate_k;
        const int64_t up = at - plan_.gate_steps * kTileKI8;
        const bool of_up = !plan_.shared() && up >= 0 && up < plan_.shape.up_k;
        row[i] = of_gate || of_up ? normal(random_) * std::exp2(static_cast<float>(t % 5)) : 0;
      }
      const auto to = std::span(bytes).subspan(t * k, k);
      const auto to_exponents = std::span(exponents).subspan(t * steps, steps);
      ASSERT_EQ(ScaleRow(row, to, to_exponents), 1);
      for (size_t i = 0; i < k; ++i) {
        x_[t * k + i] = std::ldexp(double{1} * to[i], to_exponents[i / kTileKI8]);
      }
    }
    a_.resize(static_cast<size_t>(plan_.a.a_bytes));
    PackScaledA(plan_.a, bytes, exponents, a_);
  }

  /// A random column; what it stands for. Scales of gates and ups are the packer's, which the core
  /// knows; those of down are 1 or the ratios' and left to Check.
  std::vector<double> Pack(ColumnPacker& packer, int64_t column, int64_t depth,
                           GatedPacker* scaled) {
    const bool four = plan_.config().type == GemmType::kI4;
    const auto k = static_cast<size_t>(depth);
    const int64_t used = scaled != nullptr ? depth : plan_.shape.neurons;
    std::vector<int8_t> weights(k);
    for (size_t i = 0; i < static_cast<size_t>(used); ++i) {
      weights[i] = static_cast<int8_t>(four ? static_cast<int>(random_() % 16) - 8
                                            : static_cast<int>(random_() % 255) - 127);
    }
    std::vector<double> values(weights.begin(), weights.end());
    if (!four) {
      packer.Set(column, weights);
      const float scale = RoundScaleUp(0.01F / std::sqrt(static_cast<float>(used)));
      if (scaled != nullptr) scaled->SetScale(column, scale);
      for (double& value : values) value *= scale;
      scales_.push_back(scale);
      return values;
    }
    std::vector<float> scales((k + 31) / 32);
    for (float& scale : scales) {
      scale = static_cast<float>(random_() % 100 + 1) / (400 * std::sqrt(static_cast<float>(used)));
    }
    const float scale = packer.Set4(column, weights, scales, true);
    EXPECT_EQ(scale, RoundScaleUp(scale));
    if (scaled != nullptr) scaled->SetScale(column, scale);
    for (size_t i = 0; i < k; ++i) {
      const double ratio = std::nearbyint(scales[i / 32] * 8.0 / scale);
      values[i] = std::nearbyint(weights[i] * ratio / 8) * scale;
    }
    scales_.push_back(scale);
    return values;
  }

  static void RunStream(Emulator& emulator, const Sequence& sequence,
                        const std::vector<std::vector<std::byte>*>& arguments) {
    std::vector<uint64_t> addresses;
    for (std::vector<std::byte>* const one : arguments) {
      addresses.push_back(emulator.AddBuffer(*one));
    }
    const std::optional<Stall> stall = emulator.Run(EncodeSequence(sequence), addresses);
    EXPECT_FALSE(stall) << stall->Text();
    for (const uint64_t address : addresses) emulator.RemoveBuffer(address);
  }

  void Check(const std::vector<float>& got) {
    const auto k = static_cast<size_t>(plan_.a.shape.k);
    const auto n = static_cast<size_t>(plan_.shape.n);
    const auto neurons = static_cast<size_t>(plan_.shape.neurons);
    const auto up_first =
        plan_.shared() ? size_t{0} : static_cast<size_t>(plan_.gate_steps * kTileKI8);
    const auto dot = [](const std::vector<double>& w, const double* x) {
      double sum = 0;
      for (size_t i = 0; i < w.size(); ++i) sum += w[i] * x[i];
      return sum;
    };
    std::vector<double> h(static_cast<size_t>(plan_.padded_neurons()));
    std::vector<double> slack(h.size());
    for (size_t t = 0; t < static_cast<size_t>(plan_.shape.m); ++t) {
      const double* const x = x_.data() + t * k;
      for (size_t f = 0; f < neurons; ++f) {
        const double gate = dot(gate_.values[f], x);
        const double up = dot(up_.values[f], x + up_first);
        h[f] = GeluOf(gate) * up;
        // The gate is a bfloat16, and x gelu'(x) is at most 1.13 of |x|; GELU itself is 0.06 % off.
        slack[f] = std::abs(up) * (std::ldexp(1.13 * std::abs(gate), -9) + 7e-4 * std::abs(gate));
      }
      // A byte of h is within 0.75 of its step, which is 2/127.5 of the tile's largest at most.
      for (size_t first = 0; first < h.size(); first += kGatedColumns) {
        double most = 0;
        for (size_t f = first; f < first + kGatedColumns; ++f) {
          most = std::max(most, std::abs(h[f]) + slack[f]);
        }
        for (size_t f = first; f < first + kGatedColumns; ++f) slack[f] += 0.75 * 2 * most / 127.5;
      }
      for (size_t i = 0; i < n; ++i) {
        const std::vector<double>& w = down_.values[i];
        double want = 0;
        double bound = 0;
        for (size_t f = 0; f < neurons; ++f) {
          want += w[f] * h[f];
          bound += std::abs(w[f]) * (slack[f] + 1e-5 * std::abs(h[f]));
        }
        const double result = double{got[t * n + i]} * scales_[scales_.size() - n + i];
        ASSERT_LE(std::abs(result - want), bound + 1e-12) << t << " " << i;
        errors_ += (result - want) * (result - want);
        size_ += want * want;
      }
    }
    // All together far less than the worst case of each.
    EXPECT_LT(std::sqrt(errors_ / size_), 0.04);
  }

  GatedPlan plan_;
  std::mt19937& random_;
  std::vector<std::byte> a_;
  std::vector<double> x_;
  Columns gate_, up_, down_;
  std::vector<float> scales_;
  double errors_ = 0;
  double size_ = 0;
};

TEST(NpuGated, BothProductsAreThoseOfTheReference) {
  std::mt19937 random(1);
  const auto side = [&](int64_t most) { return 1 + static_cast<int64_t>(random() % most); };
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    for (const GemmType type : {GemmType::kI8, GemmType::kI4}) {
      const GemmConfig config = {{generation, MaxColumns(generation)}, type, GemmOutput::kF32};
      Emulator emulator(config.device);
      emulator.Load(MakeGemmDesign(config));
      // One row; whole tiles; tails of everything; two blocks of rows; inputs of up's own.
      for (const GatedShape& shape :
           {GatedShape{1, 1, 0, 1, 1}, GatedShape{64, 384, 0, 128, 64},
            GatedShape{17, 500, 0, 300, 70}, GatedShape{260, 129, 0, 200, 65},
            GatedShape{40, 256, 130, 96, 256}, GatedShape{33, 200, 512, 1100, 20},
            GatedShape{side(100), side(700), 0, side(1500), side(300)}}) {
        SCOPED_TRACE(::testing::Message()
                     << GemmDesignName(config) << " " << shape.m << "x" << shape.gate_k << "/"
                     << shape.up_k << "x" << shape.neurons << "x" << shape.n);
        GatedCase(config, shape, random).Run(emulator);
      }
    }
  }
}

TEST(NpuGated, RefusesWhatItHasNoDesignFor) {
  const Device device = {Generation::kNpu1, 4};
  for (const GemmConfig& config : {GemmConfig{device, GemmType::kI8, GemmOutput::kI32},
                                   GemmConfig{device, GemmType::kBf16, GemmOutput::kF32}}) {
    EXPECT_THROW(PlanGated(config, {1, 1, 0, 1, 1}), Error);
  }
  const GemmConfig fine = {device, GemmType::kI4, GemmOutput::kF32};
  EXPECT_THROW(PlanGated(fine, {0, 1, 0, 1, 1}), Error);
  EXPECT_THROW(PlanGated(fine, {1, 1, 0, 0, 1}), Error);
  EXPECT_THROW(PlanGated(fine, {1, kMostGemmSum + 1, 0, 1, 1}), Error);
}

}  // namespace
}  // namespace tandem::npu::test
