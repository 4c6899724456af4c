// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Loops over float rows, on every level of instructions, against the standard library in double.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "core/float_types.h"
#include "devices/cpu/isa_kernels.h"

namespace tandem::cpu {
namespace {

class RowKernels : public testing::TestWithParam<Isa> {
 protected:
  const IsaKernels& kernels_ = KernelsOf(GetParam());
  std::mt19937_64 random_{7};

  std::vector<float> Row(int64_t n, float size = 1) {
    std::normal_distribution<float> normal(0, size);
    std::vector<float> x(static_cast<size_t>(n));
    for (float& value : x) value = normal(random_);
    return x;
  }
};

// Lengths around the width of a register.
constexpr int64_t kLengths[] = {1, 2, 15, 16, 17, 31, 33, 48, 255, 256, 1000};

std::vector<std::byte> Halves(const std::vector<float>& x) {
  std::vector<std::byte> bytes(2 * x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const uint16_t half = FloatToHalf(x[i]);
    std::memcpy(&bytes[2 * i], &half, 2);
  }
  return bytes;
}

TEST_P(RowKernels, DotAndAddScaled) {
  for (const int64_t n : kLengths) {
    const std::vector<float> a = Row(n), b = Row(n);
    const std::vector<std::byte> half = Halves(b);
    std::vector<float> y = Row(n), z = y;
    double sum = 0, sum_half = 0, size = 0;
    std::vector<float> unpacked(static_cast<size_t>(n));
    kernels_.unpack_half(half.data(), unpacked.data(), n);
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(unpacked[i], HalfToFloat(FloatToHalf(b[i])));
      sum += double{a[i]} * b[i];
      sum_half += double{a[i]} * unpacked[i];
      size += std::abs(double{a[i]} * b[i]);
    }
    EXPECT_NEAR(kernels_.dot(a.data(), b.data(), n), sum, 1e-6 * size) << n;
    EXPECT_NEAR(kernels_.dot_half(a.data(), half.data(), n), sum_half, 1e-6 * size) << n;
    const std::vector<float> before = y;
    kernels_.add_scaled(0.7f, b.data(), n, y.data());
    kernels_.add_scaled_half(0.7f, half.data(), n, z.data());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_NEAR(y[i], before[i] + 0.7 * b[i], 1e-6);
      EXPECT_NEAR(z[i], before[i] + 0.7 * unpacked[i], 1e-6);
    }
  }
}

TEST_P(RowKernels, HalvesOfAllBitPatterns) {
  std::vector<std::byte> bytes(2 * 65536);
  for (uint32_t i = 0; i < 65536; ++i) {
    const auto half = static_cast<uint16_t>(i);
    std::memcpy(&bytes[2 * i], &half, 2);
  }
  std::vector<float> x(65536);
  kernels_.unpack_half(bytes.data(), x.data(), 65536);
  for (uint32_t i = 0; i < 65536; ++i) {
    const float expected = HalfToFloat(static_cast<uint16_t>(i));
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(x[i])) << i;
    } else {
      EXPECT_EQ(x[i], expected) << i;
    }
  }
}

TEST_P(RowKernels, ExpSum) {
  for (const int64_t n : kLengths) {
    std::vector<float> x = Row(n, 20);
    x[0] = 50;
    const std::vector<float> before = x;
    double expected = 0;
    const float total = kernels_.exp_sum(50, n, x.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double e = std::exp(double{before[i] - 50.0f});
      EXPECT_NEAR(x[i], e, 3e-7 * e + 1e-37);
      expected += e;
    }
    EXPECT_NEAR(total, expected, 1e-6 * expected);
  }
}

TEST_P(RowKernels, GeluAndSoftCap) {
  for (const int64_t n : kLengths) {
    const std::vector<float> x = Row(n, 6), factor = Row(n);
    std::vector<float> y = factor, z = x;
    kernels_.gelu_times(x.data(), n, y.data());
    kernels_.soft_cap(30, n, z.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double v = x[i];
      const double gelu =
          0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
      EXPECT_NEAR(y[i], gelu * factor[i], 2e-6 * (1 + std::abs(v * factor[i])));
      EXPECT_NEAR(z[i], 30 * std::tanh(v / 30), 1e-5);
    }
  }
  std::vector<float> ends = {0, 1e30f, -1e30f, NAN};
  kernels_.soft_cap(30, 4, ends.data());
  EXPECT_EQ(ends[0], 0);
  EXPECT_FLOAT_EQ(ends[1], 30);
  EXPECT_FLOAT_EQ(ends[2], -30);
  EXPECT_TRUE(std::isnan(ends[3]));
}

TEST_P(RowKernels, FloatProductsAndTheirIndependence) {
  for (const int64_t cols : {16, 48, 100, 257}) {
    for (const int count : {1, 3, 4, 7, 16}) {
      const int64_t tokens = 11;
      const std::vector<float> w = Row(cols * count), x = Row(cols * tokens);
      std::vector<float> y(static_cast<size_t>(tokens * count)), one(static_cast<size_t>(count));
      kernels_.multiply_float(w.data(), cols, count, x.data(), cols, tokens, y.data(), count);
      for (int64_t t = 0; t < tokens; ++t) {
        kernels_.multiply_float(w.data(), cols, count, x.data() + t * cols, cols, 1, one.data(),
                                count);
        for (int r = 0; r < count; ++r) {
          double sum = 0;
          for (int64_t c = 0; c < cols; ++c) {
            sum +=
                double{w[static_cast<size_t>(r * cols + c)]} * x[static_cast<size_t>(t * cols + c)];
          }
          const float got = y[static_cast<size_t>(t * count + r)];
          EXPECT_NEAR(got, sum, 1e-5 * std::sqrt(static_cast<double>(cols)));
          EXPECT_EQ(got, one[static_cast<size_t>(r)]);
        }
      }
    }
  }
}

std::vector<Isa> Levels() {
  std::vector<Isa> isas = AvailableIsas();
  std::erase(isas, Isa::kReference);
  return isas;
}
INSTANTIATE_TEST_SUITE_P(Levels, RowKernels, testing::ValuesIn(Levels()),
                         [](const auto& param) { return std::string(IsaName(param.param)); });

}  // namespace
}  // namespace tandem::cpu
