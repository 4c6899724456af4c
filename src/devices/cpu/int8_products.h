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

TANDEM_LANES Ints16 SplatInt(int32_t x) { return x - Ints16{}; }

TANDEM_LANES int32_t FourBytes(const int8_t* x) {
  int32_t four;
  __builtin_memcpy(&four, x, 4);
  return four;
}

/// sum[r] += the four bytes of row r times the four of x. AVX-512 has it for unsigned weights only.
template <bool kSignedWeights>
TANDEM_LANES Ints16 AddProducts(Ints16 sum, Bytes64 w, int32_t x) {
#if defined(__AVX512VNNI__)
  static_assert(!kSignedWeights);
  return (Ints16)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)w, _mm512_set1_epi32(x));
#elif defined(__AVX2__)
  const __m256i xs = _mm256_set1_epi32(x);
  __m256i part[2], weights[2];
  __builtin_memcpy(part, &sum, 64);
  __builtin_memcpy(weights, &w, 64);
  for (int i = 0; i < 2; ++i) {
    // The first factor is unsigned: signed weights give their sign to x. Two products, at most 128
    // * 127 each, fit 16 bits.
    const __m256i pairs = kSignedWeights ? _mm256_maddubs_epi16(_mm256_abs_epi8(weights[i]),
                                                                _mm256_sign_epi8(xs, weights[i]))
                                         : _mm256_maddubs_epi16(weights[i], xs);
    part[i] = _mm256_add_epi32(part[i], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  __builtin_memcpy(&sum, part, 64);
  return sum;
#else
  int8_t bytes[4];
  __builtin_memcpy(bytes, &x, 4);
  for (int i = 0; i < 16; ++i) {
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

// How a format's bytes are multiplied. They are kTooLarge above the weights they stand for, which
// the sum's first value takes back, in integers. Int8Group::offset is that value for 128, and for
// less it has to be shifted: bytes that are used many times (kStored) are brought to 128 instead.
template <typename Format, bool kStored>
struct Bytes {
  static constexpr bool kSignedWeights = kHasSigned && Format::kMinus == kSigned;
  static constexpr int kCodeMinus = Format::kMinus == kSigned ? 0 : Format::kMinus;
  static constexpr bool kTo128 =
      Format::kMinus == kSigned ? !kSignedWeights : kStored && !kHasSigned && kCodeMinus != 0;
  static constexpr int kTooLarge = kTo128 ? 128 : kCodeMinus;

  TANDEM_LANES Bytes64 Prepare(Bytes64 v) {
    return kTo128 ? v + static_cast<uint8_t>(128 - kCodeMinus) : v;
  }
  TANDEM_LANES Ints16 FirstSum(const Int8Group& group) {
    if constexpr (kTooLarge == 0) {
      return Ints16{};
    } else {
      constexpr int kShift = 7 - __builtin_ctz(kTooLarge);
      static_assert(kTooLarge << kShift == 128);
      return SplatInt(group.offset) >> kShift;
    }
  }
  TANDEM_LANES Ints16 Add(Ints16 sum, Bytes64 v, int32_t x) {
    return AddProducts<kSignedWeights>(sum, v, x);
  }
};

// total += the group's products, scaled.
template <bool kMin>
TANDEM_LANES Floats16 Join(Floats16 total, Ints16 sum, const Int8Group& group, Floats16 scale,
                           Floats16 min) {
  total = FusedMulAdd(ToFloats(sum), scale * Splat(group.scale), total);
  if constexpr (kMin) total = FusedMulAdd(min, Splat(group.sum), total);
  return total;
}

/// The first `count` of sixteen floats at `row`; `count` may be larger.
TANDEM_LANES void StoreRow(const float* row, int count, float* y) {
  if (count >= kRows) return StoreFloats(LoadFloats(row), y);
  StoreSome(LoadFloats(row), y, count);
}

}  // namespace
}  // namespace tandem::cpu
