// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Sums of products of unpacked weights (unpack.h) and 8-bit activations, and how scales join them.
// For files that are compiled once per instruction set (see lanes.h for why everything is
// internal). Whoever uses these in the order of the groups gets the same bits.
#pragma once

#include <cstdint>

#include "devices/cpu/isa_kernels.h"
#include "devices/cpu/unpack.h"

namespace tandem::cpu {
namespace {

TANDEM_LANES RowInts SplatInt(int32_t x) { return x - RowInts{}; }

TANDEM_LANES int32_t FourBytes(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, 4);
  return four;
}

/// sum[r] += the four bytes of row r times the four of x. AVX-512 has it for unsigned weights only.
template <bool kSignedWeights>
TANDEM_LANES RowInts AddProducts(RowInts sum, RowBytes w, int32_t x) {
#if defined(__AVX512VNNI__)
  static_assert(!kSignedWeights);
  return (RowInts)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, _mm512_set1_epi32(x));
#elif defined(__AVX2__)
  const __m256i xs = _mm256_set1_epi32(x), weights = (__m256i)w;
  // The first factor is unsigned: signed weights give their sign to x. Two products, at most 128 *
  // 127 each, fit 16 bits.
  const __m256i pairs =
      kSignedWeights ? _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(xs, weights))
                     : _mm256_maddubs_epi16(weights, xs);
  return (RowInts)_mm256_add_epi32((__m256i)sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#else
  int8_t bytes[4];
  __builtin_memcpy(bytes, &x, 4);
  for (int i = 0; i < kRows; ++i) {
    int32_t lane = 0;
    for (int j = 0; j < 4; ++j) {
      const uint8_t byte = w[4 * i + j];
      lane += (kSignedWeights ? static_cast<int8_t>(byte) : byte) * bytes[j];
    }
    sum[i] += lane;
  }
  return sum;
#endif
}

#if defined(__AVX512VNNI__)
constexpr bool kHasSigned = false;
#else
constexpr bool kHasSigned = true;
#endif

#if defined(__AVX2__) && !defined(__AVX512F__)
constexpr bool kHasPairs = true;
#else
constexpr bool kHasPairs = false;
#endif

// How a format's bytes are multiplied. They are kTooLarge above the weights they stand for, which
// an integer takes back, before or after the products. Int8Group::offset is that integer for 128,
// and for less it has to be shifted: bytes that are used many times (kStored) are brought to 128
// instead.
//
// Without an instruction that sums four products, those of small codes stay sums of pairs in 16
// bits for a whole group.
template <typename Format, bool kStored>
struct Bytes {
  static constexpr bool kSignedWeights = kHasSigned && Format::kMinus == kSigned;
  static constexpr int kCodeMinus = Format::kMinus == kSigned ? 0 : Format::kMinus;
  static constexpr bool kTo128 =
      Format::kMinus == kSigned ? !kSignedWeights : kStored && !kHasSigned && kCodeMinus != 0;
  static constexpr int kTooLarge = kTo128 ? 128 : kCodeMinus;
  static constexpr bool kPairs = kHasPairs && Format::kMinus != kSigned &&
                                 Format::kGroup / 4 * 2 * Format::kCodeMax * 127 < 32768;

  TANDEM_LANES RowBytes Prepare(RowBytes v) {
    return kTo128 ? v + static_cast<uint8_t>(128 - kCodeMinus) : v;
  }
  TANDEM_LANES RowInts Offset(const Int8Group& group) {
    constexpr int kShift = kTooLarge == 0 ? 0 : 7 - __builtin_ctz(kTooLarge);
    static_assert(kTooLarge == 0 || kTooLarge << kShift == 128);
    RowInts offset = SplatInt(group.offset);
#if defined(__AVX512F__)
    asm("" : "+v"(offset));  // Shifted where it is: an ordinary register would go through memory.
#endif
    return offset >> kShift;
  }
  TANDEM_LANES RowInts FirstSum(const Int8Group& group) {
    if constexpr (kTooLarge == 0 || kPairs) {
      return RowInts{};
    } else {
      return Offset(group);
    }
  }
  TANDEM_LANES RowInts Add(RowInts sum, RowBytes v, int32_t x) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    if constexpr (kPairs) {
      const __m256i pairs = _mm256_maddubs_epi16((__m256i)v, _mm256_set1_epi32(x));
      return (RowInts)_mm256_add_epi16((__m256i)sum, pairs);
    }
#endif
    return AddProducts<kSignedWeights>(sum, v, x);
  }
  /// Sums that were made side by side.
  TANDEM_LANES RowInts AddChains(RowInts a, RowInts b) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    if constexpr (kPairs) return (RowInts)_mm256_add_epi16((__m256i)a, (__m256i)b);
#endif
    return a + b;
  }
  TANDEM_LANES RowInts LastSum(RowInts sum, [[maybe_unused]] const Int8Group& group) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    if constexpr (kPairs) {
      sum = (RowInts)_mm256_madd_epi16((__m256i)sum, _mm256_set1_epi16(1));
      if constexpr (kTooLarge != 0) sum += Offset(group);
    }
#endif
    return sum;
  }
};

// total += the group's products, scaled.
template <bool kMin>
TANDEM_LANES RowFloats Join(RowFloats total, RowInts sum, const Int8Group& group, RowFloats scale,
                            RowFloats min) {
  total = FusedMulAdd(ToFloats(sum), scale * SplatRows(group.scale), total);
  if constexpr (kMin) total = FusedMulAdd(min, SplatRows(group.sum), total);
  return total;
}

/// The first `count` of a panel's floats at `row`; `count` may be larger.
TANDEM_LANES void StorePanel(const float* row, int count, float* y) {
  if (count >= kRows) return StoreRows(LoadRows(row), y);
  for (int i = 0; i < count; ++i) y[i] = row[i];
}

}  // namespace
}  // namespace tandem::cpu
