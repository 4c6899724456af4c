// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How likely tokens are next to the likeliest, as integers, from operations that are exact wherever
// they run: sums of them do not depend on their order, so a CPU and any GPU
// (shaders/token_weights.glsl, which has the same) come to the same total over a vocabulary, the
// same cuts, and the same token for a random number. Of the weights of a softmax they are within
// 2e-7, and 2^-40 of the likeliest's.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace tandem {

/// The likeliest token's weight. Less than 2^24 of them are added up without overflow.
inline constexpr uint64_t kFullWeight = uint64_t{1} << 40;

/// A part of a whole in units of 2^-64: the share where all of it is meant.
inline constexpr uint64_t kWholeShare = std::numeric_limits<uint64_t>::max();

/// `part` in [0, 1], rounded down to a multiple of 2^-53.
inline uint64_t ShareOf(double part) {
  return part >= 1 ? kWholeShare : static_cast<uint64_t>(part * 0x1p53) << 11;
}

/// share * total / 2^64, rounded down.
inline uint64_t PartOf(uint64_t share, uint64_t total) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(share) * total >> 64);
}

/// The least weight that min-p keeps.
inline uint64_t LeastWeight(double min_p) {
  return static_cast<uint64_t>(std::ceil(min_p * static_cast<double>(kFullWeight)));
}

/// exp((logit - most) / temperature), `most` being the likeliest token's logit. Logits are numbers.
class TokenWeights {
 public:
  /// Logits count in units of 2^-shift, times factor * 2^-32 in halvings.
  struct Scale {
    int32_t shift = 0;
    uint32_t factor = 0;
  };
  /// Halvings are counted in units of 2^-24.
  static constexpr uint32_t kHalf = 1U << 24;
  /// From so many on a weight is nothing.
  static constexpr uint32_t kNone = 40 * kHalf + 1;

  /// `temperature` > 0; less than 2^-95 is taken for that.
  explicit TokenWeights(double temperature) {
    // From 28 temperatures below, exp() is under 2^-40; 2^reach is no less than that.
    temperature = std::max(temperature, 0x1p-95);
    int reach = 0;
    std::frexp(28 * temperature, &reach);
    scale_ = {31 - reach, static_cast<uint32_t>(std::ldexp(kLog2E / temperature, 25 + reach))};
    half_reach_ = std::ldexp(0.5F, reach);
  }
  const Scale& scale() const { return scale_; }

  /// How often the weight is halved, in units of 1 / kHalf: fewer times the greater the logit.
  /// REQUIRES: logit <= most.
  uint32_t Halvings(float logit, float most) const {
    if (logit == most) return 0;
    // Halves do not overflow. Rounding is of no account: near the reach all weights are 0.
    if (!(0.5F * most - 0.5F * logit < half_reach_) || std::isinf(most)) return kNone;
    const uint32_t below = Fixed(most) - Fixed(logit);
    return static_cast<uint32_t>(uint64_t{below} * scale_.factor >> 32);
  }
  /// The greatest logit whose weight is halved at least so often, more than 0 times.
  float GreatestOf(uint32_t halvings, float most) const {
    // By bits, in the order of numbers.
    int64_t low = Place(-std::numeric_limits<float>::infinity()), high = Place(most);
    while (high - low > 1) {
      const int64_t middle = low + (high - low) / 2;
      (Halvings(AtPlace(middle), most) >= halvings ? low : high) = middle;
    }
    return AtPlace(low);
  }
  uint64_t Weight(float logit, float most) const { return WeightOf(Halvings(logit, most)); }

  /// kFullWeight * 2^-(halvings / kHalf): of greater ones never more.
  static uint64_t WeightOf(uint32_t halvings) {
    if (halvings >= kNone) return 0;
    const uint32_t whole = halvings >> 24, fraction = halvings << 8;
    // 2^-x = 1 - x p(x) on [0, 1], p of degree 5: the least greatest error, 2e-9, by Remez' method.
    uint32_t p = 0x0007251b;
    p = 0x00538aba - High(fraction, p);
    p = 0x0273c7f8 - High(fraction, p);
    p = 0x0e34a46b - High(fraction, p);
    p = 0x3d7f581c - High(fraction, p);
    p = 0xb1721605 - High(fraction, p);
    const uint32_t mantissa = 0x80000000 - (High(fraction, p) >> 1);
    return uint64_t{mantissa} << 9 >> whole;
  }

 private:
  static constexpr double kLog2E = 1.4426950408889634;

  static int64_t Place(float x) {
    const auto bits = std::bit_cast<int32_t>(x);
    return bits >= 0 ? bits : INT32_MIN - int64_t{bits};
  }
  static float AtPlace(int64_t place) {
    return std::bit_cast<float>(static_cast<int32_t>(place >= 0 ? place : INT32_MIN - place));
  }
  static uint32_t High(uint32_t a, uint32_t b) {
    return static_cast<uint32_t>(uint64_t{a} * b >> 32);
  }
  /// In units, rounded towards 0, modulo 2^32: differences within the reach are less.
  uint32_t Fixed(float x) const {
    const auto bits = std::bit_cast<uint32_t>(x);
    const auto exponent = static_cast<int32_t>(bits >> 23 & 0xff);
    const uint32_t mantissa = (bits & 0x7fffff) | 0x800000;
    const int32_t left = exponent - 150 + scale_.shift;
    uint32_t fixed = 0;
    if (exponent > 0 && left >= 0 && left < 32) fixed = mantissa << left;
    if (exponent > 0 && left < 0 && left > -32) fixed = mantissa >> -left;
    return (bits & 0x80000000) != 0 ? 0 - fixed : fixed;
  }

  Scale scale_;
  float half_reach_ = 0;
};

}  // namespace tandem
