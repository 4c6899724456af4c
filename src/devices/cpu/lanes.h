// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Sixteen floats or integers that move together, for files that are compiled once per instruction
// set. The compiler makes one, two or four registers of them. Everything here is internal to the
// including file (an inline function shared by two levels would be merged by the linker, and the
// wrong one could win).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__F16C__)
#include <immintrin.h>
#endif

namespace tandem::cpu {
namespace {

using Floats16 = float __attribute__((vector_size(64)));
using Ints16 = int32_t __attribute__((vector_size(64)));
using Words16 = uint32_t __attribute__((vector_size(64)));
using Bytes64 = uint8_t __attribute__((vector_size(64)));

#define TANDEM_LANES [[maybe_unused]] static inline __attribute__((always_inline))

/// Calls f(Index<0>()), f(Index<1>()), ... f(Index<N - 1>()): a loop whose counter is a constant.
template <int kValue>
struct Index {
  static constexpr int value = kValue;
};
template <int kEnd, int kBegin = 0, typename F>
TANDEM_LANES void ForEach(const F& f) {
  if constexpr (kBegin < kEnd) {
    f(Index<kBegin>());
    ForEach<kEnd, kBegin + 1>(f);
  }
}

TANDEM_LANES Floats16 LoadFloats(const float* p) {
  Floats16 v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
TANDEM_LANES void StoreFloats(Floats16 v, float* p) { __builtin_memcpy(p, &v, sizeof v); }
TANDEM_LANES Floats16 Splat(float x) { return x - Floats16{}; }

/// The first n (below 16) of 16 floats, zeros behind them.
TANDEM_LANES Floats16 LoadSome(const float* p, int64_t n) {
  Floats16 v = {};
  for (int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
TANDEM_LANES void StoreSome(Floats16 v, float* p, int64_t n) {
  for (int64_t i = 0; i < n; ++i) p[i] = v[i];
}

/// a * b + c, rounded once where the processor does that in one instruction.
TANDEM_LANES Floats16 MulAdd(Floats16 a, Floats16 b, Floats16 c) {
#if defined(__AVX512F__)
  return (Floats16)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
  __m256 as[2], bs[2], cs[2];
  __builtin_memcpy(as, &a, 64);
  __builtin_memcpy(bs, &b, 64);
  __builtin_memcpy(cs, &c, 64);
  cs[0] = _mm256_fmadd_ps(as[0], bs[0], cs[0]);
  cs[1] = _mm256_fmadd_ps(as[1], bs[1], cs[1]);
  __builtin_memcpy(&c, cs, 64);
  return c;
#else
  return a * b + c;
#endif
}

/// a * b + c, rounded once on every processor.
TANDEM_LANES Floats16 FusedMulAdd(Floats16 a, Floats16 b, Floats16 c) {
#if defined(__FMA__)
  return MulAdd(a, b, c);
#else
  for (int i = 0; i < 16; ++i) c[i] = __builtin_fmaf(a[i], b[i], c[i]);
  return c;
#endif
}

/// Lanes joined by `join`, halves first: 0 with 8, 1 with 9, ...; then 0 with 4, and so on.
template <typename Lanes, typename Join>
TANDEM_LANES auto JoinLanes(Lanes v, Join join) {
  v = join(v, __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7));
  v = join(v, __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15));
  v = join(v, __builtin_shufflevector(v, v, 2, 3, 0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  v = join(v, __builtin_shufflevector(v, v, 1, 0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
  return v[0];
}
template <typename Lanes>
TANDEM_LANES auto SumLanes(Lanes v) {
  return JoinLanes(
      v, [](Lanes a, Lanes b) __attribute__((always_inline)) { return a + b; });
}

/// The sums of the lanes of sixteen vectors, each as SumLanes has it: lane i of vector i.
template <int kRowCount, int kColumnCount>
TANDEM_LANES Floats16 SumEach(const Floats16 (&v)[kRowCount][kColumnCount]) {
  static_assert(kRowCount * kColumnCount == 16);
  // Each step adds the halves of what is left of two vectors and puts the results side by side.
  Floats16 eight[8], four[4], two[2];
  for (int i = 0; i < 8; ++i) {
    const Floats16 a = v[i / kColumnCount][i % kColumnCount];
    const Floats16 b = v[(i + 8) / kColumnCount][(i + 8) % kColumnCount];
    eight[i] =
        __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
        __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
  }
  for (int i = 0; i < 4; ++i) {
    const Floats16 a = eight[i], b = eight[i + 4];
    four[i] =
        __builtin_shufflevector(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27) +
        __builtin_shufflevector(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31);
  }
  for (int i = 0; i < 2; ++i) {
    const Floats16 a = four[i], b = four[i + 2];
    two[i] =
        __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
        __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  }
  const Floats16 a = two[0], b = two[1];
  return __builtin_shufflevector(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30) +
         __builtin_shufflevector(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31);
}

TANDEM_LANES Floats16 ToFloats(Ints16 v) { return __builtin_convertvector(v, Floats16); }

/// condition (all bits or none, per lane) ? a : b
TANDEM_LANES Floats16 Select(Ints16 condition, Floats16 a, Floats16 b) {
  return (Floats16)(((Ints16)a & condition) | ((Ints16)b & ~condition));
}

/// IEEE half to float, subnormals, infinities and NaN included.
TANDEM_LANES float HalfBits(uint16_t half) {
#if defined(__F16C__)
  return _cvtsh_ss(half);
#else
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t rest = half & 0x7fff;
  float value;
  if (rest >= 0x7c00) {
    const uint32_t bits = sign | 0x7f800000 | (rest & 0x3ff) << 13;
    __builtin_memcpy(&value, &bits, 4);
    return value;
  }
  // The exponent's bias is put right by a multiplication, which handles subnormals as well.
  const uint32_t bits = rest << 13;
  __builtin_memcpy(&value, &bits, 4);
  value *= 0x1p112f;
  uint32_t out;
  __builtin_memcpy(&out, &value, 4);
  out |= sign;
  __builtin_memcpy(&value, &out, 4);
  return value;
#endif
}
TANDEM_LANES float LoadHalf(const void* p) {
  uint16_t bits;
  __builtin_memcpy(&bits, p, 2);
  return HalfBits(bits);
}
TANDEM_LANES Floats16 LoadHalves(const std::byte* p) {
#if defined(__AVX512F__)
  __m256i bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return (Floats16)_mm512_cvtph_ps(bits);
#elif defined(__F16C__)
  __m128i low, high;
  __builtin_memcpy(&low, p, 16);
  __builtin_memcpy(&high, p + 16, 16);
  const __m256 a = _mm256_cvtph_ps(low), b = _mm256_cvtph_ps(high);
  Floats16 v;
  __builtin_memcpy(&v, &a, 32);
  __builtin_memcpy(reinterpret_cast<char*>(&v) + 32, &b, 32);
  return v;
#else
  Floats16 v;
  for (int i = 0; i < 16; ++i) v[i] = LoadHalf(p + 2 * i);
  return v;
#endif
}

#if !defined(__F16C__)
/// As FloatToHalf of core/float_types.h.
TANDEM_LANES uint16_t HalfOf(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, 4);
  const uint32_t sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
  uint32_t half;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u;
  } else if (magnitude >= 0x477ff000u) {
    half = 0x7c00u;
  } else if (magnitude < 0x38800000u) {  // subnormal: adding 0.5 aligns, and rounds
    float shifted;
    __builtin_memcpy(&shifted, &magnitude, 4);
    shifted += 0.5f;
    __builtin_memcpy(&half, &shifted, 4);
    half -= 0x3f000000u;
  } else {
    half = (magnitude + 0xfffu + (magnitude >> 13 & 1u) - 0x38000000u) >> 13;
  }
  return static_cast<uint16_t>(sign | half);
}
#endif

/// Rounds to the nearest half, ties to even.
TANDEM_LANES void StoreHalves(Floats16 v, uint16_t* p) {
#if defined(__AVX512F__)
  const __m256i bits = _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT);
  __builtin_memcpy(p, &bits, sizeof bits);
#elif defined(__F16C__)
  __m256 half[2];
  __builtin_memcpy(half, &v, sizeof half);
  for (int i = 0; i < 2; ++i) {
    const __m128i bits = _mm256_cvtps_ph(half[i], _MM_FROUND_TO_NEAREST_INT);
    __builtin_memcpy(p + 8 * i, &bits, sizeof bits);
  }
#else
  for (int i = 0; i < 16; ++i) p[i] = HalfOf(v[i]);
#endif
}

/// The lower and the upper half of each word, as IEEE halves.
TANDEM_LANES Floats16 LowHalves(Words16 v) {
#if defined(__AVX512F__)
  return (Floats16)_mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i)v));
#elif defined(__F16C__)
  __m256i half[2];
  v &= 0xffffu;
  __builtin_memcpy(half, &v, 64);
  // Packing works in each half of a register on its own: put the four quarters in order.
  const __m256i packed =
      _mm256_permute4x64_epi64(_mm256_packus_epi32(half[0], half[1]), 0b11'01'10'00);
  std::byte bytes[32];
  __builtin_memcpy(bytes, &packed, 32);
  return LoadHalves(bytes);
#else
  Floats16 out;
  for (int i = 0; i < 16; ++i) out[i] = HalfBits(static_cast<uint16_t>(v[i]));
  return out;
#endif
}
TANDEM_LANES Floats16 HighHalves(Words16 v) { return LowHalves(v >> 16u); }

/// e^x for x <= 88, to 2 units in the last place; 0 far below. x = n ln 2 + r, |r| <= ln 2 / 2, and
/// e^r by its series to r^7 / 5040, whose next term is below 5e-9.
TANDEM_LANES Floats16 Exp(Floats16 x) {
  const Floats16 lowest = Splat(-87.0f);
  const Ints16 tiny = x < lowest;
  x = Select(tiny, lowest, x);
  const Floats16 magic = Splat(12582912.0f);  // 1.5 * 2^23: adding it rounds to a whole number
  const Floats16 n = (x * Splat(1.4426950408889634f) + magic) - magic;
  Floats16 r = MulAdd(n, Splat(-0.693145751953125f), x);  // ln 2, its first bits exact ...
  r = MulAdd(n, Splat(-1.428606820309417e-6f), r);        // ... and the rest
  Floats16 p = Splat(1.0f / 5040);
  p = MulAdd(p, r, Splat(1.0f / 720));
  p = MulAdd(p, r, Splat(1.0f / 120));
  p = MulAdd(p, r, Splat(1.0f / 24));
  p = MulAdd(p, r, Splat(1.0f / 6));
  p = MulAdd(p, r, Splat(0.5f));
  p = MulAdd(p, r, Splat(1.0f));
  p = MulAdd(p, r, Splat(1.0f));
  const Ints16 exponent = __builtin_convertvector(n, Ints16) + 127;
  const Floats16 scaled = p * (Floats16)(exponent << 23);
  return Select(tiny, Floats16{}, scaled);
}

/// tanh x, to 2e-7: 1 - 2 / (e^2x + 1). NaN stays NaN.
TANDEM_LANES Floats16 Tanh(Floats16 x) {
  const Floats16 limit = Splat(10.0f);
  Floats16 clamped = Select(x > limit, limit, x);
  clamped = Select(clamped < -limit, -limit, clamped);
  return Splat(1.0f) - Splat(2.0f) / (Exp(clamped + clamped) + Splat(1.0f));
}

}  // namespace
}  // namespace tandem::cpu
