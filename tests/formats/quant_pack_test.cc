// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Properties of QuantizeRow that need no golden file.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numbers>
#include <ostream>
#include <string>
#include <vector>

#include "formats/dtype.h"

namespace tandem {
namespace {

// Random numbers that are the same with every standard library (splitmix64).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  /// In (0, 1).
  double Uniform() {
    state_ += 0x9e3779b97f4a7c15u;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (static_cast<double>(z >> 12) + 0.5) * 0x1p-52;
  }
  double Gaussian() {
    return std::sqrt(-2 * std::log(Uniform())) * std::cos(2 * std::numbers::pi * Uniform());
  }
  /// Student's t with 4 degrees of freedom; chi-squared with 4 is -2 log of two uniforms' product.
  double HeavyTailed() {
    const double gaussian = Gaussian();
    return gaussian / std::sqrt(-0.5 * std::log(Uniform() * Uniform()));
  }

 private:
  uint64_t state_;
};

template <typename Draw>
std::vector<float> RandomRow(int64_t count, Draw draw) {
  std::vector<float> row(static_cast<size_t>(count));
  for (float& value : row) value = static_cast<float>(draw());
  return row;
}

std::vector<std::byte> Pack(DType type, const std::vector<float>& row) {
  const auto count = static_cast<int64_t>(row.size());
  std::vector<std::byte> packed(RowBytes(type, count) + 1, std::byte{0xa5});
  QuantizeRow(type, row.data(), packed.data(), count);
  EXPECT_EQ(packed.back(), std::byte{0xa5}) << "wrote past the row";
  packed.pop_back();
  return packed;
}

std::vector<float> RoundTrip(DType type, const std::vector<float>& row) {
  std::vector<float> result(row.size());
  DequantizeRow(type, Pack(type, row).data(), result.data(), static_cast<int64_t>(row.size()));
  return result;
}

/// Root mean square of a - b, relative to that of a; 0 where both are zero.
double RelativeError(const std::vector<float>& a, const std::vector<float>& b) {
  double error = 0;
  double power = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    error += std::pow(static_cast<double>(a[i]) - b[i], 2);
    power += std::pow(static_cast<double>(a[i]), 2);
  }
  return error == 0 ? 0 : std::sqrt(error / power);
}

float Peak(const std::vector<float>& row) {
  float peak = 0;
  for (const float value : row) peak = std::max(peak, std::abs(value));
  return peak;
}

struct Bound {
  DType type;
  double gaussian, heavy_tailed, uniform;
};
void PrintTo(const Bound& bound, std::ostream* stream) { *stream << DTypeName(bound.type); }

// Relative error that the usual GGUF quantiser (no importance weights) leaves on a quarter of a
// million weights; ours must be below.
constexpr Bound kBounds[] = {
    {DType::kQ4_0, 0.08604, 0.11548, 0.06493}, {DType::kQ4_1, 0.07829, 0.09403, 0.06058},
    {DType::kQ5_0, 0.04267, 0.05813, 0.03111}, {DType::kQ5_1, 0.03786, 0.04545, 0.02934},
    {DType::kQ8_0, 0.00535, 0.00741, 0.00377}, {DType::kQ4_K, 0.07138, 0.08643, 0.05452},
    {DType::kQ5_K, 0.03613, 0.04393, 0.02755}, {DType::kQ6_K, 0.01776, 0.02305, 0.01324},
    {DType::kF16, 0.00022, 0.00022, 0.00022},  {DType::kBF16, 0.0018, 0.0018, 0.0018},
    {DType::kF32, 1e-9, 1e-9, 1e-9},
};

class PackTypes : public testing::TestWithParam<Bound> {
 protected:
  DType type() const { return GetParam().type; }
  bool is_float() const { return BlockElements(type()) == 1; }
};

TEST_P(PackTypes, ErrorOnRandomWeightsIsBelowTheUsualQuantiser) {
  constexpr int64_t kCount = 256 * 1024;
  Random random(7);
  const auto gaussian = RandomRow(kCount, [&] { return 0.02 * random.Gaussian(); });
  const auto heavy = RandomRow(kCount, [&] { return 0.02 * random.HeavyTailed(); });
  const auto uniform = RandomRow(kCount, [&] { return 2 * random.Uniform() - 1; });
  // The heavy tail's own power varies by several percent between samples of this size.
  EXPECT_LT(RelativeError(gaussian, RoundTrip(type(), gaussian)), GetParam().gaussian);
  EXPECT_LT(RelativeError(heavy, RoundTrip(type(), heavy)), GetParam().heavy_tailed);
  EXPECT_LT(RelativeError(uniform, RoundTrip(type(), uniform)), GetParam().uniform);
}

TEST_P(PackTypes, ScalesWithThePowerOfTwoExactly) {
  Random random(8);
  const auto row = RandomRow(1024, [&] { return random.Gaussian(); });
  const auto expected = RoundTrip(type(), row);
  // Upwards only: downwards, halves become subnormal and lose bits.
  for (const float factor : {0x1p4f, 0x1p7f}) {
    auto scaled = row;
    for (float& value : scaled) value *= factor;
    const auto result = RoundTrip(type(), scaled);
    for (size_t i = 0; i < row.size(); ++i) ASSERT_EQ(result[i], expected[i] * factor) << i;
  }
}

TEST_P(PackTypes, ConstantRowsComeBack) {
  for (const float value : {1.0f, -1.0f, 0.3f, -0.3f, 5.01f, -777.7f, 3e-3f, -3e-3f}) {
    const std::vector<float> row(512, value);
    // One value can always be put on a level. What is left is the rounding of a half or bfloat16,
    // and where d of a K type is a subnormal half, half a step of the 6-bit scale, 1/126.
    EXPECT_LT(RelativeError(row, RoundTrip(type(), row)), 0.008) << value;
  }
}

TEST_P(PackTypes, ZeroRowsComeBackAsZeros) {
  const std::vector<float> row(512, 0.0f);
  EXPECT_EQ(Peak(RoundTrip(type(), row)), 0.0f);
}

TEST_P(PackTypes, ASpikeIsKeptAndDoesNotLeakIntoItsNeighbours) {
  for (const float spike : {1.0f, -1.0f, 30000.0f, -1e-3f}) {
    for (const size_t at : {0, 31, 100, 255}) {
      std::vector<float> row(512, 0.0f);
      row[at] = spike;
      const auto result = RoundTrip(type(), row);
      for (size_t i = 0; i < row.size(); ++i) {
        ASSERT_NEAR(result[i], row[i], 0.01 * std::abs(spike)) << "spike at " << at << ", " << i;
      }
    }
  }
}

TEST_P(PackTypes, SparseRowsKeepTheirErrorSmall) {
  Random random(9);
  const auto row =
      RandomRow(8192, [&] { return random.Uniform() < 0.05 ? random.Gaussian() : 0.0; });
  EXPECT_LT(RelativeError(row, RoundTrip(type(), row)), 1.3 * GetParam().gaussian);
}

TEST_P(PackTypes, FiniteInputGivesFiniteOutput) {
  constexpr float kMax = std::numeric_limits<float>::max();
  constexpr float kDenormal = std::numeric_limits<float>::denorm_min();
  Random random(10);
  for (const float size : {kMax, 1e38f, 1e20f, 1e9f, 7e4f, 1e-4f, 1e-7f, 1e-20f, 1e-38f, 1e-40f,
                           100 * kDenormal, kDenormal}) {
    const auto uniform = RandomRow(512, [&] { return size * (2 * random.Uniform() - 1); });
    auto spiked = RandomRow(512, [&] { return random.Gaussian(); });
    spiked[5] = -size;
    spiked[300] = size;
    const std::vector<float> constant(512, -size);
    for (const auto& row : {uniform, spiked, constant}) {
      const auto result = RoundTrip(type(), row);
      const float peak = Peak(row);
      for (size_t i = 0; i < row.size(); ++i) {
        ASSERT_TRUE(std::isfinite(result[i])) << size << " at " << i;
        // Nothing grows beyond a level's width, nor below half of the smallest half.
        ASSERT_LE(std::abs(result[i]), 1.2 * peak + 0x1p-23) << size << " at " << i;
      }
    }
  }
}

TEST_P(PackTypes, MixedMagnitudesGiveFiniteOutput) {
  Random random(14);
  // From the smallest denormal to the largest float, neighbours and whole groups apart.
  const auto wild = RandomRow(4096, [&] {
    const double magnitude = std::exp2(random.Uniform() * 277 - 149);
    return std::min(magnitude, 3.4e38) * (random.Uniform() < 0.5 ? -1 : 1);
  });
  auto grouped = RandomRow(4096, [&] { return random.Gaussian(); });
  for (size_t i = 0; i < grouped.size(); ++i) {
    if (i / 16 % 3 == 1) grouped[i] *= 1e-38f;
    if (i / 32 % 4 == 3) grouped[i] *= 1e-44f;
  }
  for (const auto& row : {wild, grouped}) {
    for (const float value : RoundTrip(type(), row)) ASSERT_TRUE(std::isfinite(value));
  }
  // The ordinary groups lose nothing to the tiny ones.
  EXPECT_LT(RelativeError(grouped, RoundTrip(type(), grouped)), 1.1 * GetParam().gaussian);
}

TEST_P(PackTypes, SaturatesInsteadOfOverflowing) {
  const std::vector<float> row(256, 1e38f);
  const auto result = RoundTrip(type(), row);
  // The smallest of the largest values, F16's own.
  for (const float value : result) EXPECT_GE(value, 65504.0f);
}

TEST_P(PackTypes, InfinityAndNanAreHarmless) {
  std::vector<float> row(512, 0.5f);
  row[3] = std::numeric_limits<float>::quiet_NaN();
  row[300] = std::numeric_limits<float>::infinity();
  row[301] = -std::numeric_limits<float>::infinity();
  const auto result = RoundTrip(type(), row);
  if (is_float()) {
    EXPECT_TRUE(std::isnan(result[3]));
    EXPECT_EQ(result[300], row[300]);
    EXPECT_EQ(result[301], row[301]);
  } else {
    for (const float value : result) ASSERT_TRUE(std::isfinite(value));
    EXPECT_GT(result[300], 65504.0f);
    EXPECT_LE(result[301], 0.0f);
  }
}

TEST_P(PackTypes, TinyWeightsSurviveAsFarAsHalvesReach) {
  Random random(11);
  // K types store a 63rd or 128th of a group's scale. Here it is below the smallest half, and must
  // be rounded up to it rather than vanish.
  const auto row = RandomRow(4096, [&] { return 3e-6 * random.Gaussian(); });
  EXPECT_LT(RelativeError(row, RoundTrip(type(), row)), 0.2);
}

TEST_P(PackTypes, IsDeterministicAndIndependentOfTheRowAround) {
  Random random(12);
  const auto row = RandomRow(1024, [&] { return random.HeavyTailed(); });
  const auto whole = Pack(type(), row);
  EXPECT_EQ(whole, Pack(type(), row));
  const std::vector<float> second(row.begin() + 256, row.begin() + 512);
  const auto alone = Pack(type(), second);
  EXPECT_EQ(std::memcmp(alone.data(), whole.data() + RowBytes(type(), 256), alone.size()), 0);
}

TEST_P(PackTypes, RepackingLosesLittleMore) {
  Random random(13);
  const auto row = RandomRow(64 * 1024, [&] { return 0.02 * random.HeavyTailed(); });
  const auto once = RoundTrip(type(), row);
  const auto twice = RoundTrip(type(), once);
  // Exact where the search includes the old scale: floats, and blocks with a scale alone. The
  // others refit two scales and may move a few elements by a level.
  const bool exact =
      is_float() || type() == DType::kQ4_0 || type() == DType::kQ5_0 || type() == DType::kQ8_0;
  EXPECT_LE(RelativeError(once, twice), exact ? 0.0 : 0.25 * GetParam().heavy_tailed);
}

INSTANTIATE_TEST_SUITE_P(AllTypes, PackTypes, testing::ValuesIn(kBounds),
                         [](const auto& test) { return std::string(DTypeName(test.param.type)); });

TEST(PackTypesList, CoversEveryWritableType) {
  for (const DType type : AllDTypes()) {
    size_t count = 0;
    for (const Bound& bound : kBounds) count += bound.type == type ? 1 : 0;
    EXPECT_EQ(count, CanQuantize(type) ? 1u : 0u) << DTypeName(type);
  }
}

}  // namespace
}  // namespace tandem
