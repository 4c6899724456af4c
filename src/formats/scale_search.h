// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The search for the scale (and minimum) of a group of weights that leaves the smallest squared
// error. Internal to formats.
//
// Each candidate fixes a rounding of the group; the best scale for that rounding is a least-squares
// fit in closed form. Candidates are the inner loop and elements the outer one: every candidate
// sums in a lane of its own, so that the loops vectorise without reordering a sum, and the result
// is the same on every processor.
//
// Groups are searched in a normalised form (Normalise), where nothing overflows or is lost.
//
// What was tried, as root mean square error relative to the weights' own, Gaussian weights and
// Student's t with 4 degrees of freedom:
//                                          q4_0             q8_0              q6_k
//   largest value at the end of the range  .0860  .1155     .00535  .00741
//   weights x^2 in the fit                 .0849  .1181     .00497  .00705    .0172  .0223
//   weights |x|                            .0828  .1140     .00482  .00686    .0168  .0220
//   no weights (chosen)                    .0810  .1109     .00472  .00674    .0166  .0218
//   a second pass around the best scale    .0809  .1108     .00469  .00670      (half the speed)
//
//                                          q4_1             q4_k
//   minimum and maximum at the ends        .0783  .0940
//   4 x 4 candidate ends (chosen)          .0689  .0829     .0697  .0841
//   6 x 6 candidate ends                   .0687  .0826     .0696  .0839      (2/3 of the speed)
#pragma once

#include <cmath>
#include <limits>

namespace tandem::quant {

template <int kTrials>
struct Lanes {
  alignas(64) float at[kTrials] = {};
};

inline float Clamp(float value, float low, float high) {
  value = value < low ? low : value;
  return value > high ? high : value;
}

/// To the nearest integer, ties to even. REQUIRES: |value| < 2^22. Adding 1.5 * 2^23 leaves no
/// mantissa bits for a fraction; unlike nearbyint it needs no SSE4.1 to vectorise.
inline float RoundSmall(float value) { return (value + 12582912.0f) - 12582912.0f; }

inline float InverseOrZero(float value) { return value == 0.0f ? 0.0f : 1.0f / value; }

/// target = source * factor, a power of two that brings the largest magnitude into [0.5, 1).
/// Returns 1 / factor, or 0 (target all zero) where the values are too small for any format: below
/// half of the smallest half, 2^-24. Values that no format can hold (the largest is below 2^29) are
/// clamped, NaN becomes 0.
template <int kCount>
float Normalise(const float* source, float* target) {
  constexpr float kLargest = 0x1p29f;
  Lanes<8> peaks;
  for (int i = 0; i < kCount; i += 8) {
    for (int lane = 0; lane < 8; ++lane) {
      const float value = source[i + lane];
      const float known = value == value ? value : 0.0f;
      const float clamped = Clamp(known, -kLargest, kLargest);
      const float magnitude = clamped < 0 ? -clamped : clamped;
      target[i + lane] = clamped;
      peaks.at[lane] = magnitude > peaks.at[lane] ? magnitude : peaks.at[lane];
    }
  }
  float peak = 0;
  for (const float lane : peaks.at) peak = lane > peak ? lane : peak;
  int exponent = 0;
  std::frexp(peak, &exponent);
  const bool vanishes = peak < 0x1p-25f;
  const float factor = vanishes ? 0.0f : std::ldexp(1.0f, -exponent);
  for (int i = 0; i < kCount; ++i) target[i] *= factor;
  return vanishes ? 0.0f : std::ldexp(1.0f, exponent);
}

/// The value of largest magnitude, with its sign.
template <int kCount>
float SignedPeak(const float* x) {
  float low = x[0];
  float high = x[0];
  for (int i = 1; i < kCount; ++i) {
    low = x[i] < low ? x[i] : low;
    high = x[i] > high ? x[i] : high;
  }
  return -low > high ? low : high;
}

/// The scale that fits x = scale * q best, over the roundings q = round(x * inverse) within
/// [low, high]; 0 when every q is 0. Each scale is the least-squares fit to its rounding.
template <int kCount, int kTrials>
float BestScale(const float* x, const Lanes<kTrials>& inverse, float low, float high) {
  Lanes<kTrials> xq;
  Lanes<kTrials> qq;
  for (int i = 0; i < kCount; ++i) {
    for (int t = 0; t < kTrials; ++t) {
      const float q = RoundSmall(Clamp(x[i] * inverse.at[t], low, high));
      xq.at[t] += x[i] * q;
      qq.at[t] += q * q;
    }
  }
  float scale = 0;
  float best = 0;
  for (int t = 0; t < kTrials; ++t) {
    if (qq.at[t] == 0) continue;
    const float explained = xq.at[t] * xq.at[t] / qq.at[t];
    if (explained > best) {
      best = explained;
      scale = xq.at[t] / qq.at[t];
    }
  }
  return scale;
}

struct AffineFit {
  float scale = 0;
  float min = 0;
};

/// Candidates of an affine fit: q = round(x * inverse + offset) within [0, high].
template <int kTrials>
struct AffineTrials {
  Lanes<kTrials> inverse;
  Lanes<kTrials> offset;
};

/// Candidates that put `least` at level a and the value 1 / inverse_range above it at level
/// high - b, for a and b between -0.3 (which cuts the ends off a
/// little) and 1.
inline AffineTrials<16> EndTrials(float high, float least, float inverse_range) {
  constexpr float kEnds[4] = {-0.3f, 0, 0.4f, 1};
  AffineTrials<16> trials;
  for (int t = 0; t < 16; ++t) {
    const float a = kEnds[t / 4];
    trials.inverse.at[t] = (high - kEnds[t % 4] - a) * inverse_range;
    trials.offset.at[t] = a - least * trials.inverse.at[t];
  }
  return trials;
}

/// The pair that fits x = scale * q + min best over the candidates' roundings.
/// With kMinBelowZero, min is at most 0.
template <bool kMinBelowZero, int kCount, int kTrials>
AffineFit BestAffine(const float* x, const AffineTrials<kTrials>& trials, float high) {
  Lanes<kTrials> sum_q;
  Lanes<kTrials> sum_qq;
  Lanes<kTrials> sum_xq;
  float sum_x = 0;
  for (int i = 0; i < kCount; ++i) {
    sum_x += x[i];
    for (int t = 0; t < kTrials; ++t) {
      const float position = x[i] * trials.inverse.at[t] + trials.offset.at[t];
      const float q = RoundSmall(Clamp(position, 0.0f, high));
      sum_q.at[t] += q;
      sum_qq.at[t] += q * q;
      sum_xq.at[t] += x[i] * q;
    }
  }
  AffineFit fit;
  float best = -std::numeric_limits<float>::infinity();
  for (int t = 0; t < kTrials; ++t) {
    const float q = sum_q.at[t];
    const float qq = sum_qq.at[t];
    const float xq = sum_xq.at[t];
    const float spread = kCount * qq - q * q;  // exact: integers below 2^24
    float scale = 0;
    float min = 0;
    if (spread != 0) {
      scale = (kCount * xq - sum_x * q) / spread;
      min = (qq * sum_x - q * xq) / spread;
    } else {
      min = sum_x / kCount;  // all at one level: only the mean can be fitted
    }
    if (kMinBelowZero && min > 0) {
      min = 0;
      scale = qq == 0 ? 0 : xq / qq;
    }
    const float explained = scale * xq + min * sum_x;
    if (explained > best) {
      best = explained;
      fit = {scale, min};
    }
  }
  return fit;
}

}  // namespace tandem::quant
