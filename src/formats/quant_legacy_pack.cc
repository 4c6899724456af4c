// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Packing of the legacy types.
#include "formats/quant_blocks.h"
#include "formats/scale_search.h"

namespace tandem::quant {
namespace {

// Where the largest value of a block may land, in steps of the scale. All the whole numbers near
// the end of the range are there, so that a block that already consists of multiples of a scale is
// found again exactly.
constexpr Lanes<16> kLevels4 = {
    {-8, -7, 7, -6, 6, -5, 5, -8.5f, -7.75f, -7.5f, -7.25f, -9, 7.5f, -6.5f, 6.5f, 8}};
constexpr Lanes<16> kLevels5 = {{-16, -15, 15, -14, 14, -13, 13, -12, -16.5f, -15.75f, -15.5f,
                                 -15.25f, -14.5f, 15.5f, 14.5f, -17}};
// -128 is left out: others' kernels for Q8_0 negate in eight bits.
constexpr Lanes<16> kLevels8 = {{127, 126, 125, 124, 123, 122, 121, 120, 127.5f, 126.5f, 125.5f,
                                 124.5f, 123.5f, 122.5f, 121.5f, 119}};

// Rounds normalised x to multiples of the scale stored in `d`.
void Round(const float* x, HalfBytes d, float unit, float low, float high, int* q) {
  const float inverse = unit == 0 ? 0 : InverseOrZero(Load(d) / unit);
  for (int i = 0; i < kSmall; ++i) {
    q[i] = static_cast<int>(RoundSmall(Clamp(x[i] * inverse, low, high)) - low);
  }
}

// Fits x = d * q with q in [low, high]; `q` receives q - low.
HalfBytes FitSymmetric(const float* source, const Lanes<16>& levels, float low, float high,
                       int* q) {
  float x[kSmall];
  const float unit = Normalise<kSmall>(source, x);
  const float inverse_peak = InverseOrZero(SignedPeak<kSmall>(x));
  Lanes<16> inverse;
  for (int t = 0; t < 16; ++t) inverse.at[t] = levels.at[t] * inverse_peak;
  const float scale = BestScale<kSmall>(x, inverse, low, high);
  const HalfBytes d = StoreFinite(scale * unit);
  Round(x, d, unit, low, high, q);
  return d;
}

struct AffineHalves {
  HalfBytes d, m;
};

// Fits x = d * q + m with q in [0, high].
AffineHalves FitAffine(const float* source, float high, int* q) {
  float x[kSmall];
  const float unit = Normalise<kSmall>(source, x);
  float least = x[0];
  float most = x[0];
  for (int i = 1; i < kSmall; ++i) {
    least = x[i] < least ? x[i] : least;
    most = x[i] > most ? x[i] : most;
  }
  float from_least[kSmall];
  for (int i = 0; i < kSmall; ++i) from_least[i] = x[i] - least;
  const float inverse_range = InverseOrZero(most - least);
  const AffineFit fit =
      BestAffine<false, kSmall>(from_least, EndTrials(high, 0, inverse_range), high);
  const HalfBytes m = StoreFinite((fit.min + least) * unit);

  // The rounding of m to a half may outweigh a small range: the scale is fitted to what it leaves.
  const float normal_m = unit == 0 ? 0 : Load(m) / unit;
  for (int i = 0; i < kSmall; ++i) x[i] -= normal_m;
  Lanes<16> inverse;
  const float inverse_fit = InverseOrZero(fit.scale);
  for (int t = 0; t < 15; ++t) {
    inverse.at[t] = inverse_fit * (1.0f + 0.01f * static_cast<float>(t - 7));
  }
  inverse.at[15] = high * InverseOrZero(SignedPeak<kSmall>(x));
  const HalfBytes d = StoreFinite(BestScale<kSmall>(x, inverse, 0, high) * unit);
  Round(x, d, unit, 0, high, q);
  return {d, m};
}

void PackNibbles(const int* q, uint8_t* packed) {
  for (int i = 0; i < 16; ++i) {
    packed[i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 16] & 15) << 4);
  }
}

void PackFifthBits(const int* q, uint8_t (&packed)[4]) {
  uint32_t word = 0;
  for (int i = 0; i < kSmall; ++i) word |= static_cast<uint32_t>(q[i] >> 4) << i;
  std::memcpy(packed, &word, 4);
}

}  // namespace

void QuantizeQ4_0(const float* source, std::byte* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, source += kSmall) {
    int q[kSmall];
    Q4_0Block block;
    block.d = FitSymmetric(source, kLevels4, -8, 7, q);
    PackNibbles(q, block.q);
    StoreBlock(block, target, b);
  }
}

void QuantizeQ4_1(const float* source, std::byte* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, source += kSmall) {
    int q[kSmall];
    Q4_1Block block;
    const AffineHalves fit = FitAffine(source, 15, q);
    block.d = fit.d;
    block.m = fit.m;
    PackNibbles(q, block.q);
    StoreBlock(block, target, b);
  }
}

void QuantizeQ5_0(const float* source, std::byte* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, source += kSmall) {
    int q[kSmall];
    Q5_0Block block;
    block.d = FitSymmetric(source, kLevels5, -16, 15, q);
    PackFifthBits(q, block.high);
    PackNibbles(q, block.q);
    StoreBlock(block, target, b);
  }
}

void QuantizeQ5_1(const float* source, std::byte* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, source += kSmall) {
    int q[kSmall];
    Q5_1Block block;
    const AffineHalves fit = FitAffine(source, 31, q);
    block.d = fit.d;
    block.m = fit.m;
    PackFifthBits(q, block.high);
    PackNibbles(q, block.q);
    StoreBlock(block, target, b);
  }
}

void QuantizeQ8_0(const float* source, std::byte* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, source += kSmall) {
    int q[kSmall];
    Q8_0Block block;
    block.d = FitSymmetric(source, kLevels8, -127, 127, q);
    for (int i = 0; i < kSmall; ++i) block.q[i] = static_cast<int8_t>(q[i] - 127);
    StoreBlock(block, target, b);
  }
}

}  // namespace tandem::quant
