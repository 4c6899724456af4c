// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Packing of the K types: fit every group on its own, store the largest group scale in d, then
// choose each group's 6- or 8-bit scale by the error that it really leaves.
#include "formats/k_scales.h"
#include "formats/quant_blocks.h"
#include "formats/scale_search.h"

namespace tandem::quant {
namespace {

// A stored half in units of the normalised block.
float Normalised(HalfBytes half, float unit) { return unit == 0 ? 0 : Load(half) / unit; }

// The scale and minimum of 32 elements, among the neighbours of the wanted fit, that leave the
// smallest squared error; rounds the elements to it.
void ChooseAffine(const float* x, AffineFit wanted, float d, float dmin, float high,
                  uint8_t* best_scale, uint8_t* best_min, uint8_t* q) {
  const float near_scale = RoundSmall(Clamp(wanted.scale * InverseOrZero(d), 0, 63));
  const float near_min = RoundSmall(Clamp(-wanted.min * InverseOrZero(dmin), 0, 63));
  // Neighbour t.
  const auto scale_of = [near_scale](int t) {
    const int step = t % 3 - 1;
    return Clamp(near_scale + static_cast<float>(step), 0, 63);
  };
  const auto min_of = [near_min](int t) {
    const int step = t / 3 - 2;
    return Clamp(near_min + static_cast<float>(step), 0, 63);
  };
  Lanes<16> scale, min, inverse, offset, error;
  for (int t = 0; t < 16; ++t) {
    scale.at[t] = d * scale_of(t);
    min.at[t] = dmin * min_of(t);
    inverse.at[t] = InverseOrZero(scale.at[t]);
    offset.at[t] = min.at[t] * inverse.at[t];
  }
  for (int i = 0; i < 32; ++i) {
    for (int t = 0; t < 16; ++t) {
      const float level = RoundSmall(Clamp(x[i] * inverse.at[t] + offset.at[t], 0, high));
      const float off = x[i] - (scale.at[t] * level - min.at[t]);
      error.at[t] += off * off;
    }
  }
  int best = 0;
  for (int t = 1; t < 16; ++t) best = error.at[t] < error.at[best] ? t : best;
  *best_scale = static_cast<uint8_t>(scale_of(best));
  *best_min = static_cast<uint8_t>(min_of(best));
  for (int i = 0; i < 32; ++i) {
    const float level = x[i] * inverse.at[best] + offset.at[best];
    q[i] = static_cast<uint8_t>(RoundSmall(Clamp(level, 0, high)));
  }
}

struct AffineSuper {
  HalfBytes d, dmin;
  KScales scales;
  uint8_t q[kSuper];
};

AffineSuper FitAffineSuper(const float* source, float high) {
  float x[kSuper];
  const float unit = Normalise<kSuper>(source, x);
  AffineFit fits[8];
  float largest_scale = 0;
  float largest_min = 0;
  for (int group = 0; group < 8; ++group) {
    const float* part = x + 32 * group;
    float least = 0;
    float most = part[0];
    for (int i = 0; i < 32; ++i) {
      least = part[i] < least ? part[i] : least;
      most = part[i] > most ? part[i] : most;
    }
    const float inverse_range = InverseOrZero(most - least);
    fits[group] = BestAffine<true, 32>(part, EndTrials(high, least, inverse_range), high);
    largest_scale = fits[group].scale > largest_scale ? fits[group].scale : largest_scale;
    largest_min = -fits[group].min > largest_min ? -fits[group].min : largest_min;
  }
  AffineSuper super;
  super.d = StoreOutward(largest_scale / 63 * unit);
  super.dmin = StoreOutward(largest_min / 63 * unit);
  const float d = Normalised(super.d, unit);
  const float dmin = Normalised(super.dmin, unit);
  for (int group = 0; group < 8; ++group) {
    ChooseAffine(x + 32 * group, fits[group], d, dmin, high, &super.scales.scale[group],
                 &super.scales.min[group], super.q + 32 * group);
  }
  return super;
}

// As ChooseAffine, for 16 elements with a signed scale and no minimum. q is in [0, 63].
void ChooseSymmetric(const float* x, float wanted, float d, int8_t* best_scale, uint8_t* q) {
  const float near_scale = RoundSmall(Clamp(wanted * InverseOrZero(d), -128, 127));
  Lanes<8> scale, inverse, error;
  for (int t = 0; t < 8; ++t) {
    scale.at[t] = d * Clamp(near_scale + static_cast<float>(t - 3), -128, 127);
    inverse.at[t] = InverseOrZero(scale.at[t]);
  }
  for (int i = 0; i < 16; ++i) {
    for (int t = 0; t < 8; ++t) {
      const float level = RoundSmall(Clamp(x[i] * inverse.at[t], -32, 31));
      const float off = x[i] - scale.at[t] * level;
      error.at[t] += off * off;
    }
  }
  int best = 0;
  for (int t = 1; t < 8; ++t) best = error.at[t] < error.at[best] ? t : best;
  *best_scale = static_cast<int8_t>(Clamp(near_scale + static_cast<float>(best - 3), -128, 127));
  for (int i = 0; i < 16; ++i) {
    q[i] = static_cast<uint8_t>(RoundSmall(Clamp(x[i] * inverse.at[best], -32, 31)) + 32);
  }
}

}  // namespace

void QuantizeQ4K(const float* source, std::byte* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, source += kSuper) {
    const AffineSuper super = FitAffineSuper(source, 15);
    Q4KBlock block;
    block.d = super.d;
    block.dmin = super.dmin;
    PackKScales(super.scales, block.scales);
    for (int run = 0; run < 4; ++run) {
      const uint8_t* q = super.q + 64 * run;
      for (int i = 0; i < 32; ++i) {
        block.q[32 * run + i] = static_cast<uint8_t>(q[i] | q[i + 32] << 4);
      }
    }
    StoreBlock(block, target, b);
  }
}

void QuantizeQ5K(const float* source, std::byte* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, source += kSuper) {
    const AffineSuper super = FitAffineSuper(source, 31);
    Q5KBlock block;
    block.d = super.d;
    block.dmin = super.dmin;
    PackKScales(super.scales, block.scales);
    for (int i = 0; i < 32; ++i) block.high[i] = 0;
    for (int run = 0; run < 4; ++run) {
      const uint8_t* q = super.q + 64 * run;
      for (int i = 0; i < 32; ++i) {
        block.q[32 * run + i] = static_cast<uint8_t>((q[i] & 15) | (q[i + 32] & 15) << 4);
        const int bits = (q[i] >> 4) | (q[i + 32] >> 4) << 1;
        block.high[i] = static_cast<uint8_t>(block.high[i] | bits << (2 * run));
      }
    }
    StoreBlock(block, target, b);
  }
}

void QuantizeQ6K(const float* source, std::byte* target, int64_t blocks) {
  constexpr Lanes<16> kLevels = {{-32, -31, 31, -30, 30, -29, 29, -28, -32.5f, -31.5f, -30.5f,
                                  -29.5f, 30.5f, 31.5f, -33, -31.75f}};
  for (int64_t b = 0; b < blocks; ++b, source += kSuper) {
    float x[kSuper];
    const float unit = Normalise<kSuper>(source, x);
    float scales[16];
    for (int group = 0; group < 16; ++group) {
      const float* part = x + 16 * group;
      const float inverse_peak = InverseOrZero(SignedPeak<16>(part));
      Lanes<16> inverse;
      for (int t = 0; t < 16; ++t) inverse.at[t] = kLevels.at[t] * inverse_peak;
      scales[group] = BestScale<16>(part, inverse, -32, 31);
    }
    Q6KBlock block;
    block.d = StoreOutward(SignedPeak<16>(scales) / -128 * unit);
    const float d = Normalised(block.d, unit);
    uint8_t q[kSuper];
    for (int group = 0; group < 16; ++group) {
      ChooseSymmetric(x + 16 * group, scales[group], d, &block.scales[group], q + 16 * group);
    }
    for (int half = 0; half < 2; ++half) {
      const uint8_t* part = q + 128 * half;
      for (int i = 0; i < 64; ++i) {
        block.low[64 * half + i] = static_cast<uint8_t>((part[i] & 15) | (part[i + 64] & 15) << 4);
      }
      for (int i = 0; i < 32; ++i) {
        const int bits = (part[i] >> 4) | (part[i + 32] >> 4) << 2 | (part[i + 64] >> 4) << 4 |
                         (part[i + 96] >> 4) << 6;
        block.high[32 * half + i] = static_cast<uint8_t>(bits);
      }
    }
    StoreBlock(block, target, b);
  }
}

}  // namespace tandem::quant
