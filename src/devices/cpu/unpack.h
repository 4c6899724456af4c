// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Stored blocks of sixteen rows to a Unit: bytes that lie as the products want them. For files that
// are compiled once per instruction set (see lanes.h for why everything is internal).
//
// Rows are turned while they are still packed: a register gets the same four bytes of each of the
// sixteen rows, and only then are bits taken apart, for all rows at once.
#pragma once

#include <cstdint>

#include "devices/cpu/isa_kernels.h"
#include "devices/cpu/lanes.h"
#include "formats/quant_blocks.h"

namespace tandem::cpu {
namespace {

using Words16 = uint32_t __attribute__((vector_size(64)));
using Bytes64 = uint8_t __attribute__((vector_size(64)));

constexpr int kRows = kPanelRows;
/// Columns that are unpacked at a time: the super-block of the K types.
constexpr int kUnitColumns = 256;

#if defined(__AVX512VNNI__)
/// The processor's dot product wants unsigned weights: 128 is added to them here and taken back by
/// Int8Group::offset, in integers.
constexpr int kBias = 128;
#else
constexpr int kBias = 0;
#endif

/// Up to 256 columns of sixteen rows: value = scale * (byte - kBias) + min.
struct Unit {
  alignas(64) uint8_t bytes[kUnitColumns / 4][kRows][4];  ///< By four columns, then by row.
  alignas(64) float scale[kUnitColumns / 16][kRows];      ///< By group.
  alignas(64) float min[kUnitColumns / 16][kRows];
};

/// First byte of the unit in each row.
using RowPointers = const std::byte* const (&)[kRows];

/// out[j] = bytes [offset + 4 j, + 4) of each row.
TANDEM_LANES void Turn16(RowPointers rows, size_t offset, Words16 (&out)[4]) {
#if defined(__AVX512F__)
  __m512i a[4];
  for (int i = 0; i < 4; ++i) {
    const auto load = [&](int row) __attribute__((always_inline)) {
      __m128i v;
      __builtin_memcpy(&v, rows[row] + offset, 16);
      return v;
    };
    a[i] = _mm512_castsi128_si512(load(i));
    a[i] = _mm512_inserti32x4(a[i], load(4 + i), 1);
    a[i] = _mm512_inserti32x4(a[i], load(8 + i), 2);
    a[i] = _mm512_inserti32x4(a[i], load(12 + i), 3);
  }
  const __m512i t0 = _mm512_unpacklo_epi32(a[0], a[1]), t1 = _mm512_unpackhi_epi32(a[0], a[1]);
  const __m512i t2 = _mm512_unpacklo_epi32(a[2], a[3]), t3 = _mm512_unpackhi_epi32(a[2], a[3]);
  out[0] = (Words16)_mm512_unpacklo_epi64(t0, t2);
  out[1] = (Words16)_mm512_unpackhi_epi64(t0, t2);
  out[2] = (Words16)_mm512_unpacklo_epi64(t1, t3);
  out[3] = (Words16)_mm512_unpackhi_epi64(t1, t3);
#elif defined(__AVX2__)
  for (int half = 0; half < 2; ++half) {
    __m256i a[4], b[4];
    for (int i = 0; i < 4; ++i) {
      __m128i low, high;
      __builtin_memcpy(&low, rows[8 * half + i] + offset, 16);
      __builtin_memcpy(&high, rows[8 * half + 4 + i] + offset, 16);
      a[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    }
    const __m256i t0 = _mm256_unpacklo_epi32(a[0], a[1]), t1 = _mm256_unpackhi_epi32(a[0], a[1]);
    const __m256i t2 = _mm256_unpacklo_epi32(a[2], a[3]), t3 = _mm256_unpackhi_epi32(a[2], a[3]);
    b[0] = _mm256_unpacklo_epi64(t0, t2);
    b[1] = _mm256_unpackhi_epi64(t0, t2);
    b[2] = _mm256_unpacklo_epi64(t1, t3);
    b[3] = _mm256_unpackhi_epi64(t1, t3);
    for (int j = 0; j < 4; ++j) {
      __builtin_memcpy(reinterpret_cast<char*>(&out[j]) + 32 * half, &b[j], 32);
    }
  }
#else
  for (int r = 0; r < kRows; ++r) {
    uint32_t words[4];
    __builtin_memcpy(words, rows[r] + offset, 16);
    for (int j = 0; j < 4; ++j) out[j][r] = words[j];
  }
#endif
}

/// Bits [shift, shift + the mask's) of each byte.
TANDEM_LANES Bytes64 Bits(Words16 v, int shift, uint32_t mask) {
  return (Bytes64)((v >> static_cast<uint32_t>(shift)) & (mask * 0x01010101u));
}

/// Writes the columns [4 cell, 4 cell + 4): values v - minus.
TANDEM_LANES void Put(Unit& unit, int cell, Bytes64 v, int minus) {
  v += static_cast<uint8_t>(kBias - minus);
  __builtin_memcpy(unit.bytes[cell], &v, 64);
}

/// The IQ4 types' value of each 4-bit code.
TANDEM_LANES Bytes64 LookUp(Bytes64 codes) {
  alignas(16) static constexpr int8_t kValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                     1,    13,   25,  38,  53,  69,  89,  113};
#if defined(__AVX512BW__)
  const __m128i table = _mm_load_si128(reinterpret_cast<const __m128i*>(kValues));
  return (Bytes64)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), (__m512i)codes);
#elif defined(__AVX2__)
  const __m128i table = _mm_load_si128(reinterpret_cast<const __m128i*>(kValues));
  __m256i half[2];
  __builtin_memcpy(half, &codes, 64);
  for (__m256i& part : half) part = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), part);
  __builtin_memcpy(&codes, half, 64);
  return codes;
#else
  for (int i = 0; i < 64; ++i) codes[i] = static_cast<uint8_t>(kValues[codes[i]]);
  return codes;
#endif
}

/// One half-precision number per block of kBytes bytes, from `offset` in each.
template <size_t kBytes>
TANDEM_LANES void Halves(RowPointers rows, size_t offset, int blocks,
                         float (&out)[kUnitColumns / 16][kRows]) {
  for (int r = 0; r < kRows; ++r) {
    for (int b = 0; b < blocks; ++b) {
      out[b][r] = LoadHalf(rows[r] + static_cast<size_t>(b) * kBytes + offset);
    }
  }
}

/// 16 bytes of nibbles as GGUF's small blocks have them: low ones are columns 0 to 15, high ones 16
/// to 31.
TANDEM_LANES void SmallNibbles(RowPointers rows, size_t offset, int block, int minus, Unit& unit) {
  Words16 v[4];
  Turn16(rows, offset, v);
  for (int j = 0; j < 4; ++j) {
    Put(unit, 8 * block + j, Bits(v[j], 0, 15), minus);
    Put(unit, 8 * block + 4 + j, Bits(v[j], 4, 15), minus);
  }
}

/// The same with a fifth bit per column, from a 32-bit word at `high`.
TANDEM_LANES void SmallFiveBits(RowPointers rows, size_t offset, size_t high, int block, int minus,
                                Unit& unit) {
  Words16 v[4], bits;
  Turn16(rows, offset, v);
  for (int r = 0; r < kRows; ++r) {
    uint32_t word;
    __builtin_memcpy(&word, rows[r] + high, 4);
    bits[r] = word;
  }
  for (int j = 0; j < 8; ++j) {
    // The multiplication puts four neighbouring bits at the bottom of four bytes.
    const Words16 four = (bits >> static_cast<uint32_t>(4 * j)) & 15u;
    const Words16 fifth = ((four * 0x00204081u) & 0x01010101u) << 4u;
    Put(unit, 8 * block + j, Bits(v[j % 4], 4 * (j / 4), 15) | (Bytes64)fifth, minus);
  }
}

/// Six-bit scales and minimums of Q4_K and Q5_K (formats/k_scales.h says how they are packed), at
/// byte 4, after d and dmin.
TANDEM_LANES void KScales6(RowPointers rows, Unit& unit) {
  for (int r = 0; r < kRows; ++r) {
    const float d = LoadHalf(rows[r]);
    const float dmin = LoadHalf(rows[r] + 2);
    uint32_t packed[3];
    __builtin_memcpy(packed, rows[r] + 4, 12);
    const uint32_t scale[2] = {packed[0] & 0x3f3f3f3fu,
                               (packed[2] & 0x0f0f0f0fu) | (packed[0] >> 2 & 0x30303030u)};
    const uint32_t min[2] = {packed[1] & 0x3f3f3f3fu,
                             (packed[2] >> 4 & 0x0f0f0f0fu) | (packed[1] >> 2 & 0x30303030u)};
    for (int g = 0; g < 8; ++g) {
      const int shift = 8 * (g % 4);
      unit.scale[g][r] = d * static_cast<float>(scale[g / 4] >> shift & 255);
      unit.min[g][r] = -(dmin * static_cast<float>(min[g / 4] >> shift & 255));
    }
  }
}

/// d, or d and m, in front of each of the small blocks.
template <typename Block, bool kMin>
TANDEM_LANES void SmallScales(RowPointers rows, int columns, Unit& unit) {
  Halves<sizeof(Block)>(rows, 0, columns / 32, unit.scale);
  if constexpr (kMin) Halves<sizeof(Block)>(rows, 2, columns / 32, unit.min);
}

/// Q4_0, and Q4_1 with a minimum.
template <typename Block, bool kMin>
TANDEM_LANES void UnpackQ4(RowPointers rows, int columns, Unit& unit) {
  SmallScales<Block, kMin>(rows, columns, unit);
  for (int b = 0; b < columns / 32; ++b) {
    const size_t block = static_cast<size_t>(b) * sizeof(Block);
    SmallNibbles(rows, block + offsetof(Block, q), b, kMin ? 0 : 8, unit);
  }
}

/// Q5_0, and Q5_1 with a minimum.
template <typename Block, bool kMin>
TANDEM_LANES void UnpackQ5(RowPointers rows, int columns, Unit& unit) {
  SmallScales<Block, kMin>(rows, columns, unit);
  for (int b = 0; b < columns / 32; ++b) {
    const size_t block = static_cast<size_t>(b) * sizeof(Block);
    SmallFiveBits(rows, block + offsetof(Block, q), block + offsetof(Block, high), b, kMin ? 0 : 16,
                  unit);
  }
}

TANDEM_LANES void UnpackQ8_0(RowPointers rows, int columns, Unit& unit) {
  constexpr size_t kBytes = sizeof(quant::Q8_0Block);
  Halves<kBytes>(rows, 0, columns / 32, unit.scale);
  for (int p = 0; p < columns / 16; ++p) {
    Words16 v[4];
    Turn16(rows, static_cast<size_t>(p / 2) * kBytes + 2 + static_cast<size_t>(p % 2) * 16, v);
    for (int j = 0; j < 4; ++j) Put(unit, 4 * p + j, (Bytes64)v[j], 0);
  }
}

TANDEM_LANES void LookUpNibbles(RowPointers rows, size_t offset, int block, Unit& unit) {
  Words16 v[4];
  Turn16(rows, offset, v);
  for (int j = 0; j < 4; ++j) {
    Put(unit, 8 * block + j, LookUp(Bits(v[j], 0, 15)), 0);
    Put(unit, 8 * block + 4 + j, LookUp(Bits(v[j], 4, 15)), 0);
  }
}

TANDEM_LANES void UnpackIq4Nl(RowPointers rows, int columns, Unit& unit) {
  constexpr size_t kBytes = sizeof(quant::Iq4NlBlock);
  Halves<kBytes>(rows, 0, columns / 32, unit.scale);
  for (int b = 0; b < columns / 32; ++b) {
    LookUpNibbles(rows, static_cast<size_t>(b) * kBytes + 2, b, unit);
  }
}

TANDEM_LANES void UnpackIq4Xs(RowPointers rows, int, Unit& unit) {
  for (int r = 0; r < kRows; ++r) {
    const auto* block = reinterpret_cast<const quant::Iq4XsBlock*>(rows[r]);
    const float d = LoadHalf(&block->d);
    const int high = block->scales_high[0] | block->scales_high[1] << 8;
    for (int g = 0; g < 8; ++g) {
      const int low = (block->scales_low[g / 2] >> (4 * (g % 2))) & 15;
      unit.scale[g][r] = d * static_cast<float>((low | ((high >> (2 * g)) & 3) << 4) - 32);
    }
  }
  for (int g = 0; g < 8; ++g) LookUpNibbles(rows, 8 + static_cast<size_t>(g) * 16, g, unit);
}

TANDEM_LANES void UnpackQ4K(RowPointers rows, int, Unit& unit) {
  KScales6(rows, unit);
  for (int p = 0; p < 8; ++p) {  // 16 bytes: 16 columns of one group and 16 of the next
    Words16 v[4];
    Turn16(rows, 16 + static_cast<size_t>(p) * 16, v);
    for (int j = 0; j < 4; ++j) {
      const int cell = 16 * (p / 2) + 4 * (p % 2) + j;
      Put(unit, cell, Bits(v[j], 0, 15), 0);
      Put(unit, cell + 8, Bits(v[j], 4, 15), 0);
    }
  }
}

TANDEM_LANES void UnpackQ5K(RowPointers rows, int, Unit& unit) {
  KScales6(rows, unit);
  for (int part = 0; part < 2; ++part) {
    Words16 high[4];
    Turn16(rows, 16 + static_cast<size_t>(part) * 16, high);
    for (int run = 0; run < 4; ++run) {
      Words16 v[4];
      Turn16(rows, 48 + static_cast<size_t>(run) * 32 + static_cast<size_t>(part) * 16, v);
      for (int j = 0; j < 4; ++j) {
        const int cell = 16 * run + 4 * part + j;
        const auto fifth = [&](int group) __attribute__((always_inline)) {
          return Bits(high[j], group, 1) << 4;
        };
        Put(unit, cell, Bits(v[j], 0, 15) | fifth(2 * run), 0);
        Put(unit, cell + 8, Bits(v[j], 4, 15) | fifth(2 * run + 1), 0);
      }
    }
  }
}

TANDEM_LANES void UnpackQ6K(RowPointers rows, int, Unit& unit) {
  for (int r = 0; r < kRows; ++r) {
    const auto* block = reinterpret_cast<const quant::Q6KBlock*>(rows[r]);
    const float d = LoadHalf(&block->d);
    for (int g = 0; g < 16; ++g) unit.scale[g][r] = d * static_cast<float>(block->scales[g]);
  }
  for (int part = 0; part < 4; ++part) {  // half of the block, then half of a run of 32 columns
    const auto half = static_cast<size_t>(part / 2), side = static_cast<size_t>(part % 2);
    Words16 low[2][4], high[4];
    Turn16(rows, 64 * half + 16 * side, low[0]);
    Turn16(rows, 64 * half + 32 + 16 * side, low[1]);
    Turn16(rows, 128 + 32 * half + 16 * side, high);
    for (int run = 0; run < 4; ++run) {
      for (int j = 0; j < 4; ++j) {
        const Bytes64 six = Bits(low[run % 2][j], 4 * (run / 2), 15) | Bits(high[j], 2 * run, 3)
                                                                           << 4;
        Put(unit, 32 * (part / 2) + 8 * run + 4 * (part % 2) + j, six, 32);
      }
    }
  }
}

TANDEM_LANES void UnpackQ2K(RowPointers rows, int, Unit& unit) {
  for (int r = 0; r < kRows; ++r) {
    const auto* block = reinterpret_cast<const quant::Q2KBlock*>(rows[r]);
    const float d = LoadHalf(&block->d), dmin = LoadHalf(&block->dmin);
    for (int g = 0; g < 16; ++g) {
      unit.scale[g][r] = d * static_cast<float>(block->scales[g] & 15);
      unit.min[g][r] = -(dmin * static_cast<float>(block->scales[g] >> 4));
    }
  }
  for (int part = 0; part < 4; ++part) {
    Words16 v[4];
    Turn16(rows, 16 + static_cast<size_t>(part) * 16, v);
    for (int run = 0; run < 4; ++run) {
      for (int j = 0; j < 4; ++j) {
        Put(unit, 32 * (part / 2) + 8 * run + 4 * (part % 2) + j, Bits(v[j], 2 * run, 3), 0);
      }
    }
  }
}

TANDEM_LANES void UnpackQ3K(RowPointers rows, int, Unit& unit) {
  for (int r = 0; r < kRows; ++r) {
    const auto* block = reinterpret_cast<const quant::Q3KBlock*>(rows[r]);
    const float d = LoadHalf(&block->d);
    for (int g = 0; g < 16; ++g) {
      const int low = (block->scales[g % 8] >> (4 * (g / 8))) & 15;
      const int high = (block->scales[8 + g % 4] >> (2 * (g / 4))) & 3;
      unit.scale[g][r] = d * static_cast<float>((low | high << 4) - 32);
    }
  }
  for (int part = 0; part < 4; ++part) {
    Words16 v[4], high[4];
    Turn16(rows, 32 + static_cast<size_t>(part) * 16, v);
    Turn16(rows, static_cast<size_t>(part % 2) * 16, high);
    for (int run = 0; run < 4; ++run) {
      for (int j = 0; j < 4; ++j) {
        const Bytes64 third = Bits(high[j], 4 * (part / 2) + run, 1) << 2;
        Put(unit, 32 * (part / 2) + 8 * run + 4 * (part % 2) + j, Bits(v[j], 2 * run, 3) | third,
            4);
      }
    }
  }
}

}  // namespace
}  // namespace tandem::cpu
