// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Stored blocks of sixteen rows, taken apart: for each format, the bytes as the products want them
// and the scales. For files that are compiled once per instruction set (see lanes.h for why
// everything is internal).
//
// Rows are turned while they are still packed: a register gets the same four bytes of each of the
// sixteen rows, and only then are bits taken apart, for all rows at once. A cell is what a register
// then holds: four neighbouring columns of each row, a byte each.
#pragma once

#include <cstddef>
#include <cstdint>

#include "devices/cpu/isa_kernels.h"
#include "devices/cpu/lanes.h"
#include "formats/quant_blocks.h"

namespace tandem::cpu {
namespace {

/// Rows that are taken apart together.
constexpr int kRows = 16;

/// First byte of each row.
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
TANDEM_LANES Words16 Bits(Words16 v, int shift, uint32_t mask) {
  return (v >> static_cast<uint32_t>(shift)) & (mask * 0x01010101u);
}

/// Byte `index` of each word, as a number.
TANDEM_LANES Floats16 ByteOf(Words16 v, int index) {
  return ToFloats((Ints16)((v >> static_cast<uint32_t>(8 * index)) & 255u));
}
TANDEM_LANES Floats16 SignedByteOf(Words16 v, int index) {
  return ToFloats((Ints16)(v << static_cast<uint32_t>(24 - 8 * index)) >> 24);
}

/// The IQ4 types' value of each 4-bit code.
TANDEM_LANES Bytes64 LookUp(Words16 words) {
  Bytes64 codes = (Bytes64)words;
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

// A format says how a block of sixteen rows is taken apart:
//   kColumns, kBytes     of a block
//   kGroup               columns with one scale
//   kMinus               value = scale * (byte - kMinus) + min, or kSigned: scale * signed byte
//   kMin                 whether there is a min
//   Unpack(rows, at, sink)  hands the block at byte `at` of each row to
//                        sink.Put(cell, bytes), sink.Scale(group, s), sink.Min(group, m)
// Every index that a sink gets is a constant once loops are unrolled (ForEach), so that a sink may
// keep what it gets in registers.

/// Of Format::kMinus: bytes are signed.
constexpr int kSigned = -1;

/// Cells of 16 bytes of nibbles as the small blocks have them: low ones are columns 0 to 15, high
/// ones 16 to 31. code(nibbles, cell) makes the bytes.
template <typename Sink, typename Code>
TANDEM_LANES void PutNibbles(RowPointers rows, size_t at, int first_cell, Sink& sink, Code code) {
  Words16 v[4];
  Turn16(rows, at, v);
  ForEach<4>([&](auto j) __attribute__((always_inline)) {
    sink.Put(first_cell + j.value, code(Bits(v[j.value], 0, 15), j));
    sink.Put(first_cell + 4 + j.value, code(Bits(v[j.value], 4, 15), Index<4 + j.value>()));
  });
}

/// Q4_0, and Q4_1 with a minimum: d, or d and m, then nibbles.
template <typename Block, bool kWithMin>
struct NibbleFormat {
  static constexpr int kColumns = 32, kGroup = 32, kMinus = kWithMin ? 0 : 8;
  static constexpr size_t kBytes = sizeof(Block);
  static constexpr bool kMin = kWithMin;

  template <typename Sink>
  TANDEM_LANES void Unpack(RowPointers rows, size_t at, Sink& sink) {
    Words16 head[4];
    Turn16(rows, at, head);
    sink.Scale(0, LowHalves(head[0]));
    if constexpr (kWithMin) sink.Min(0, HighHalves(head[0]));
    PutNibbles(
        rows, at + offsetof(Block, q), 0, sink,
        [](Words16 codes, auto) __attribute__((always_inline)) { return (Bytes64)codes; });
  }
};
using Q4_0Format = NibbleFormat<quant::Q4_0Block, false>;
using Q4_1Format = NibbleFormat<quant::Q4_1Block, true>;

/// Q5_0, and Q5_1 with a minimum: a fifth bit per column in the word `high`.
template <typename Block, bool kWithMin>
struct FiveBitFormat {
  static constexpr int kColumns = 32, kGroup = 32, kMinus = kWithMin ? 0 : 16;
  static constexpr size_t kBytes = sizeof(Block);
  static constexpr bool kMin = kWithMin;

  template <typename Sink>
  TANDEM_LANES void Unpack(RowPointers rows, size_t at, Sink& sink) {
    Words16 head[4];
    Turn16(rows, at, head);
    sink.Scale(0, LowHalves(head[0]));
    if constexpr (kWithMin) sink.Min(0, HighHalves(head[0]));
    const Words16 high = kWithMin ? head[1] : head[0] >> 16u | head[1] << 16u;
    PutNibbles(
        rows, at + offsetof(Block, q), 0,
        sink, [&](Words16 codes, auto cell) __attribute__((always_inline)) {
          // The multiplication puts four neighbouring bits at the bottom of four bytes.
          const Words16 four = (high >> static_cast<uint32_t>(4 * cell.value)) & 15u;
          return (Bytes64)(codes | ((four * 0x00204081u) & 0x01010101u) << 4u);
        });
  }
};
using Q5_0Format = FiveBitFormat<quant::Q5_0Block, false>;
using Q5_1Format = FiveBitFormat<quant::Q5_1Block, true>;

struct Q8_0Format {
  static constexpr int kColumns = 32, kGroup = 32, kMinus = kSigned;
  static constexpr size_t kBytes = sizeof(quant::Q8_0Block);
  static constexpr bool kMin = false;

  template <typename Sink>
  TANDEM_LANES void Unpack(RowPointers rows, size_t at, Sink& sink) {
    Words16 v[4];
    Turn16(rows, at, v);
    sink.Scale(0, LowHalves(v[0]));
    ForEach<2>([&](auto part) __attribute__((always_inline)) {
      Turn16(rows, at + 2 + 16 * part.value, v);
      ForEach<4>([&](auto j) __attribute__((always_inline)) {
        sink.Put(4 * part.value + j.value, (Bytes64)v[j.value]);
      });
    });
  }
};

struct Iq4NlFormat {
  static constexpr int kColumns = 32, kGroup = 32, kMinus = kSigned;
  static constexpr size_t kBytes = sizeof(quant::Iq4NlBlock);
  static constexpr bool kMin = false;

  template <typename Sink>
  TANDEM_LANES void Unpack(RowPointers rows, size_t at, Sink& sink) {
    Words16 head[4];
    Turn16(rows, at, head);
    sink.Scale(0, LowHalves(head[0]));
    PutNibbles(
        rows, at + 2, 0, sink,
        [](Words16 codes, auto) __attribute__((always_inline)) { return LookUp(codes); });
  }
};

struct Iq4XsFormat {
  static constexpr int kColumns = 256, kGroup = 32, kMinus = kSigned;
  static constexpr size_t kBytes = sizeof(quant::Iq4XsBlock);
  static constexpr bool kMin = false;

  template <typename Sink>
  TANDEM_LANES void Unpack(RowPointers rows, size_t at, Sink& sink) {
    Words16 head[4];
    Turn16(rows, at, head);
    const Floats16 d = LowHalves(head[0]);
    ForEach<8>([&](auto g) __attribute__((always_inline)) {
      const Words16 low = (head[1] >> static_cast<uint32_t>(4 * g.value)) & 15u;
      const Words16 high = (head[0] >> static_cast<uint32_t>(16 + 2 * g.value)) & 3u;
      sink.Scale(g.value, d * ToFloats((Ints16)(low | high << 4u) - 32));
      PutNibbles(
          rows, at + 8 + 16 * g.value, 8 * g.value, sink,
          [](Words16 codes, auto) __attribute__((always_inline)) { return LookUp(codes); });
    });
  }
};

/// Scales and minimums of Q4_K and Q5_K: d and dmin, then 6 bits each (formats/k_scales.h says
/// how).
template <typename Sink>
TANDEM_LANES void PutKScales(RowPointers rows, size_t at, Sink& sink) {
  Words16 head[4];
  Turn16(rows, at, head);
  const Floats16 d = LowHalves(head[0]), dmin = HighHalves(head[0]);
  const Words16 scale[2] = {head[1] & 0x3f3f3f3fu,
                            (head[3] & 0x0f0f0f0fu) | (head[1] >> 2u & 0x30303030u)};
  const Words16 min[2] = {head[2] & 0x3f3f3f3fu,
                          (head[3] >> 4u & 0x0f0f0f0fu) | (head[2] >> 2u & 0x30303030u)};
  ForEach<8>([&](auto g) __attribute__((always_inline)) {
    sink.Scale(g.value, d * ByteOf(scale[g.value / 4], g.value % 4));
    sink.Min(g.value, -(dmin * ByteOf(min[g.value / 4], g.value % 4)));
  });
}

struct Q4KFormat {
  static constexpr int kColumns = 256, kGroup = 32, kMinus = 0;
  static constexpr size_t kBytes = sizeof(quant::Q4KBlock);
  static constexpr bool kMin = true;

  template <typename Sink>
  TANDEM_LANES void Unpack(RowPointers rows, size_t at, Sink& sink) {
    PutKScales(rows, at, sink);
    // 16 bytes: 16 columns of one group and 16 of the next.
    ForEach<8>([&](auto p) __attribute__((always_inline)) {
      Words16 v[4];
      Turn16(rows, at + 16 + 16 * p.value, v);
      ForEach<4>([&](auto j) __attribute__((always_inline)) {
        constexpr int kCell = 16 * (p.value / 2) + 4 * (p.value % 2) + j.value;
        sink.Put(kCell, (Bytes64)Bits(v[j.value], 0, 15));
        sink.Put(kCell + 8, (Bytes64)Bits(v[j.value], 4, 15));
      });
    });
  }
};

struct Q5KFormat {
  static constexpr int kColumns = 256, kGroup = 32, kMinus = 0;
  static constexpr size_t kBytes = sizeof(quant::Q5KBlock);
  static constexpr bool kMin = true;

  template <typename Sink>
  TANDEM_LANES void Unpack(RowPointers rows, size_t at, Sink& sink) {
    PutKScales(rows, at, sink);
    ForEach<2>([&](auto part) __attribute__((always_inline)) {
      Words16 high[4];
      Turn16(rows, at + 16 + 16 * part.value, high);
      ForEach<4>([&](auto run) __attribute__((always_inline)) {
        Words16 v[4];
        Turn16(rows, at + 48 + 32 * run.value + 16 * part.value, v);
        ForEach<4>([&](auto j) __attribute__((always_inline)) {
          constexpr int kCell = 16 * run.value + 4 * part.value + j.value;
          const auto put = [&](int cell, int shift, int group) __attribute__((always_inline)) {
            sink.Put(cell,
                     (Bytes64)(Bits(v[j.value], shift, 15) | Bits(high[j.value], group, 1) << 4u));
          };
          put(kCell, 0, 2 * run.value);
          put(kCell + 8, 4, 2 * run.value + 1);
        });
      });
    });
  }
};

struct Q6KFormat {
  static constexpr int kColumns = 256, kGroup = 16, kMinus = 32;
  static constexpr size_t kBytes = sizeof(quant::Q6KBlock);
  static constexpr bool kMin = false;

  template <typename Sink>
  TANDEM_LANES void Unpack(RowPointers rows, size_t at, Sink& sink) {
    Words16 scales[4], tail[4];
    Turn16(rows, at + 192, scales);
    Turn16(rows, at + kBytes - 16, tail);
    const Floats16 d = HighHalves(tail[3]);
    ForEach<16>([&](auto g) __attribute__((always_inline)) {
      sink.Scale(g.value, d * SignedByteOf(scales[g.value / 4], g.value % 4));
    });
    // Half of the block, then half of a run of 32 columns.
    ForEach<4>([&](auto part) __attribute__((always_inline)) {
      constexpr int kHalf = part.value / 2, kSide = part.value % 2;
      Words16 low[2][4], high[4];
      Turn16(rows, at + 64 * kHalf + 16 * kSide, low[0]);
      Turn16(rows, at + 64 * kHalf + 32 + 16 * kSide, low[1]);
      Turn16(rows, at + 128 + 32 * kHalf + 16 * kSide, high);
      ForEach<4>([&](auto run) __attribute__((always_inline)) {
        ForEach<4>([&](auto j) __attribute__((always_inline)) {
          sink.Put(32 * kHalf + 8 * run.value + 4 * kSide + j.value,
                   (Bytes64)(Bits(low[run.value % 2][j.value], 4 * (run.value / 2), 15) |
                             Bits(high[j.value], 2 * run.value, 3) << 4u));
        });
      });
    });
  }
};

struct Q2KFormat {
  static constexpr int kColumns = 256, kGroup = 16, kMinus = 0;
  static constexpr size_t kBytes = sizeof(quant::Q2KBlock);
  static constexpr bool kMin = true;

  template <typename Sink>
  TANDEM_LANES void Unpack(RowPointers rows, size_t at, Sink& sink) {
    Words16 scales[4], tail[4];
    Turn16(rows, at, scales);
    Turn16(rows, at + kBytes - 16, tail);
    const Floats16 d = LowHalves(tail[3]), dmin = HighHalves(tail[3]);
    ForEach<16>([&](auto g) __attribute__((always_inline)) {
      const Words16 both = scales[g.value / 4];
      sink.Scale(g.value, d * ByteOf(Bits(both, 0, 15), g.value % 4));
      sink.Min(g.value, -(dmin * ByteOf(Bits(both, 4, 15), g.value % 4)));
    });
    ForEach<4>([&](auto part) __attribute__((always_inline)) {
      Words16 v[4];
      Turn16(rows, at + 16 + 16 * part.value, v);
      ForEach<4>([&](auto run) __attribute__((always_inline)) {
        ForEach<4>([&](auto j) __attribute__((always_inline)) {
          sink.Put(32 * (part.value / 2) + 8 * run.value + 4 * (part.value % 2) + j.value,
                   (Bytes64)Bits(v[j.value], 2 * run.value, 3));
        });
      });
    });
  }
};

struct Q3KFormat {
  static constexpr int kColumns = 256, kGroup = 16, kMinus = 4;
  static constexpr size_t kBytes = sizeof(quant::Q3KBlock);
  static constexpr bool kMin = false;

  template <typename Sink>
  TANDEM_LANES void Unpack(RowPointers rows, size_t at, Sink& sink) {
    Words16 tail[4];  // Twelve bytes of scales, and d two bytes before the end.
    Turn16(rows, at + kBytes - 16, tail);
    const Floats16 d = HighHalves(tail[3]);
    const Words16 packed[3] = {tail[0] >> 16u | tail[1] << 16u, tail[1] >> 16u | tail[2] << 16u,
                               tail[2] >> 16u | tail[3] << 16u};
    ForEach<16>([&](auto g) __attribute__((always_inline)) {
      const Words16 low = Bits(packed[g.value % 8 / 4], 4 * (g.value / 8), 15);
      const Words16 high = Bits(packed[2], 2 * (g.value / 4), 3);
      sink.Scale(g.value, d * (ByteOf(low | high << 4u, g.value % 4) - Splat(32.0f)));
    });
    ForEach<4>([&](auto part) __attribute__((always_inline)) {
      Words16 v[4], high[4];
      Turn16(rows, at + 32 + 16 * part.value, v);
      Turn16(rows, at + 16 * (part.value % 2), high);
      ForEach<4>([&](auto run) __attribute__((always_inline)) {
        ForEach<4>([&](auto j) __attribute__((always_inline)) {
          sink.Put(32 * (part.value / 2) + 8 * run.value + 4 * (part.value % 2) + j.value,
                   (Bytes64)(Bits(v[j.value], 2 * run.value, 3) |
                             Bits(high[j.value], 4 * (part.value / 2) + run.value, 1) << 2u));
        });
      });
    });
  }
};

}  // namespace
}  // namespace tandem::cpu
