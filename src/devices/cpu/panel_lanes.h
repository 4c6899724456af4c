// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Lanes that stand for weight rows: as many as one register of the level has, so that the compiler
// never has to split what moves together. Types and operations beside those of lanes.h, and
// internal for the same reason.
#pragma once

#include "devices/cpu/lanes.h"

namespace tandem::cpu {
namespace {

#if defined(__AVX2__) && !defined(__AVX512F__)
constexpr int kRows = 8;
#else
constexpr int kRows = 16;
#endif

/// Rows that are taken apart together, a lane each.
using RowFloats = float __attribute__((vector_size(4 * kRows)));
using RowInts = int32_t __attribute__((vector_size(4 * kRows)));
using RowWords = uint32_t __attribute__((vector_size(4 * kRows)));
/// Four neighbouring columns of each row, a byte each.
using RowBytes = uint8_t __attribute__((vector_size(4 * kRows)));

TANDEM_LANES RowFloats LoadRows(const float* p) {
  RowFloats v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
TANDEM_LANES void StoreRows(RowFloats v, float* p) { __builtin_memcpy(p, &v, sizeof v); }
TANDEM_LANES RowFloats SplatRows(float x) { return x - RowFloats{}; }

#if defined(__AVX2__) && !defined(__AVX512F__)
TANDEM_LANES RowFloats ToFloats(RowInts v) { return __builtin_convertvector(v, RowFloats); }

TANDEM_LANES RowFloats FusedMulAdd(RowFloats a, RowFloats b, RowFloats c) {
  return (RowFloats)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

TANDEM_LANES RowFloats LowHalves(RowWords v) {
  const __m256i low = (__m256i)(v & 0xffffu);
  const __m128i packed =
      _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
  return (RowFloats)_mm256_cvtph_ps(packed);
}
TANDEM_LANES RowFloats HighHalves(RowWords v) { return LowHalves(v >> 16u); }
#endif

/// One half for each row, as floats.
TANDEM_LANES RowFloats LoadRowHalves(const uint16_t* p) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  __m128i bits;
  __builtin_memcpy(&bits, p, sizeof bits);
  return (RowFloats)_mm256_cvtph_ps(bits);
#else
  return LoadHalves(reinterpret_cast<const std::byte*>(p));
#endif
}
TANDEM_LANES void StoreRowHalves(RowFloats v, uint16_t* p) {
#if defined(__AVX2__) && !defined(__AVX512F__)
  const __m128i bits = _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT);
  __builtin_memcpy(p, &bits, sizeof bits);
#else
  StoreHalves(v, p);
#endif
}

/// Where the rows of a panel are, at a constant distance: sixteen addresses from a few registers.
struct Rows {
  const std::byte* fours[kRows / 4];  ///< Rows 0, 4, 8, ...
  size_t stride;

  TANDEM_LANES Rows At(const std::byte* first, size_t stride) {
    Rows rows{};
    for (int i = 0; i < kRows / 4; ++i) {
      rows.fours[i] = first + static_cast<size_t>(4 * i) * stride;
    }
    rows.stride = stride;
    return rows;
  }
  __attribute__((always_inline)) const std::byte* Row(int r) const {
    return fours[r / 4] + static_cast<size_t>(r % 4) * stride;
  }
  /// The same rows, `bytes` further.
  __attribute__((always_inline)) Rows operator+(size_t bytes) const {
    Rows rows = *this;
    for (const std::byte*& four : rows.fours) four += bytes;
    return rows;
  }
};

/// out[j] = bytes [offset + 4 j, + 4) of each row.
TANDEM_LANES void Turn16(const Rows& rows, size_t offset, RowWords (&out)[4]) {
#if defined(__AVX512F__)
  __m512i a[4];
  for (int i = 0; i < 4; ++i) {
    const auto load = [&](int row) __attribute__((always_inline)) {
      __m128i v;
      __builtin_memcpy(&v, rows.Row(row) + offset, 16);
      return v;
    };
    a[i] = _mm512_castsi128_si512(load(i));
    a[i] = _mm512_inserti32x4(a[i], load(4 + i), 1);
    a[i] = _mm512_inserti32x4(a[i], load(8 + i), 2);
    a[i] = _mm512_inserti32x4(a[i], load(12 + i), 3);
  }
  const __m512i t0 = _mm512_unpacklo_epi32(a[0], a[1]), t1 = _mm512_unpackhi_epi32(a[0], a[1]);
  const __m512i t2 = _mm512_unpacklo_epi32(a[2], a[3]), t3 = _mm512_unpackhi_epi32(a[2], a[3]);
  out[0] = (RowWords)_mm512_unpacklo_epi64(t0, t2);
  out[1] = (RowWords)_mm512_unpackhi_epi64(t0, t2);
  out[2] = (RowWords)_mm512_unpacklo_epi64(t1, t3);
  out[3] = (RowWords)_mm512_unpackhi_epi64(t1, t3);
#elif defined(__AVX2__)
  __m256i a[4];
  for (int i = 0; i < 4; ++i) {
    __m128i low, high;
    __builtin_memcpy(&low, rows.Row(i) + offset, 16);
    __builtin_memcpy(&high, rows.Row(4 + i) + offset, 16);
    a[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
  }
  const __m256i t0 = _mm256_unpacklo_epi32(a[0], a[1]), t1 = _mm256_unpackhi_epi32(a[0], a[1]);
  const __m256i t2 = _mm256_unpacklo_epi32(a[2], a[3]), t3 = _mm256_unpackhi_epi32(a[2], a[3]);
  out[0] = (RowWords)_mm256_unpacklo_epi64(t0, t2);
  out[1] = (RowWords)_mm256_unpackhi_epi64(t0, t2);
  out[2] = (RowWords)_mm256_unpacklo_epi64(t1, t3);
  out[3] = (RowWords)_mm256_unpackhi_epi64(t1, t3);
#else
  for (int r = 0; r < kRows; ++r) {
    uint32_t words[4];
    __builtin_memcpy(words, rows.Row(r) + offset, 16);
    for (int j = 0; j < 4; ++j) out[j][r] = words[j];
  }
#endif
}

/// to[r] = the first bytes of row r: through the ordinary registers, which have nothing else to do.
template <typename Word>
TANDEM_LANES void GatherWords(const Rows& rows, size_t offset, Word (&to)[kRows]) {
  ForEach<kRows>([&](auto r) __attribute__((always_inline)) {
    Word word;
    __builtin_memcpy(&word, rows.Row(r.value) + offset, sizeof word);
    // One store each: a compiler would make insertions into a vector of them.
    *static_cast<volatile Word*>(&to[r.value]) = word;
  });
}

}  // namespace
}  // namespace tandem::cpu
