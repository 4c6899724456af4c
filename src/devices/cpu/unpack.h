// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Stored blocks of kRows rows, taken apart: for each format, the bytes as the products want them
// and the scales. For files that are compiled once per instruction set (see lanes.h for why
// everything is internal).
//
// Rows are turned while they are still packed: a register gets the same four bytes of each row, and
// only then are bits taken apart, for all rows at once. A cell is what a register then holds: four
// neighbouring columns of each row, a byte each. Scales of small blocks would need a turn for two
// bytes: they are fetched one by one, for kUnitColumns at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "devices/cpu/isa_kernels.h"
#include "devices/cpu/panel_lanes.h"
#include "formats/quant_blocks.h"

namespace tandem::cpu {
namespace {

/// Columns that are taken apart at a time: the super-block of the K types.
constexpr int kUnitColumns = 256;

/// Bits [shift, shift + the mask's) of each byte.
TANDEM_LANES RowWords Bits(RowWords v, int shift, uint32_t mask) {
  return (v >> static_cast<uint32_t>(shift)) & (mask * 0x01010101u);
}

/// Byte `index` of each word, as a number.
TANDEM_LANES RowFloats ByteOf(RowWords v, int index) {
  return ToFloats((RowInts)((v >> static_cast<uint32_t>(8 * index)) & 255u));
}
TANDEM_LANES RowFloats SignedByteOf(RowWords v, int index) {
  return ToFloats((RowInts)(v << static_cast<uint32_t>(24 - 8 * index)) >> 24);
}

/// The IQ4 types' value of each 4-bit code.
TANDEM_LANES RowBytes LookUp(RowWords words) {
  RowBytes codes = (RowBytes)words;
  alignas(16) static constexpr int8_t kValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                                     1,    13,   25,  38,  53,  69,  89,  113};
#if defined(__AVX512BW__)
  const __m128i table = _mm_load_si128(reinterpret_cast<const __m128i*>(kValues));
  return (RowBytes)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), (__m512i)codes);
#elif defined(__AVX2__)
  const __m128i table = _mm_load_si128(reinterpret_cast<const __m128i*>(kValues));
  return (RowBytes)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), (__m256i)codes);
#else
  for (int i = 0; i < 4 * kRows; ++i) codes[i] = static_cast<uint8_t>(kValues[codes[i]]);
  return codes;
#endif
}

// A format says how a block of kRows rows is taken apart:
//   kColumns, kBytes     of a block
//   kGroup               columns with one scale
//   kMinus               value = scale * (byte - kMinus) + min, or kSigned: scale * signed byte
//   kCodeMax             the largest byte, when they are not signed
//   kMin                 whether there is a min
//   Head                 what Heads fetches of each row: the first bytes of a small block, or void
//   kHighAt              where fifth bits are that Heads fetches, or 0
//   Unpack(rows, heads, b, sink)  hands block b of a unit, which begins at `rows`, to
//                        sink.Put(cell, bytes), sink.Scale(group, s), sink.Min(group, m)
// Every index that a sink gets is a constant once loops are unrolled (ForEach), so that a sink may
// keep what it gets in registers.

/// Of Format::kMinus: bytes are signed.
constexpr int kSigned = -1;

struct NoHead {};

/// The first bytes of each row's blocks in a unit.
template <typename Format>
struct Heads {
  static constexpr int kBlocks = kUnitColumns / Format::kColumns;
  using Head = typename Format::Head;

  alignas(64) Head head[kBlocks][kRows];
  alignas(64) uint32_t high[kBlocks][kRows];

  /// Of blocks [begin, end).
  TANDEM_LANES void Fetch(const Rows& rows, int begin, int end, Heads& to) {
    for (int b = begin; b < end; ++b) {
      const size_t at = static_cast<size_t>(b) * Format::kBytes;
      GatherWords(rows, at, to.head[b]);
      if constexpr (Format::kHighAt != 0) GatherWords(rows, at + Format::kHighAt, to.high[b]);
    }
  }
};
template <typename Format>
requires(sizeof(typename Format::Head) == sizeof(NoHead)) struct Heads<Format> {
  TANDEM_LANES void Fetch(const Rows&, int, int, Heads&) {}
};

/// The scale, and the minimum behind it, that begin a small block.
TANDEM_LANES RowFloats HeadScale(const uint16_t (&head)[kRows]) { return LoadRowHalves(head); }
TANDEM_LANES RowFloats HeadScale(const uint32_t (&head)[kRows]) {
  RowWords words;
  __builtin_memcpy(&words, head, sizeof words);
  return LowHalves(words);
}
TANDEM_LANES RowFloats HeadMin(const uint32_t (&head)[kRows]) {
  RowWords words;
  __builtin_memcpy(&words, head, sizeof words);
  return HighHalves(words);
}

/// Cells of 16 bytes of nibbles as the small blocks have them: low ones are columns 0 to 15, high
/// ones 16 to 31. code(nibbles, cell) makes the bytes.
template <typename Sink, typename Code>
TANDEM_LANES void PutNibbles(const Rows& rows, size_t at, int first_cell, Sink& sink, Code code) {
  RowWords v[4];
  Turn16(rows, at, v);
  ForEach<4>([&](auto j) __attribute__((always_inline)) {
    sink.Put(first_cell + j.value, code(Bits(v[j.value], 0, 15), j));
    sink.Put(first_cell + 4 + j.value, code(Bits(v[j.value], 4, 15), Index<4 + j.value>()));
  });
}

template <bool kWithMin>
using HeadOf = std::conditional_t<kWithMin, uint32_t, uint16_t>;

/// Q4_0, and Q4_1 with a minimum: d, or d and m, then nibbles.
template <typename Block, bool kWithMin>
struct NibbleFormat {
  using Head = HeadOf<kWithMin>;
  static constexpr size_t kHighAt = 0;
  static constexpr int kColumns = 32, kGroup = 32, kMinus = kWithMin ? 0 : 8, kCodeMax = 15;
  static constexpr size_t kBytes = sizeof(Block);
  static constexpr bool kMin = kWithMin;

  template <typename Sink>
  TANDEM_LANES void Unpack(const Rows& rows, const Heads<NibbleFormat>& heads, int b, Sink& sink) {
    sink.Scale(0, HeadScale(heads.head[b]));
    if constexpr (kWithMin) sink.Min(0, HeadMin(heads.head[b]));
    PutNibbles(
        rows, static_cast<size_t>(b) * kBytes + offsetof(Block, q), 0, sink,
        [](RowWords codes, auto) __attribute__((always_inline)) { return (RowBytes)codes; });
  }
};
using Q4_0Format = NibbleFormat<quant::Q4_0Block, false>;
using Q4_1Format = NibbleFormat<quant::Q4_1Block, true>;

/// Q5_0, and Q5_1 with a minimum: a fifth bit per column in the word `high`.
template <typename Block, bool kWithMin>
struct FiveBitFormat {
  using Head = HeadOf<kWithMin>;
  static constexpr size_t kHighAt = sizeof(Head);
  static constexpr int kColumns = 32, kGroup = 32, kMinus = kWithMin ? 0 : 16, kCodeMax = 31;
  static constexpr size_t kBytes = sizeof(Block);
  static constexpr bool kMin = kWithMin;

  template <typename Sink>
  TANDEM_LANES void Unpack(const Rows& rows, const Heads<FiveBitFormat>& heads, int b, Sink& sink) {
    sink.Scale(0, HeadScale(heads.head[b]));
    if constexpr (kWithMin) sink.Min(0, HeadMin(heads.head[b]));
    RowWords high;
    __builtin_memcpy(&high, heads.high[b], sizeof high);
    PutNibbles(
        rows, static_cast<size_t>(b) * kBytes + offsetof(Block, q), 0,
        sink, [&](RowWords codes, auto cell) __attribute__((always_inline)) {
          // The multiplication puts four neighbouring bits at the bottom of four bytes.
          const RowWords four = (high >> static_cast<uint32_t>(4 * cell.value)) & 15u;
          return (RowBytes)(codes | ((four * 0x00204081u) & 0x01010101u) << 4u);
        });
  }
};
using Q5_0Format = FiveBitFormat<quant::Q5_0Block, false>;
using Q5_1Format = FiveBitFormat<quant::Q5_1Block, true>;

struct Q8_0Format {
  using Head = uint16_t;
  static constexpr size_t kHighAt = 0;
  static constexpr int kColumns = 32, kGroup = 32, kMinus = kSigned, kCodeMax = 255;
  static constexpr size_t kBytes = sizeof(quant::Q8_0Block);
  static constexpr bool kMin = false;

  template <typename Sink>
  TANDEM_LANES void Unpack(const Rows& rows, const Heads<Q8_0Format>& heads, int b, Sink& sink) {
    const size_t at = static_cast<size_t>(b) * kBytes;
    sink.Scale(0, HeadScale(heads.head[b]));
    ForEach<2>([&](auto part) __attribute__((always_inline)) {
      RowWords v[4];
      Turn16(rows, at + 2 + 16 * part.value, v);
      ForEach<4>([&](auto j) __attribute__((always_inline)) {
        sink.Put(4 * part.value + j.value, (RowBytes)v[j.value]);
      });
    });
  }
};

struct Iq4NlFormat {
  using Head = uint16_t;
  static constexpr size_t kHighAt = 0;
  static constexpr int kColumns = 32, kGroup = 32, kMinus = kSigned, kCodeMax = 255;
  static constexpr size_t kBytes = sizeof(quant::Iq4NlBlock);
  static constexpr bool kMin = false;

  template <typename Sink>
  TANDEM_LANES void Unpack(const Rows& rows, const Heads<Iq4NlFormat>& heads, int b, Sink& sink) {
    sink.Scale(0, HeadScale(heads.head[b]));
    PutNibbles(
        rows, static_cast<size_t>(b) * kBytes + 2, 0, sink,
        [](RowWords codes, auto) __attribute__((always_inline)) { return LookUp(codes); });
  }
};

struct Iq4XsFormat {
  using Head = NoHead;
  static constexpr size_t kHighAt = 0;
  static constexpr int kColumns = 256, kGroup = 32, kMinus = kSigned, kCodeMax = 255;
  static constexpr size_t kBytes = sizeof(quant::Iq4XsBlock);
  static constexpr bool kMin = false;

  template <typename Sink>
  TANDEM_LANES void Unpack(const Rows& rows, const Heads<Iq4XsFormat>&, int, Sink& sink) {
    RowWords head[4];
    Turn16(rows, 0, head);
    const RowFloats d = LowHalves(head[0]);
    ForEach<8>([&](auto g) __attribute__((always_inline)) {
      const RowWords low = (head[1] >> static_cast<uint32_t>(4 * g.value)) & 15u;
      const RowWords high = (head[0] >> static_cast<uint32_t>(16 + 2 * g.value)) & 3u;
      sink.Scale(g.value, d * ToFloats((RowInts)(low | high << 4u) - 32));
      PutNibbles(
          rows, 8 + 16 * g.value, 8 * g.value, sink,
          [](RowWords codes, auto) __attribute__((always_inline)) { return LookUp(codes); });
    });
  }
};

/// Scales and minimums of Q4_K and Q5_K: d and dmin, then 6 bits each (formats/k_scales.h says
/// how).
template <typename Sink>
TANDEM_LANES void PutKScales(const Rows& rows, Sink& sink) {
  RowWords head[4];
  Turn16(rows, 0, head);
  const RowFloats d = LowHalves(head[0]), dmin = HighHalves(head[0]);
  const RowWords scale[2] = {head[1] & 0x3f3f3f3fu,
                             (head[3] & 0x0f0f0f0fu) | (head[1] >> 2u & 0x30303030u)};
  const RowWords min[2] = {head[2] & 0x3f3f3f3fu,
                           (head[3] >> 4u & 0x0f0f0f0fu) | (head[2] >> 2u & 0x30303030u)};
  ForEach<8>([&](auto g) __attribute__((always_inline)) {
    sink.Scale(g.value, d * ByteOf(scale[g.value / 4], g.value % 4));
    sink.Min(g.value, -(dmin * ByteOf(min[g.value / 4], g.value % 4)));
  });
}

struct Q4KFormat {
  using Head = NoHead;
  static constexpr size_t kHighAt = 0;
  static constexpr int kColumns = 256, kGroup = 32, kMinus = 0, kCodeMax = 15;
  static constexpr size_t kBytes = sizeof(quant::Q4KBlock);
  static constexpr bool kMin = true;

  template <typename Sink>
  TANDEM_LANES void Unpack(const Rows& rows, const Heads<Q4KFormat>&, int, Sink& sink) {
    PutKScales(rows, sink);
    // 16 bytes: 16 columns of one group and 16 of the next.
    ForEach<8>([&](auto p) __attribute__((always_inline)) {
      RowWords v[4];
      Turn16(rows, 16 + 16 * p.value, v);
      ForEach<4>([&](auto j) __attribute__((always_inline)) {
        constexpr int kCell = 16 * (p.value / 2) + 4 * (p.value % 2) + j.value;
        sink.Put(kCell, (RowBytes)Bits(v[j.value], 0, 15));
        sink.Put(kCell + 8, (RowBytes)Bits(v[j.value], 4, 15));
      });
    });
  }
};

struct Q5KFormat {
  using Head = NoHead;
  static constexpr size_t kHighAt = 0;
  static constexpr int kColumns = 256, kGroup = 32, kMinus = 0, kCodeMax = 31;
  static constexpr size_t kBytes = sizeof(quant::Q5KBlock);
  static constexpr bool kMin = true;

  template <typename Sink>
  TANDEM_LANES void Unpack(const Rows& rows, const Heads<Q5KFormat>&, int, Sink& sink) {
    PutKScales(rows, sink);
    ForEach<2>([&](auto part) __attribute__((always_inline)) {
      RowWords high[4];
      Turn16(rows, 16 + 16 * part.value, high);
      ForEach<4>([&](auto run) __attribute__((always_inline)) {
        RowWords v[4];
        Turn16(rows, 48 + 32 * run.value + 16 * part.value, v);
        ForEach<4>([&](auto j) __attribute__((always_inline)) {
          constexpr int kCell = 16 * run.value + 4 * part.value + j.value;
          const auto put = [&](int cell, int shift, int group) __attribute__((always_inline)) {
            sink.Put(cell,
                     (RowBytes)(Bits(v[j.value], shift, 15) | Bits(high[j.value], group, 1) << 4u));
          };
          put(kCell, 0, 2 * run.value);
          put(kCell + 8, 4, 2 * run.value + 1);
        });
      });
    });
  }
};

struct Q6KFormat {
  using Head = NoHead;
  static constexpr size_t kHighAt = 0;
  static constexpr int kColumns = 256, kGroup = 16, kMinus = 32, kCodeMax = 63;
  static constexpr size_t kBytes = sizeof(quant::Q6KBlock);
  static constexpr bool kMin = false;

  template <typename Sink>
  TANDEM_LANES void Unpack(const Rows& rows, const Heads<Q6KFormat>&, int, Sink& sink) {
    RowWords scales[4], tail[4];
    Turn16(rows, 192, scales);
    Turn16(rows, kBytes - 16, tail);
    const RowFloats d = HighHalves(tail[3]);
    ForEach<16>([&](auto g) __attribute__((always_inline)) {
      sink.Scale(g.value, d * SignedByteOf(scales[g.value / 4], g.value % 4));
    });
    // Half of the block, then half of a run of 32 columns.
    ForEach<4>([&](auto part) __attribute__((always_inline)) {
      constexpr int kHalf = part.value / 2, kSide = part.value % 2;
      RowWords low[2][4], high[4];
      Turn16(rows, 64 * kHalf + 16 * kSide, low[0]);
      Turn16(rows, 64 * kHalf + 32 + 16 * kSide, low[1]);
      Turn16(rows, 128 + 32 * kHalf + 16 * kSide, high);
      ForEach<4>([&](auto run) __attribute__((always_inline)) {
        ForEach<4>([&](auto j) __attribute__((always_inline)) {
          sink.Put(32 * kHalf + 8 * run.value + 4 * kSide + j.value,
                   (RowBytes)(Bits(low[run.value % 2][j.value], 4 * (run.value / 2), 15) |
                              Bits(high[j.value], 2 * run.value, 3) << 4u));
        });
      });
    });
  }
};

struct Q2KFormat {
  using Head = NoHead;
  static constexpr size_t kHighAt = 0;
  static constexpr int kColumns = 256, kGroup = 16, kMinus = 0, kCodeMax = 3;
  static constexpr size_t kBytes = sizeof(quant::Q2KBlock);
  static constexpr bool kMin = true;

  template <typename Sink>
  TANDEM_LANES void Unpack(const Rows& rows, const Heads<Q2KFormat>&, int, Sink& sink) {
    RowWords scales[4], tail[4];
    Turn16(rows, 0, scales);
    Turn16(rows, kBytes - 16, tail);
    const RowFloats d = LowHalves(tail[3]), dmin = HighHalves(tail[3]);
    ForEach<16>([&](auto g) __attribute__((always_inline)) {
      const RowWords both = scales[g.value / 4];
      sink.Scale(g.value, d * ByteOf(Bits(both, 0, 15), g.value % 4));
      sink.Min(g.value, -(dmin * ByteOf(Bits(both, 4, 15), g.value % 4)));
    });
    ForEach<4>([&](auto part) __attribute__((always_inline)) {
      RowWords v[4];
      Turn16(rows, 16 + 16 * part.value, v);
      ForEach<4>([&](auto run) __attribute__((always_inline)) {
        ForEach<4>([&](auto j) __attribute__((always_inline)) {
          sink.Put(32 * (part.value / 2) + 8 * run.value + 4 * (part.value % 2) + j.value,
                   (RowBytes)Bits(v[j.value], 2 * run.value, 3));
        });
      });
    });
  }
};

struct Q3KFormat {
  using Head = NoHead;
  static constexpr size_t kHighAt = 0;
  static constexpr int kColumns = 256, kGroup = 16, kMinus = 4, kCodeMax = 7;
  static constexpr size_t kBytes = sizeof(quant::Q3KBlock);
  static constexpr bool kMin = false;

  template <typename Sink>
  TANDEM_LANES void Unpack(const Rows& rows, const Heads<Q3KFormat>&, int, Sink& sink) {
    RowWords tail[4];  // Twelve bytes of scales, and d two bytes before the end.
    Turn16(rows, kBytes - 16, tail);
    const RowFloats d = HighHalves(tail[3]);
    const RowWords packed[3] = {tail[0] >> 16u | tail[1] << 16u, tail[1] >> 16u | tail[2] << 16u,
                                tail[2] >> 16u | tail[3] << 16u};
    ForEach<16>([&](auto g) __attribute__((always_inline)) {
      const RowWords low = Bits(packed[g.value % 8 / 4], 4 * (g.value / 8), 15);
      const RowWords high = Bits(packed[2], 2 * (g.value / 4), 3);
      sink.Scale(g.value, d * (ByteOf(low | high << 4u, g.value % 4) - SplatRows(32.0f)));
    });
    ForEach<4>([&](auto part) __attribute__((always_inline)) {
      RowWords v[4], high[4];
      Turn16(rows, 32 + 16 * part.value, v);
      Turn16(rows, 16 * (part.value % 2), high);
      ForEach<4>([&](auto run) __attribute__((always_inline)) {
        ForEach<4>([&](auto j) __attribute__((always_inline)) {
          sink.Put(32 * (part.value / 2) + 8 * run.value + 4 * (part.value % 2) + j.value,
                   (RowBytes)(Bits(v[j.value], 2 * run.value, 3) |
                              Bits(high[j.value], 4 * (part.value / 2) + run.value, 1) << 2u));
        });
      });
    });
  }
};

}  // namespace
}  // namespace tandem::cpu
