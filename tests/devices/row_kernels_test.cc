// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Loops over float rows, on every level of instructions, against the standard library in double;
// float products on the levels that have them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "core/float_types.h"
#include "devices/cpu/attention_kernels.h"
#include "devices/cpu/isa_kernels.h"

namespace tandem::cpu {
namespace {

class FloatRows : public testing::TestWithParam<Isa> {
 protected:
  std::mt19937_64 random_{7};

  std::vector<float> Row(int64_t n, float size = 1) {
    std::normal_distribution<float> normal(0, size);
    std::vector<float> x(static_cast<size_t>(n));
    for (float& value : x) value = normal(random_);
    return x;
  }
};

class RowLoops : public FloatRows {
 protected:
  const RowKernels& rows_ = RowKernelsOf(GetParam());
  const AttentionKernels& attention_ = AttentionKernelsOf(GetParam());
};
class FloatProducts : public FloatRows {
 protected:
  const IsaKernels& kernels_ = KernelsOf(GetParam());
};

// Lengths around the width of a register.
constexpr int64_t kLengths[] = {1, 2, 15, 16, 17, 31, 33, 48, 255, 256, 1000};

TEST_P(RowLoops, Dot) {
  for (const int64_t n : kLengths) {
    const std::vector<float> a = Row(n), b = Row(n);
    double sum = 0, size = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      sum += double{a[i]} * b[i];
      size += std::abs(double{a[i]} * b[i]);
    }
    EXPECT_NEAR(rows_.dot(a.data(), b.data(), n), sum, 1e-6 * size) << n;
  }
}

TEST_P(RowLoops, ScoresAndValuesOfSharedKeys) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kQ8_0}) {
    for (const int64_t dims : {8, 16, 40, 64, 256}) {
      if (type == DType::kQ8_0 && dims % 32 != 0) continue;
      for (const int queries : {1, 3, 4, 6, 8}) {
        for (const int64_t count : {1, 4, 7, 33}) {
          // Rows of a cache are wider than a head.
          const int64_t width = type == DType::kQ8_0 ? dims + 32 : dims + 24;
          const std::vector<float> stored = Row(width * count), q = Row(queries * dims);
          std::vector<std::byte> bytes(RowBytes(type, width * count));
          QuantizeRow(type, stored.data(), bytes.data(), width * count);
          const KvRows rows{type, bytes.data(), static_cast<int64_t>(RowBytes(type, width)), count,
                            dims};
          const int64_t stride = count + 2;
          std::vector<float> s(static_cast<size_t>(queries * stride), 9.0f), alone(s);
          rows_.scores(q.data(), dims, queries, rows, 0.3f, s.data(), stride);
          const std::vector<float> before = Row(queries * dims);
          std::vector<float> out = before, out_alone = before;
          rows_.add_values(s.data(), stride, queries, rows, out.data(), dims);
          std::vector<float> row(static_cast<size_t>(dims));
          std::vector<double> sums(before.begin(), before.end());
          for (int64_t p = 0; p < count; ++p) {
            DequantizeRow(type, bytes.data() + p * rows.stride, row.data(), dims);
            for (int r = 0; r < queries; ++r) {
              double score = 0;
              const double weight = s[static_cast<size_t>(r * stride + p)];
              for (int64_t i = 0; i < dims; ++i) {
                const auto at = static_cast<size_t>(r * dims + i);
                score += double{q[at]} * row[static_cast<size_t>(i)];
                sums[at] += weight * row[static_cast<size_t>(i)];
              }
              EXPECT_NEAR(weight, 0.3 * score, 1e-4);
            }
          }
          for (size_t i = 0; i < out.size(); ++i) EXPECT_NEAR(out[i], sums[i], 1e-3);
          // Unpacked first, or one query, or one position, at a time: the same bits.
          std::vector<float> unpacked(static_cast<size_t>(count * dims), 9.0f), from_floats(s);
          attention_.unpack(rows, unpacked.data());
          for (int64_t p = 0; p < count; ++p) {
            DequantizeRow(type, bytes.data() + p * rows.stride, row.data(), dims);
            EXPECT_TRUE(std::equal(row.begin(), row.end(), unpacked.begin() + p * dims));
          }
          const KvRows floats{DType::kF32, reinterpret_cast<const std::byte*>(unpacked.data()),
                              4 * dims, count, dims};
          rows_.scores(q.data(), dims, queries, floats, 0.3f, from_floats.data(), stride);
          EXPECT_EQ(from_floats, s);
          std::vector<float> out_floats = before;
          rows_.add_values(s.data(), stride, queries, floats, out_floats.data(), dims);
          EXPECT_EQ(out_floats, out);
          for (int r = 0; r < queries; ++r) {
            for (int64_t p = 0; p < count; ++p) {
              const KvRows one{type, bytes.data() + p * rows.stride, rows.stride, 1, dims};
              rows_.scores(q.data() + r * dims, dims, 1, one, 0.3f, alone.data() + r * stride + p,
                           stride);
              rows_.add_values(alone.data() + r * stride + p, stride, 1, one,
                               out_alone.data() + r * dims, dims);
            }
          }
          EXPECT_EQ(s, alone);
          EXPECT_EQ(out, out_alone);
        }
      }
    }
  }
}

TEST_P(RowLoops, Highest) {
  for (const int64_t n : kLengths) {
    for (int64_t at = 0; at < n; at += 1 + n / 9) {
      std::vector<float> x = Row(n);
      x[static_cast<size_t>(at)] = 9;
      EXPECT_EQ(attention_.highest(x.data(), n), 9);
      x[static_cast<size_t>(at)] = NAN;
      const float highest = attention_.highest(x.data(), n);
      EXPECT_FALSE(std::isnan(highest));
      for (const float v : x) EXPECT_FALSE(v > highest);
      for (float& v : x) v -= 100;
      EXPECT_LT(attention_.highest(x.data(), n), 0);
    }
  }
  EXPECT_EQ(attention_.highest(nullptr, 0), -INFINITY);
}

TEST_P(RowLoops, ExpSum) {
  for (const int64_t n : kLengths) {
    std::vector<float> x = Row(n, 20);
    x[0] = 50;
    const std::vector<float> before = x;
    double expected = 0;
    const float total = rows_.exp_sum(50, n, x.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double e = std::exp(double{before[i] - 50.0f});
      EXPECT_NEAR(x[i], e, 3e-7 * e + 1e-37);
      expected += e;
    }
    EXPECT_NEAR(total, expected, 1e-6 * expected);
  }
}

TEST_P(RowLoops, GeluAndSoftCap) {
  for (const int64_t n : kLengths) {
    const std::vector<float> x = Row(n, 6), factor = Row(n);
    std::vector<float> y = factor, z = x;
    rows_.gelu_times(x.data(), n, y.data());
    rows_.soft_cap(30, n, z.data());
    for (size_t i = 0; i < x.size(); ++i) {
      const double v = x[i];
      const double gelu =
          0.5 * v * (1 + std::tanh(std::sqrt(2 / M_PI) * (v + 0.044715 * v * v * v)));
      EXPECT_NEAR(y[i], gelu * factor[i], 2e-6 * (1 + std::abs(v * factor[i])));
      EXPECT_NEAR(z[i], 30 * std::tanh(v / 30), 1e-5);
    }
  }
  std::vector<float> ends = {0, 1e30f, -1e30f, NAN};
  rows_.soft_cap(30, 4, ends.data());
  EXPECT_EQ(ends[0], 0);
  EXPECT_FLOAT_EQ(ends[1], 30);
  EXPECT_FLOAT_EQ(ends[2], -30);
  EXPECT_TRUE(std::isnan(ends[3]));
}

WeightView View(DType type, int64_t cols, const std::vector<std::byte>& bytes) {
  const size_t row_bytes = RowBytes(type, cols);
  return {type, static_cast<int64_t>(bytes.size() / row_bytes), cols, row_bytes, bytes.data()};
}

TEST_P(FloatProducts, AddUpAndDoNotDependOnTheirCompany) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    for (const int64_t cols : {1, 16, 48, 100, 257}) {
      const int64_t tokens = 11, rows = 20;
      const std::vector<float> values = Row(cols * rows), x = Row(cols * tokens);
      std::vector<std::byte> bytes(RowBytes(type, cols * rows));
      QuantizeRow(type, values.data(), bytes.data(), cols * rows);
      const WeightView w = View(type, cols, bytes);
      for (const int count : {1, 3, 4, 7, 16}) {
        std::vector<int64_t> index;
        for (int r = 0; r < count; ++r) index.push_back((r * 7 + 3) % rows);
        std::vector<float> y(static_cast<size_t>(tokens * count)), one(static_cast<size_t>(count));
        kernels_.multiply_float(w, index.data(), count, x.data(), cols, tokens, y.data(), count);
        std::vector<float> row(static_cast<size_t>(cols));
        for (int64_t t = 0; t < tokens; ++t) {
          kernels_.multiply_float(w, index.data(), count, x.data() + t * cols, cols, 1, one.data(),
                                  count);
          for (int r = 0; r < count; ++r) {
            w.ReadRow(index[static_cast<size_t>(r)], row.data());
            double sum = 0;
            for (int64_t c = 0; c < cols; ++c) {
              sum += double{row[static_cast<size_t>(c)]} * x[static_cast<size_t>(t * cols + c)];
            }
            const float got = y[static_cast<size_t>(t * count + r)];
            EXPECT_NEAR(got, sum, 1e-5 * std::sqrt(static_cast<double>(cols)));
            EXPECT_EQ(got, one[static_cast<size_t>(r)]);
          }
        }
      }
    }
  }
}

// A row of one and an activation of one: the product is the value as the kernel reads it.
TEST_P(FloatProducts, ReadEveryBitPatternOfHalves) {
  for (const DType type : {DType::kF16, DType::kBF16}) {
    for (const int64_t cols : {16, 1}) {  // whole registers, and tails
      std::vector<std::byte> bytes(2 * static_cast<size_t>(cols));
      std::vector<float> x(static_cast<size_t>(cols));
      x[0] = 1;
      const WeightView w = View(type, cols, bytes);
      for (uint32_t i = 0; i < 65536; ++i) {
        const auto half = static_cast<uint16_t>(i);
        std::memcpy(bytes.data(), &half, 2);
        float value = 0, got = 0;
        DequantizeRow(type, bytes.data(), &value, 1);
        const int64_t index = 0;
        kernels_.multiply_float(w, &index, 1, x.data(), cols, 1, &got, 1);
        if (std::isnan(value)) {
          EXPECT_TRUE(std::isnan(got)) << i;
        } else {
          EXPECT_EQ(got, value) << i;
        }
      }
    }
  }
}

TEST_P(RowLoops, RmsNormWithAndWithoutWeightsAndInPlace) {
  for (const int64_t n : kLengths) {
    const std::vector<float> x = Row(n, 3), w = Row(n);
    double squares = 0;
    for (const float v : x) squares += double{v} * v;
    const double factor = 1 / std::sqrt(squares / static_cast<double>(n) + 1e-3);
    std::vector<float> y(x.size()), plain = x;
    rows_.rms_norm(x.data(), w.data(), 1e-3f, n, y.data());
    rows_.rms_norm(plain.data(), nullptr, 1e-3f, n, plain.data());
    for (size_t i = 0; i < x.size(); ++i) {
      EXPECT_NEAR(y[i], x[i] * factor * w[i], 2e-6 * std::abs(x[i] * w[i])) << n;
      EXPECT_NEAR(plain[i], x[i] * factor, 2e-6 * std::abs(x[i])) << n;
    }
  }
}

TEST_P(RowLoops, SumsAndScales) {
  for (const int64_t n : kLengths) {
    const std::vector<float> a = Row(n), b = Row(n), y = Row(n);
    std::vector<float> sum = y, mix = y, mix_two = y, scaled(a.size()), weighted(a.size());
    rows_.add(a.data(), n, sum.data());
    rows_.add_mix(a.data(), b.data(), 0.7f, n, mix.data());
    rows_.add_mix(a.data(), nullptr, 0.7f, n, mix_two.data());
    rows_.scale(a.data(), nullptr, 3, n, scaled.data());
    rows_.scale(a.data(), b.data(), 3, n, weighted.data());
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_EQ(sum[i], y[i] + a[i]);
      EXPECT_NEAR(mix[i], (a[i] + y[i] + b[i]) * 0.7, 1e-6);
      EXPECT_NEAR(mix_two[i], (a[i] + y[i]) * 0.7, 1e-6);
      EXPECT_EQ(scaled[i], 3 * a[i]);
      EXPECT_NEAR(weighted[i], 3.0 * a[i] * b[i], 1e-6 * std::abs(a[i] * b[i]) * 3);
    }
  }
}

TEST_P(RowLoops, HalvesAreTheNearest) {
  std::vector<float> x = Row(1000, 1000);
  const std::vector<float> tiny = Row(1000, 1e-6f);
  x.insert(x.end(), tiny.begin(), tiny.end());
  // Ties, the largest half, what rounds to infinity, the smallest and half of it, zeros.
  x.insert(x.end(), {2049, 2051, -2049, 65504, 65519.99f, 65520, -1e30f, INFINITY, 0x1p-24f,
                     0x1p-25f, 0x1.8p-25f, 0.0f, -0.0f});
  for (const int64_t n : {static_cast<int64_t>(x.size()), int64_t{3}, int64_t{17}}) {
    std::vector<uint16_t> y(static_cast<size_t>(n));
    rows_.to_half(x.data() + static_cast<int64_t>(x.size()) - n, n, y.data());
    for (size_t i = 0; i < y.size(); ++i) {
      const float value = x[x.size() - static_cast<size_t>(n) + i];
      EXPECT_EQ(y[i], FloatToHalf(value)) << value;
    }
  }
  const float nan = NAN;
  uint16_t half = 0;
  rows_.to_half(&nan, 1, &half);
  EXPECT_TRUE(std::isnan(HalfToFloat(half)));
}

TEST_P(RowLoops, CutBelowKeepsWhatIsFarAboveTheMean) {
  for (const int64_t n : kLengths) {
    for (const float centre : {0.0f, 1000.0f}) {
      std::vector<float> x = Row(n);
      for (float& v : x) v += centre;
      const std::vector<float> before = x;
      double mean = 0, variance = 0;
      for (const float v : x) mean += v / static_cast<double>(n);
      for (const float v : x) variance += (v - mean) * (v - mean) / static_cast<double>(n);
      rows_.cut_below(1.6f, n, x.data());
      const double threshold = mean + 1.6 * std::sqrt(variance);
      const double slack = 1e-6 * (1 + std::abs(centre));
      for (size_t i = 0; i < x.size(); ++i) {
        EXPECT_NEAR(x[i], std::max(0.0, before[i] - threshold), slack) << n;
        if (before[i] < threshold - slack) {
          EXPECT_EQ(x[i], 0);
        }
      }
    }
  }
  std::vector<float> damaged = Row(40);
  damaged[7] = NAN;
  rows_.cut_below(1.6f, 40, damaged.data());
  EXPECT_TRUE(std::isnan(damaged[0]));
}

TEST_P(RowLoops, RotateTurnsPairs) {
  for (const int64_t half : {1, 8, 16, 20, 128}) {
    const std::vector<float> before = Row(2 * half), angle = Row(half);
    std::vector<float> head = before, cosine, sine;
    for (const float a : angle) {
      cosine.push_back(std::cos(a));
      sine.push_back(std::sin(a));
    }
    rows_.rotate(cosine.data(), sine.data(), half, head.data());
    for (size_t i = 0; i < angle.size(); ++i) {
      const double low = before[i], high = before[i + angle.size()];
      EXPECT_NEAR(head[i], low * cosine[i] - high * sine[i], 1e-6);
      EXPECT_NEAR(head[i + angle.size()], high * cosine[i] + low * sine[i], 1e-6);
    }
  }
}

TEST_P(RowLoops, PredictAndCorrectStreams) {
  for (const int64_t n : kLengths) {
    for (const int count : {1, 2, 3, 4, 7}) {
      const int64_t plane = n + 3;
      const auto streams = static_cast<size_t>(count);
      const std::vector<float> in = Row(plane * count), c = Row(count * count), h = Row(n);
      std::vector<float> out(in.size(), 5.0f), corrected(static_cast<size_t>(n));
      rows_.predict(in.data(), plane, count, c.data(), n, out.data());
      for (size_t j = 0; j < streams; ++j) {
        for (size_t i = 0; i < static_cast<size_t>(plane); ++i) {
          const size_t at = j * static_cast<size_t>(plane) + i;
          if (i >= static_cast<size_t>(n)) {
            EXPECT_EQ(out[at], 5.0f) << "written beyond the row";
            continue;
          }
          double sum = in[at];
          for (size_t k = 0; k < streams; ++k) {
            sum += double{c[j * streams + k]} * in[k * static_cast<size_t>(plane) + i];
          }
          EXPECT_NEAR(out[at], sum, 1e-5);
        }
      }
      rows_.correct(0.6f, h.data(), in.data(), out.data(), n, corrected.data());
      for (size_t i = 0; i < h.size(); ++i) {
        EXPECT_NEAR(corrected[i], out[i] + 0.6 * (h[i] - in[i]), 1e-5);
      }
    }
  }
}

std::vector<Isa> FastLevels() {
  std::vector<Isa> isas = AvailableIsas();
  std::erase(isas, Isa::kReference);
  return isas;
}
std::string LevelName(const testing::TestParamInfo<Isa>& info) {
  return std::string(IsaName(info.param));
}
INSTANTIATE_TEST_SUITE_P(Levels, RowLoops, testing::ValuesIn(AvailableIsas()), LevelName);
INSTANTIATE_TEST_SUITE_P(Levels, FloatProducts, testing::ValuesIn(FastLevels()), LevelName);

}  // namespace
}  // namespace tandem::cpu
