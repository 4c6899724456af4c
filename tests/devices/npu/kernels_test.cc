// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels' arithmetic against plain references: rounding, saturation, bfloat16, tiles.
#include <gtest/gtest.h>

#include <cfenv>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "devices/npu/kernel_call.h"
#include "devices/npu/kernels/gemm_kernels.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/kernels/native_aie.h"
#include "devices/npu/kernels/native_lanes.h"
#include "devices/npu/kernels/registry.h"

namespace tandem::npu::test {
namespace {

using native::bfloat16;
using native::rounding_mode;
using native::saturation_mode;

/// value / 2^shift by the words of AMD's guide, in arithmetic that is exact here.
double Rounded(int64_t value, int shift, rounding_mode mode) {
  const double exact = std::ldexp(static_cast<double>(value), -shift);
  const double low = std::floor(exact);
  const double high = std::ceil(exact);
  const auto nearest = [&](double tie) {
    return exact - low < high - exact ? low : exact - low > high - exact ? high : tie;
  };
  const bool low_is_even = std::fmod(low, 2) == 0;
  switch (mode) {
    case rounding_mode::floor: return low;
    case rounding_mode::ceil: return high;
    case rounding_mode::symmetric_floor: return exact < 0 ? high : low;
    case rounding_mode::symmetric_ceil: return exact < 0 ? low : high;
    case rounding_mode::negative_inf: return nearest(low);
    case rounding_mode::positive_inf: return nearest(high);
    case rounding_mode::symmetric_zero: return nearest(exact < 0 ? high : low);
    case rounding_mode::symmetric_inf: return nearest(exact < 0 ? low : high);
    case rounding_mode::conv_even: return nearest(low_is_even ? low : high);
    case rounding_mode::conv_odd: return nearest(low_is_even ? high : low);
  }
  return 0;
}

constexpr rounding_mode kModes[] = {rounding_mode::floor,           rounding_mode::ceil,
                                    rounding_mode::symmetric_floor, rounding_mode::symmetric_ceil,
                                    rounding_mode::negative_inf,    rounding_mode::positive_inf,
                                    rounding_mode::symmetric_zero,  rounding_mode::symmetric_inf,
                                    rounding_mode::conv_even,       rounding_mode::conv_odd};

template <typename T>
void CheckSaturation(int32_t value, int shift, rounding_mode mode) {
  const double rounded = Rounded(value, shift, mode);
  constexpr double kMost = std::numeric_limits<T>::max();
  native::set_rounding(mode);
  native::set_saturation(saturation_mode::saturate);
  EXPECT_EQ(native::ShiftRoundSaturate<T>(value, shift), std::clamp(rounded, -kMost - 1, kMost));
  native::set_saturation(saturation_mode::symmetric);
  EXPECT_EQ(native::ShiftRoundSaturate<T>(value, shift), std::clamp(rounded, -kMost, kMost));
  native::set_saturation(saturation_mode::none);
  EXPECT_EQ(native::ShiftRoundSaturate<T>(value, shift),
            static_cast<T>(static_cast<int64_t>(rounded)));
}

TEST(NpuKernels, RoundsAndSaturatesAsTheGuideSays) {
  std::mt19937 random(1);
  std::vector<int32_t> values = {0,   1,    -1,   INT32_MAX, INT32_MIN, 127,
                                 128, -128, -129, 32767,     32768};
  // Around halves of every shift.
  for (int shift = 1; shift < 20; ++shift) {
    for (int times = -9; times <= 9; ++times) {
      for (int off = -1; off <= 1; ++off) values.push_back(times * (1 << (shift - 1)) + off);
    }
  }
  for (int i = 0; i < 2000; ++i) {
    values.push_back(static_cast<int32_t>(random()) >> (random() % 32));
  }
  for (const rounding_mode mode : kModes) {
    for (const int32_t value : values) {
      for (const int shift : {0, 1, 2, 3, 7, 8, 13, 16, 19}) {
        ASSERT_EQ(static_cast<double>(native::RoundShift(value, shift, mode)),
                  Rounded(value, shift, mode))
            << value << " >> " << shift << ", mode " << static_cast<unsigned>(mode);
        CheckSaturation<int8_t>(value, shift, mode);
        CheckSaturation<int16_t>(value, shift, mode);
        CheckSaturation<int32_t>(value, shift, mode);
      }
    }
  }
}

TEST(NpuKernels, RoundsFloatsToTheNearestEven) {
  std::mt19937 random(2);
  for (int i = 0; i < 200000; ++i) {
    const auto value = std::bit_cast<float>(static_cast<uint32_t>(random()));
    const bfloat16 rounded(value);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(rounded)));
      continue;
    }
    // The two neighbours that bfloat16 has.
    const uint32_t word = std::bit_cast<uint32_t>(value);
    const auto low = std::bit_cast<float>(word & 0xFFFF0000U);
    const auto high = std::bit_cast<float>((word & 0xFFFF0000U) + 0x10000U);
    if (!std::isfinite(low) || !std::isfinite(high)) continue;
    const double down = std::abs(static_cast<double>(value) - low);
    const double up = std::abs(static_cast<double>(high) - value);
    const bool low_even = (word >> 16 & 1) == 0;
    const float want = down < up || (down == up && low_even) ? low : high;
    ASSERT_EQ(static_cast<float>(rounded), want) << value;
  }
  EXPECT_EQ(static_cast<float>(bfloat16(3.4e38F)), std::numeric_limits<float>::infinity());
  EXPECT_EQ(bfloat16(-0.0F).bits, 0x8000);
}

TEST(NpuKernels, VectorsOfTheApi) {
  native::vector<int8_t, 16> a;
  for (unsigned i = 0; i < 16; ++i) a[i] = static_cast<int8_t>(i);
  const auto [first, second] = native::interleave_zip(a, a, 8);
  const auto four = native::concat(second, second);
  ASSERT_EQ(four.size(), 32U);
  for (unsigned i = 0; i < 16; ++i) {
    EXPECT_EQ(first[i], static_cast<int8_t>(i % 8));
    EXPECT_EQ(second[i], static_cast<int8_t>(8 + i % 8));
    EXPECT_EQ(four[16 + i], second[i]);
  }
  const auto pairs = native::interleave_zip(a, four.size() > 0 ? first : a, 1).first;
  EXPECT_EQ(pairs[2], a[1]);
  EXPECT_EQ(pairs[3], first[1]);
  for (int byte = 0; byte < 256; ++byte) {
    native::vector<native::int4, 2> packed;
    packed.bytes[0] = static_cast<uint8_t>(byte);
    const auto wide = native::unpack(packed);
    EXPECT_EQ(wide[0], ((byte & 15) ^ 8) - 8);
    EXPECT_EQ(wide[1], ((byte >> 4) ^ 8) - 8);
  }
}

// Through an accumulator, as AMD's library does it.
TEST(NpuKernels, ShiftsRoundAndSaturateAsTheModesSay) {
  const auto all = [](int32_t value) { return native::broadcast<int32_t, 4>(value); };
  for (const rounding_mode mode : kModes) {
    native::set_rounding(mode);
    native::set_saturation(saturation_mode::saturate);
    for (const int32_t value : {-2048, -1537, -1536, -1, 0, 511, 512, 513, 1024, 1536, 2049}) {
      EXPECT_EQ(native::downshift(all(value), 10)[0], Rounded(value, 10, mode)) << value;
    }
    EXPECT_EQ(native::upshift(all(3), 4)[0], 48);
    EXPECT_EQ(native::upshift(all(-3), 30)[0], INT32_MIN);
    native::set_saturation(saturation_mode::none);
    EXPECT_EQ(native::upshift(all(3), 31)[0], INT32_MIN);
  }
}

// Downwards in every mode.
TEST(NpuKernels, BfloatsBecomeFixedPoint) {
  for (const rounding_mode mode : kModes) {
    native::set_rounding(mode);
    for (const float value : {0.0F, 1.0F, -1.0F, 5.96875F, 0.03F, -0.03F, 7.9e-5F, -7.9e-5F}) {
      const auto v = native::broadcast<bfloat16, 2>(bfloat16(value));
      const double exact = static_cast<float>(bfloat16(value));
      EXPECT_EQ(native::to_fixed<int16_t>(v, 12)[1], std::floor(exact * 4096)) << value;
    }
    // 32 bits at most, of which 16 are left.
    const auto v = native::broadcast<bfloat16, 2>(bfloat16(65536.0F + 512));
    EXPECT_EQ(native::to_fixed<int16_t>(v, 0)[0], 512);
    EXPECT_EQ(native::to_fixed<int32_t>(v, 16)[0], INT32_MAX);
  }
}

TEST(NpuKernels, AccumulatorsAddSubtractAndTurn) {
  using Integers = native::accum<native::acc32, 4>;
  using Reals = native::accum<native::accfloat, 4>;
  const auto floats = [](float value) { return Reals(native::broadcast<float, 4>(value)); };
  const auto halves = [](int16_t value) { return native::broadcast<int16_t, 4>(value); };
  const auto brains = [](float value) { return native::broadcast<bfloat16, 4>(bfloat16(value)); };
  // 1.5 x 2^23, and 5 added to its bits.
  const auto bits = native::add(floats(12582912).cast_to<native::acc32>(),
                                Integers(native::broadcast<int32_t, 4>(5)));
  EXPECT_EQ(native::sub(bits.cast_to<native::accfloat>(), floats(12582912)).lanes[3], 5);
  EXPECT_EQ(native::sub(Integers(native::broadcast<int32_t, 4>(INT32_MIN)),
                        Integers(native::broadcast<int32_t, 4>(1)))
                .lanes[0],
            INT32_MAX);
  const auto seven = Integers(native::broadcast<int32_t, 4>(7));
  EXPECT_EQ(native::mac(seven, halves(-3), halves(5)).lanes[0], -8);
  EXPECT_EQ(native::msc(seven, halves(INT16_MIN), halves(INT16_MIN)).lanes[0], 7 - (1 << 30));
  EXPECT_EQ(native::mac(floats(1), brains(-3), brains(0.5F)).lanes[2], -0.5F);
  EXPECT_EQ(native::msc(floats(1), brains(-3), brains(0.5F)).lanes[2], 2.5F);
  EXPECT_EQ(native::mul(brains(-3), brains(0.5F)).lanes[2], -1.5F);
}

// ---- tiles --------------------------------------------------------------------------------------

/// Where element (row, column) of a tile lies: blocks of [r,c], rows of blocks one after the other,
/// or columns of blocks for B.
size_t PlaceOf(int row, int column, int r, int c, int blocks, bool by_column) {
  const int block = by_column ? column / c * blocks + row / r : row / r * blocks + column / c;
  return static_cast<size_t>(block * r * c + row % r * c + column % c);
}

struct Tiles {
  explicit Tiles(size_t b_bytes) : a(kTileABytes), b(b_bytes), sums(kTileSumBytes) {
    SetRows(kTileM);
  }
  void SetRows(uint32_t rows) {
    ActivationTileHeader header;
    header.rows = rows;
    std::memcpy(a.data(), &header, sizeof header);
  }
  void SetExponent(int row, int exponent) {
    const auto byte = static_cast<int8_t>(exponent);
    std::memcpy(a.data() + offsetof(ActivationTileHeader, exponents) + row, &byte, 1);
  }
  std::vector<std::byte> a, b, wide = std::vector<std::byte>(kTileBBytes), sums;
  void SetHeader(uint32_t flags, int32_t shift = 0) {
    WeightTileHeader header;
    header.flags = flags;
    header.shift = shift;
    std::memcpy(b.data(), &header, sizeof header);
  }
};

TEST(NpuKernels, I8TilesAreExact) {
  std::mt19937 random(3);
  const auto byte = [&] { return static_cast<int8_t>(random()); };
  for (const auto& [name, micro] :
       {std::pair{"gemm_i8_npu1", kMicroI8Npu1}, std::pair{"gemm_i8_npu2", kMicroI8Npu2}}) {
    Tiles tiles(kTileBBytes);
    std::vector<int32_t> want(size_t{kTileM} * kTileN, 0);
    auto* const a = reinterpret_cast<int8_t*>(tiles.a.data() + kActivationHeaderBytes);
    auto* const b = reinterpret_cast<int8_t*>(tiles.b.data() + kTileHeaderBytes);
    // Three tiles of one sum; the first finds old sums there, which do not count.
    std::memset(tiles.sums.data(), 0x55, tiles.sums.size());
    for (int step = 0; step < 3; ++step) {
      for (size_t i = 0; i < size_t{kTileM} * kTileKI8; ++i)
        a[i] = step == 1 ? int8_t{-128} : byte();
      for (size_t i = 0; i < size_t{kTileKI8} * kTileN; ++i) {
        b[i] = step == 1 ? int8_t{-128} : byte();
      }
      tiles.SetHeader(step == 0 ? kFirstOfSum : 0);
      CallWithB(name, {tiles.a.data()}, tiles.b.data(), {tiles.sums.data()});
      for (int m = 0; m < kTileM; ++m) {
        for (int n = 0; n < kTileN; ++n) {
          int32_t& sum = want[static_cast<size_t>(m * kTileN + n)];
          for (int k = 0; k < kTileKI8; ++k) {
            sum += a[PlaceOf(m, k, micro.r, micro.s, kTileKI8 / micro.s, false)] *
                   b[PlaceOf(k, n, micro.s, micro.t, kTileKI8 / micro.s, true)];
          }
        }
      }
    }
    const auto* const sums = reinterpret_cast<const int32_t*>(tiles.sums.data());
    for (int m = 0; m < kTileM; ++m) {
      for (int n = 0; n < kTileN; ++n) {
        ASSERT_EQ(sums[PlaceOf(m, n, micro.r, micro.t, kTileN / micro.t, false)],
                  want[static_cast<size_t>(m * kTileN + n)])
            << name << " " << m << " " << n;
      }
    }
  }
}

// Integers of a tile become floats without loss, whatever their power of two, and are added in the
// order of K: bit for bit.
TEST(NpuKernels, ScaledTilesSumInFloat) {
  std::mt19937 random(8);
  for (const auto& [name, whole, micro] :
       {std::tuple{"gemm_i8_f32_npu1", "gemm_i8_npu1", kMicroI8Npu1},
        std::tuple{"gemm_i8_f32_npu2", "gemm_i8_npu2", kMicroI8Npu2}}) {
    Tiles tiles(kTileBBytes);
    std::vector<float> want(size_t{kTileM} * kTileN, 0);
    std::vector<std::byte> integers(kTileSumBytes);
    std::memset(tiles.sums.data(), 0x55, tiles.sums.size());
    for (int step = 0; step < 4; ++step) {
      for (size_t i = 0; i < kTileABytes - kActivationHeaderBytes; ++i) {
        tiles.a[kActivationHeaderBytes + i] = static_cast<std::byte>(step == 1 ? 127 : random());
      }
      for (size_t i = kTileHeaderBytes; i < kTileBBytes; ++i) {
        tiles.b[i] = static_cast<std::byte>(step == 1 ? -127 : static_cast<int>(random()));
      }
      std::vector<int> exponents(kTileM);
      for (int m = 0; m < kTileM; ++m) {
        exponents[static_cast<size_t>(m)] = m == 0   ? kLeastExponent
                                            : m == 1 ? kMostExponent
                                                     : static_cast<int>(random() % 12) - 9;
        tiles.SetExponent(m, exponents[static_cast<size_t>(m)]);
      }
      // The integers are those of the kernel that sums nothing else.
      tiles.SetHeader(kFirstOfSum);
      CallWithB(whole, {tiles.a.data()}, tiles.b.data(), {integers.data()});
      tiles.SetHeader(step == 0 ? kFirstOfSum : 0);
      CallWithB(name, {tiles.a.data()}, tiles.b.data(), {tiles.sums.data()});
      for (int m = 0; m < kTileM; ++m) {
        for (int n = 0; n < kTileN; ++n) {
          const size_t at = PlaceOf(m, n, micro.r, micro.t, kTileN / micro.t, false);
          const auto tile = static_cast<float>(reinterpret_cast<int32_t*>(integers.data())[at]);
          float& sum = want[static_cast<size_t>(m * kTileN + n)];
          sum += std::ldexp(tile, exponents[static_cast<size_t>(m)]);
          ASSERT_EQ(reinterpret_cast<const float*>(tiles.sums.data())[at], sum)
              << name << " " << step << " " << m << " " << n;
        }
      }
    }
  }
}

TEST(NpuKernels, RowsThatAreNotInUseStay) {
  std::mt19937 random(7);
  for (const auto& [name, granule] : {std::pair{"gemm_i8_npu1", RowGranule(kMicroI8Npu1)},
                                      std::pair{"gemm_i8_npu2", RowGranule(kMicroI8Npu2)},
                                      std::pair{"gemm_i8_f32_npu1", RowGranule(kMicroI8Npu1)},
                                      std::pair{"gemm_i8_f32_npu2", RowGranule(kMicroI8Npu2)},
                                      std::pair{"gemm_bf16", RowGranule(kMicroBf16)}}) {
    Tiles all(kTileBBytes);
    // Small bytes are finite floats, too.
    for (std::byte& one : all.a) one = static_cast<std::byte>(random() % 63);
    for (std::byte& one : all.b) one = static_cast<std::byte>(random() % 63);
    all.SetHeader(kFirstOfSum);
    for (int rows = 0; rows <= kTileM; rows += granule) {
      Tiles some = all;
      some.SetRows(static_cast<uint32_t>(rows));
      all.SetRows(rows == kTileM ? 1000000 : kTileM);  // more than there are is all
      CallWithB(name, {all.a.data()}, all.b.data(), {all.sums.data()});
      CallWithB(name, {some.a.data()}, some.b.data(), {some.sums.data()});
      const auto used = static_cast<size_t>(rows * kTileN * 4);
      EXPECT_EQ(std::memcmp(some.sums.data(), all.sums.data(), used), 0);
      for (size_t i = used; i < kTileSumBytes; ++i) {
        ASSERT_EQ(some.sums[i], std::byte{}) << name << " " << rows;
      }
      std::fill(all.sums.begin(), all.sums.end(), std::byte{});
    }
  }
}

TEST(NpuKernels, I4WeightsBecomeRatioTimesNibble) {
  std::mt19937 random(4);
  Tiles tiles(kTileB4Bytes);
  for (std::byte& one : tiles.a) one = static_cast<std::byte>(random());
  tiles.SetRows(kTileM);
  auto* const nibbles = reinterpret_cast<uint8_t*>(tiles.b.data() + kTileHeaderBytes);
  auto* const ratios = nibbles + size_t{kTileKI8} * kTileN / 2;
  for (size_t i = 0; i < size_t{kTileKI8} * kTileN / 2; ++i) {
    nibbles[i] = static_cast<uint8_t>(random());
  }
  for (size_t i = 0; i < kI4RatioBytes; ++i) {
    ratios[i] = static_cast<uint8_t>(i < 2 ? 127 * i : random() % 128);
  }
  tiles.SetHeader(kFirstOfSum);
  for (const char* name : {"gemm_i4_npu1", "gemm_i4_npu2"}) {
    CallWithB(name, {tiles.a.data()}, tiles.b.data(), {tiles.wide.data(), tiles.sums.data()});
    Tiles plain(kTileBBytes);
    auto* const want = reinterpret_cast<int8_t*>(plain.b.data() + kTileHeaderBytes);
    for (int k = 0; k < kTileKI8; ++k) {
      for (int n = 0; n < kTileN; ++n) {
        const size_t at = PlaceOf(k, n, 8, 8, kTileKI8 / 8, true);
        const int nibble = ((nibbles[at / 2] >> (at % 2 * 4) & 15) ^ 8) - 8;
        const int ratio = ratios[(n / 8 * (kTileKI8 / kI4Block) + k / kI4Block) * 8 + n % 8];
        want[at] = static_cast<int8_t>(Rounded(nibble * ratio, kI4Shift, rounding_mode::conv_even));
        ASSERT_EQ(reinterpret_cast<const int8_t*>(tiles.wide.data())[at], want[at]);
      }
    }
    plain.a = tiles.a;
    plain.SetHeader(kFirstOfSum);
    CallWithB(std::string_view(name) == "gemm_i4_npu1" ? "gemm_i8_npu1" : "gemm_i8_npu2",
              {plain.a.data()}, plain.b.data(), {plain.sums.data()});
    EXPECT_EQ(plain.sums, tiles.sums);
  }
}

TEST(NpuKernels, Bf16TilesSumInFloat) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  Tiles tiles(kTileBBytes);
  auto* const a = reinterpret_cast<bfloat16*>(tiles.a.data() + kActivationHeaderBytes);
  auto* const b = reinterpret_cast<bfloat16*>(tiles.b.data() + kTileHeaderBytes);
  std::vector<double> want(size_t{kTileM} * kTileN, 0);
  std::vector<double> size(want.size(), 0);
  constexpr int kSteps = 4;
  for (int step = 0; step < kSteps; ++step) {
    for (int i = 0; i < kTileM * kTileKBf16; ++i) a[i] = bfloat16(normal(random));
    for (int i = 0; i < kTileN * kTileKBf16; ++i) b[i] = bfloat16(normal(random));
    tiles.SetHeader(step == 0 ? kFirstOfSum : 0);
    CallWithB("gemm_bf16", {tiles.a.data()}, tiles.b.data(), {tiles.sums.data()});
    const MicroShape micro = kMicroBf16;
    for (int m = 0; m < kTileM; ++m) {
      for (int n = 0; n < kTileN; ++n) {
        for (int k = 0; k < kTileKBf16; ++k) {
          const double product =
              static_cast<double>(static_cast<float>(
                  a[PlaceOf(m, k, micro.r, micro.s, kTileKBf16 / micro.s, false)])) *
              static_cast<float>(b[PlaceOf(k, n, micro.s, micro.t, kTileKBf16 / micro.s, true)]);
          want[static_cast<size_t>(m * kTileN + n)] += product;
          size[static_cast<size_t>(m * kTileN + n)] += std::abs(product);
        }
      }
    }
  }
  const auto* const sums = reinterpret_cast<const float*>(tiles.sums.data());
  std::vector<bfloat16> narrow(want.size());
  CallWithB("narrow_bf16", {}, tiles.b.data(),
            {tiles.sums.data(), reinterpret_cast<std::byte*>(narrow.data())});
  for (int m = 0; m < kTileM; ++m) {
    for (int n = 0; n < kTileN; ++n) {
      const auto at = static_cast<size_t>(m * kTileN + n);
      const size_t place = PlaceOf(m, n, 4, 4, kTileN / 4, false);
      // Rounding of that many additions in float.
      ASSERT_NEAR(sums[place], want[at], size[at] * kSteps * kTileKBf16 * 6e-8);
      EXPECT_EQ(narrow[place], bfloat16(sums[place]));
    }
  }
}

TEST(NpuKernels, NarrowsSums) {
  std::mt19937 random(6);
  Tiles tiles(kTileBBytes);
  auto* const sums = reinterpret_cast<int32_t*>(tiles.sums.data());
  constexpr size_t kCount = size_t{kTileM} * kTileN;
  for (size_t i = 0; i < kCount; ++i) sums[i] = static_cast<int32_t>(random()) >> (random() % 24);
  for (const int shift : {0, 5, 9}) {
    tiles.SetHeader(kLastOfSum, shift);
    std::vector<int8_t> bytes(kCount);
    std::vector<int16_t> halves(kCount);
    CallWithB("narrow_i8", {}, tiles.b.data(),
              {tiles.sums.data(), reinterpret_cast<std::byte*>(bytes.data())});
    CallWithB("narrow_i16", {}, tiles.b.data(),
              {tiles.sums.data(), reinterpret_cast<std::byte*>(halves.data())});
    for (size_t i = 0; i < kCount; ++i) {
      const double rounded = Rounded(sums[i], shift, rounding_mode::conv_even);
      ASSERT_EQ(bytes[i], std::clamp(rounded, -128.0, 127.0));
      ASSERT_EQ(halves[i], std::clamp(rounded, -32768.0, 32767.0));
    }
  }
  EXPECT_EQ(FindKernel("gemm_i9"), nullptr);
}

}  // namespace
}  // namespace tandem::npu::test
