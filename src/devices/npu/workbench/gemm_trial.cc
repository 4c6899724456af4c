// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/workbench/gemm_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <utility>

#include "core/error.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/kernels/native_aie.h"
#include "devices/npu/runner/emulator_runner.h"
#include "devices/npu/workbench/differences.h"

namespace tandem::npu {
namespace {

using Bytes = std::vector<std::byte>;

float FloatOf(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

/// [m,k] x [k,n] in Sum. `Sum` is exact for the integers that come.
template <typename Sum, typename Value>
std::vector<Sum> Product(const GemmShape& shape, std::span<const Value> a,
                         std::span<const Value> b) {
  std::vector<Sum> c(static_cast<size_t>(shape.m * shape.n));
  for (int64_t m = 0; m < shape.m; ++m) {
    Sum* const row = c.data() + m * shape.n;
    for (int64_t k = 0; k < shape.k; ++k) {
      const auto left = static_cast<Sum>(a[static_cast<size_t>(m * shape.k + k)]);
      const Value* const right = b.data() + k * shape.n;
      for (int64_t n = 0; n < shape.n; ++n) row[n] += left * static_cast<Sum>(right[n]);
    }
  }
  return c;
}

/// [m,k] x [k,n] as the array sums rows with exponents: tiles in integers, together in float.
std::vector<float> ScaledProduct(const GemmPlan& plan, std::span<const int8_t> a,
                                 std::span<const int8_t> exponents, std::span<const int8_t> b) {
  const auto [m, k, n] = plan.shape;
  std::vector<float> c(static_cast<size_t>(m * n));
  std::vector<int32_t> tile(static_cast<size_t>(n));
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t step = 0; step < plan.k_steps; ++step) {
      std::fill(tile.begin(), tile.end(), 0);
      for (int64_t j = step * plan.tile.k; j < std::min(k, (step + 1) * plan.tile.k); ++j) {
        const int32_t left = a[static_cast<size_t>(i * k + j)];
        const int8_t* const right = b.data() + j * n;
        for (size_t l = 0; l < tile.size(); ++l) tile[l] += left * right[l];
      }
      const int exponent = exponents[static_cast<size_t>(i * plan.k_steps + step)];
      for (size_t l = 0; l < tile.size(); ++l) {
        c[static_cast<size_t>(i * n) + l] += std::ldexp(static_cast<float>(tile[l]), exponent);
      }
    }
  }
  return c;
}

class Trial {
 public:
  Trial(ArrayRunner& runner, std::chrono::milliseconds timeout, const GemmConfig& config,
        const GemmShape& shape, uint64_t seed)
      : runner_(runner), timeout_(timeout), random_(seed) {
    trial_.plan = PlanGemm(config, shape);
    trial_.stream = GemmStream(trial_.plan);
  }

  GemmTrial Run() {
    if (ScalesRows(trial_.plan.config)) {
      RunScaled();
      return std::move(trial_);
    }
    switch (trial_.plan.config.type) {
      case GemmType::kI8: RunI8(); break;
      case GemmType::kI4: RunI4(); break;
      default: RunBf16(); break;
    }
    return std::move(trial_);
  }

 private:
  size_t SizeOfA() const { return static_cast<size_t>(shape().m * shape().k); }
  size_t SizeOfB() const { return static_cast<size_t>(shape().k * shape().n); }
  size_t SizeOfC() const { return static_cast<size_t>(shape().m * shape().n); }
  const GemmShape& shape() const { return trial_.plan.shape; }

  /// Packs by `pack_a`, `pack_b`, multiplies, returns C as the array left it.
  template <typename T, typename PackingA, typename PackingB>
  std::vector<T> Multiply(const PackingA& pack_a, const PackingB& pack_b) {
    const GemmPlan& plan = trial_.plan;
    Bytes a(static_cast<size_t>(plan.a_bytes));
    Bytes b(static_cast<size_t>(plan.b_bytes));
    Bytes c(static_cast<size_t>(plan.c_bytes));
    pack_a(std::span(a));
    pack_b(std::span(b));
    const std::span<std::byte> arguments[] = {a, b, c};
    runner_.Run(trial_.stream, arguments, timeout_);
    std::vector<T> rows(SizeOfC());
    UnpackC<T>(plan, c, rows);
    return rows;
  }

  void RunI8() {
    std::vector<int8_t> a(SizeOfA());
    std::vector<int8_t> b(SizeOfB());
    for (std::vector<int8_t>* const matrix : {&a, &b}) {
      for (int8_t& value : *matrix) value = static_cast<int8_t>(random_());
    }
    const std::vector<int32_t> sums =
        Product<int32_t, int8_t>(shape(), std::span<const int8_t>(a), std::span<const int8_t>(b));
    switch (trial_.plan.config.output) {
      case GemmOutput::kI8: CheckI8<int8_t>(a, b, sums); break;
      case GemmOutput::kI16: CheckI8<int16_t>(a, b, sums); break;
      default: CheckI8<int32_t>(a, b, sums); break;
    }
    trial_.a = std::vector<int64_t>(a.begin(), a.end());
    trial_.b = std::vector<int64_t>(b.begin(), b.end());
  }

  template <typename T>
  void CheckI8(const std::vector<int8_t>& a, const std::vector<int8_t>& b,
               const std::vector<int32_t>& sums) {
    constexpr double kMost = std::numeric_limits<T>::max();
    // Sums of products of uniform bytes deviate by 74 x 74 x sqrt(K): a few of them are held.
    int shift = 0;
    if (sizeof(T) < 4) {
      const double most = 3 * 74.0 * 74.0 * std::sqrt(static_cast<double>(shape().k));
      shift = std::max(0, static_cast<int>(std::ceil(std::log2(most / kMost))));
    }
    const auto c =
        Multiply<T>([&](std::span<std::byte> out) { PackA(trial_.plan, a, out); },
                    [&](std::span<std::byte> out) { PackB(trial_.plan, b, shift, out); });
    Differences differences(shape().n);
    for (size_t i = 0; i < c.size(); ++i) {
      const double rounded = std::nearbyint(std::ldexp(static_cast<double>(sums[i]), -shift));
      const double want = std::clamp(rounded, -kMost - 1, kMost);
      const auto got = static_cast<double>(c[i]);
      trial_.max_abs_error = std::max(trial_.max_abs_error, std::abs(got - want));
      if (got != want) differences.Add(i, got, want);
    }
    trial_.ok = trial_.max_abs_error == 0;
    trial_.difference = differences.Text(c.size());
    trial_.c = std::vector<int64_t>(c.begin(), c.end());
  }

  void RunI4() {
    const auto [m, k, n] = shape();
    std::vector<int8_t> a(SizeOfA());
    std::vector<float> a_values(a.size());
    std::vector<float> row_scales(static_cast<size_t>(m));
    std::vector<float> row(static_cast<size_t>(k));
    for (int64_t i = 0; i < m; ++i) {
      float most = 0;
      for (float& value : row) {
        value = normal_(random_);
        most = std::max(most, std::abs(value));
      }
      const float scale = most / 127;
      row_scales[static_cast<size_t>(i)] = scale;
      for (int64_t j = 0; j < k; ++j) {
        const auto at = static_cast<size_t>(i * k + j);
        a[at] = static_cast<int8_t>(std::nearbyint(row[static_cast<size_t>(j)] / scale));
        a_values[at] = static_cast<float>(a[at]) * scale;
      }
    }
    const FourBits b = MakeFourBits();
    std::vector<float> column_scales(static_cast<size_t>(n));
    const auto sums =
        Multiply<int32_t>([&](std::span<std::byte> out) { PackA(trial_.plan, a, out); },
                          [&](std::span<std::byte> out) {
                            PackB4(trial_.plan, b.weights, b.scales, column_scales, out);
                          });
    const std::vector<int8_t> wide = ExpandB4(shape(), b.weights, b.scales, column_scales);
    const auto want = Product<int32_t, int8_t>(shape(), std::span<const int8_t>(a),
                                               std::span<const int8_t>(wide));
    ExpectEqual<int32_t>(sums, want);
    std::vector<float> c(sums.size());
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const auto at = static_cast<size_t>(i * n + j);
        c[at] = static_cast<float>(sums[at]) * row_scales[static_cast<size_t>(i)] *
                column_scales[static_cast<size_t>(j)];
      }
    }
    Finish(std::move(a_values), b.values, std::move(c));
  }

  /// Bytes with a power of two for each row and tile of K, some inputs larger than others.
  void RunScaled() {
    const auto [m, k, n] = shape();
    const auto tiles = static_cast<size_t>(trial_.plan.k_steps);
    std::vector<float> x(SizeOfA());
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = normal_(random_) * (i % static_cast<size_t>(k) % 37 == 5 ? 30.0F : 1.0F);
    }
    std::vector<int8_t> a(x.size());
    std::vector<int8_t> exponents(static_cast<size_t>(m) * tiles);
    const auto width = static_cast<size_t>(k);
    for (size_t i = 0; i < static_cast<size_t>(m); ++i) {
      const auto row = std::span(x).subspan(i * width, width);
      const auto steps = std::span(exponents).subspan(i * tiles, tiles);
      ScaleRow(row, std::span(a).subspan(i * width, width), steps);
      for (size_t j = 0; j < width; ++j) {
        row[j] = std::ldexp(static_cast<float>(a[i * width + j]), steps[j / kTileKI8]);
      }
    }
    const auto pack_a = [&](std::span<std::byte> out) {
      PackScaledA(trial_.plan, a, exponents, out);
    };
    std::vector<float> column_scales(static_cast<size_t>(n), 1);
    std::vector<int8_t> wide;
    std::vector<float> values;
    std::vector<float> sums;
    if (trial_.plan.config.type == GemmType::kI4) {
      FourBits b = MakeFourBits();
      sums = Multiply<float>(pack_a, [&](std::span<std::byte> out) {
        PackB4(trial_.plan, b.weights, b.scales, column_scales, out);
      });
      wide = ExpandB4(shape(), b.weights, b.scales, column_scales);
      values = std::move(b.values);
    } else {
      wide.resize(SizeOfB());
      for (int8_t& weight : wide)
        weight = static_cast<int8_t>(static_cast<int>(random_() % 255) - 127);
      values.assign(wide.begin(), wide.end());
      sums = Multiply<float>(pack_a,
                             [&](std::span<std::byte> out) { PackB(trial_.plan, wide, 0, out); });
    }
    ExpectEqual<float>(sums, ScaledProduct(trial_.plan, a, exponents, wide));
    for (size_t i = 0; i < sums.size(); ++i) sums[i] *= column_scales[i % column_scales.size()];
    Finish(std::move(x), std::move(values), std::move(sums));
  }

  /// 4-bit weights as the array takes them, and what they are.
  struct FourBits {
    std::vector<int8_t> weights;
    std::vector<float> scales;
    std::vector<float> values;
  };
  FourBits MakeFourBits() {
    const auto [m, k, n] = shape();
    const int64_t blocks = (k + kI4Block - 1) / kI4Block;
    std::vector<int8_t> b(SizeOfB());
    std::vector<float> b_values(b.size());
    std::vector<float> scales(static_cast<size_t>(blocks * n));
    std::vector<float> block_weights(static_cast<size_t>(kI4Block * n));
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t rows = std::min<int64_t>(kI4Block, k - block * kI4Block);
      for (float& weight : block_weights) weight = normal_(random_);
      for (int64_t j = 0; j < n; ++j) {
        // As Q4_0 does it: the largest becomes -8.
        float most = 0;
        for (int64_t i = 0; i < rows; ++i) {
          const float weight = block_weights[static_cast<size_t>(i * n + j)];
          if (std::abs(weight) > std::abs(most)) most = weight;
        }
        const float scale = most / -8;
        scales[static_cast<size_t>(block * n + j)] = scale;
        for (int64_t i = 0; i < rows; ++i) {
          const auto at = static_cast<size_t>((block * kI4Block + i) * n + j);
          const float steps = std::nearbyint(block_weights[static_cast<size_t>(i * n + j)] / scale);
          b[at] = static_cast<int8_t>(std::clamp(steps, -8.0F, 7.0F));
          b_values[at] = static_cast<float>(b[at]) * scale;
        }
      }
    }
    return {std::move(b), std::move(scales), std::move(b_values)};
  }

  template <typename T>
  void ExpectEqual(const std::vector<T>& got, const std::vector<T>& want) {
    Differences differences(shape().n);
    for (size_t i = 0; i < got.size(); ++i) {
      if (got[i] != want[i]) differences.Add(i, got[i], want[i]);
    }
    trial_.ok = got == want;
    trial_.difference = differences.Text(got.size());
  }

  /// c against the product of a and b in double.
  void Finish(std::vector<float> a, std::vector<float> b, std::vector<float> c) {
    const auto exact =
        Product<double, float>(shape(), std::span<const float>(a), std::span<const float>(b));
    double errors = 0;
    double size = 0;
    for (size_t i = 0; i < c.size(); ++i) {
      const double error = std::abs(c[i] - exact[i]);
      trial_.max_abs_error = std::max(trial_.max_abs_error, error);
      errors += error * error;
      size += exact[i] * exact[i];
    }
    trial_.relative_error = size == 0 ? 0 : std::sqrt(errors / size);
    trial_.a = std::move(a);
    trial_.b = std::move(b);
    trial_.c = std::move(c);
  }

  void RunBf16() {
    const auto [m, k, n] = shape();
    const auto fill = [&](size_t count, std::vector<uint16_t>& bits, std::vector<float>& values) {
      bits.resize(count);
      values.resize(count);
      for (size_t i = 0; i < count; ++i) {
        bits[i] = native::bfloat16(normal_(random_)).bits;
        values[i] = FloatOf(bits[i]);
      }
    };
    std::vector<uint16_t> a;
    std::vector<uint16_t> b;
    std::vector<float> a_values;
    std::vector<float> b_values;
    fill(SizeOfA(), a, a_values);
    fill(SizeOfB(), b, b_values);
    const auto pack_a = [&](std::span<std::byte> out) { PackA(trial_.plan, a, out); };
    const auto pack_b = [&](std::span<std::byte> out) { PackB(trial_.plan, b, 0, out); };
    std::vector<float> c(SizeOfC());
    const bool narrow = trial_.plan.config.output == GemmOutput::kBf16;
    if (narrow) {
      const auto bits = Multiply<uint16_t>(pack_a, pack_b);
      std::transform(bits.begin(), bits.end(), c.begin(), FloatOf);
    } else {
      c = Multiply<float>(pack_a, pack_b);
    }
    const auto exact = Product<double, float>(shape(), std::span<const float>(a_values),
                                              std::span<const float>(b_values));
    // |a| |b| bounds the sum of sizes; each of K additions rounds by 2^-24 of a partial sum.
    std::vector<double> rows(static_cast<size_t>(m));
    std::vector<double> columns(static_cast<size_t>(n));
    for (size_t i = 0; i < a_values.size(); ++i) {
      rows[i / static_cast<size_t>(k)] += double{a_values[i]} * a_values[i];
    }
    for (size_t i = 0; i < b_values.size(); ++i) {
      columns[i % static_cast<size_t>(n)] += double{b_values[i]} * b_values[i];
    }
    trial_.ok = true;
    Differences differences(n);
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const auto at = static_cast<size_t>(i * n + j);
        const double error = std::abs(c[at] - exact[at]);
        const double size =
            std::sqrt(rows[static_cast<size_t>(i)] * columns[static_cast<size_t>(j)]);
        double bound = static_cast<double>(k) * std::ldexp(size, -24);
        if (narrow) bound += std::ldexp(std::abs(exact[at]) + bound, -8);
        // Neither is one that is no number.
        if (!(error <= bound)) {
          trial_.ok = false;
          differences.Add(at, c[at], exact[at]);
        }
        trial_.max_abs_error = std::max(trial_.max_abs_error, error);
      }
    }
    trial_.difference = differences.Text(c.size());
    trial_.a = std::move(a_values);
    trial_.b = std::move(b_values);
    trial_.c = std::move(c);
  }

  ArrayRunner& runner_;
  const std::chrono::milliseconds timeout_;
  std::mt19937_64 random_;
  std::normal_distribution<float> normal_;
  GemmTrial trial_;
};

}  // namespace

GemmTrial TryGemmOn(ArrayRunner& runner, const GemmConfig& config, const GemmShape& shape,
                    uint64_t seed, std::chrono::milliseconds timeout) {
  return Trial(runner, timeout, config, shape, seed).Run();
}

GemmTrial TryGemm(const GemmConfig& config, const GemmShape& shape, uint64_t seed) {
  // A large product takes the emulator as long as it takes.
  constexpr std::chrono::hours kTimeout(24 * 365);
  EmulatorRunner runner(config.device);
  runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
  return TryGemmOn(runner, config, shape, seed, kTimeout);
}

}  // namespace tandem::npu
