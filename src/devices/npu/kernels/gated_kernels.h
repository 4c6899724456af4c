// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of gated products, h = gelu(A G) x (A U), between their sums: what leaves is a tile
// of A for the next product (gated_tile.h). The same source is for AIE compilers and for this
// machine, like gemm_kernels.h.
//
// Vectors are of 32 lanes, four rows of eight columns. Products are of bfloat16, or of 16-bit
// integers: AIE2 makes a product of floats of several, with operands that it takes apart first.
#pragma once

#include <cstdint>

#include "devices/npu/kernels/aie.h"
#include "devices/npu/kernels/attention_kernels.h"
#include "devices/npu/kernels/gated_tile.h"
#include "devices/npu/kernels/gemm_kernels.h"

namespace tandem::npu::kernels {

inline constexpr unsigned kGatedLanes = 32;
inline constexpr int kGatedRows = kGatedLanes / 8;
using Shorts = aie::vector<int16_t, kGatedLanes>;
using Brains = aie::vector<bfloat16, kGatedLanes>;
using FloatSums = aie::accum<accfloat, kGatedLanes>;

inline Shorts AllShorts(int16_t value) { return aie::broadcast<int16_t, kGatedLanes>(value); }
/// Sizes of bfloat16 as bits, which order them.
inline Shorts SizesOf(const Brains& v) {
  return aie::bit_and(aie::vector_cast<int16_t>(v), AllShorts(0x7FFF));
}

/// gelu(x), tanh's form, within 0.5 % of it down to -4.5, below that within 1e-7.
///
/// gelu(x) is max(x, 0) less d, which is the same for x and -x: |x| / (1 + 2^t), t tanh's argument
/// in powers of two. So d is |x| 2^-q, and q a smooth function with q(0) = 1, to which
/// 1 + c1 |x| + c2 x^2 + c4 x^4 comes within 0.003 up to 4.25.
inline FloatSums Gelu(const Brains& x) {
  constexpr int16_t kFar = 0x40BF;  // the last bfloat16 below 6, where d is below 1e-8
  // In powers of two, negative. Of |x| there are units of 2^-12, of its square 2^-9.
  constexpr int kSizeBits = 12;
  constexpr int kSquareBits = 9;
  constexpr int kFactorBits = 15;  // of c2 + c4 x^2
  constexpr int16_t kC1 = -4616;
  constexpr int16_t kC2 = -17089;
  constexpr int16_t kC4 = -15927;  // in units of 2^-21
  constexpr int kMantissa = 7;     // bits of bfloat16's
  const Brains size =
      aie::vector_cast<bfloat16>(aie::min(SizesOf(x), AllShorts(kFar)));  // what is no number, too
  const Shorts s = aie::to_fixed<int16_t>(size, kSizeBits);
  const Shorts square = aie::mul<acc32>(s, s).to_vector<int16_t>(2 * kSizeBits - kSquareBits);
  const Shorts factor = aie::add(
      aie::mul<acc32>(square, AllShorts(kC4)).to_vector<int16_t>(kFactorBits), AllShorts(kC2));
  const auto sum = aie::mac(aie::mul<acc32>(s, AllShorts(kC1)), square, factor);
  // 1 - q, held at -32.
  const Shorts power = sum.to_vector<int16_t>(kSquareBits + kFactorBits - kScoreBits);
  const Shorts whole = aie::bit_and(power, AllShorts(~kFractionBits));
  const Shorts fraction = aie::bit_and(power, AllShorts(kFractionBits));
  // 2^15 x whole, in the units of 2^fraction: a product of 16 bits has that with both signs turned.
  const auto both = aie::msc(PowerOfFraction(fraction), whole, AllShorts(INT16_MIN));
  const Shorts bits =
      aie::add(both.to_vector<int16_t>(kPowerUnit - kMantissa), AllShorts((127 - 1) << kMantissa));
  const Shorts above = aie::max(aie::vector_cast<int16_t>(x), AllShorts(0));
  return aie::msc(FloatSums(aie::vector_cast<bfloat16>(above)), size,
                  aie::vector_cast<bfloat16>(bits));
}

/// Calls visit(place, column block) for vectors of four rows and eight columns, in tiles
/// [rows / R][8 blocks][R][8]: of each four rows all blocks, between begin(row) and finish(row).
template <int R, typename Begin, typename Visit, typename Finish>
void ForRowGroups(int rows, const Begin& begin, const Visit& visit, const Finish& finish) {
  static_assert(R % kGatedRows == 0);
  constexpr int kBlocks = kTileN / 8;
  for (int row = 0; row < rows; row += kGatedRows) {
    begin(row);
    const int first = row / R * (kBlocks * R * 8) + row % R * 8;
    for (int block = 0; block < kBlocks; ++block) AIE_PREPARE_FOR_PIPELINING {
        visit(first + block * (R * 8), block);
      }
    finish(row);
  }
}
inline constexpr auto kNothingForRows = [](int /*row*/) {};

/// A third of the columns' scales.
inline void GatherScales(const WeightTileHeader& header, bfloat16* scales) {
  const uint32_t part = header.scale_part < kScaleParts ? header.scale_part : 0;
  const auto* const from = reinterpret_cast<const bfloat16*>(header.scales);
  bfloat16* const to = scales + kScaleCopies * kScalesOfPart * part;
  for (int i = 0; i < kScalesOfPart; i += 8) {
    const auto eight = aie::load_v<8>(from + i);
    static_assert(kScaleCopies == 4 && kScaleCopies * 8 == kGatedLanes);
    aie::store_v(to + kScaleCopies * i, aie::concat(eight, eight, eight, eight));
  }
}
/// Those of a block of columns.
inline Brains ScalesOf(const bfloat16* scales, int block) {
  return aie::load_v<kGatedLanes>(scales + block * static_cast<int>(kGatedLanes));
}

/// Sums in bfloat16.
inline Brains RoundSums(const float* sums) {
  return FloatSums(aie::load_v<kGatedLanes>(sums)).to_vector<bfloat16>();
}

/// Complete sums of the gate, times their columns' scales.
template <int R>
void HoldGate(const float* sums, const bfloat16* scales, int rows, bfloat16* gate) {
  SetModes();
  ForRowGroups<R>(
      rows, kNothingForRows,
      [&](int at, int block) {
        const FloatSums value = aie::mul(RoundSums(sums + at), ScalesOf(scales, block));
        aie::store_v(gate + at, value.to_vector<bfloat16>());
      },
      kNothingForRows);
}

/// The float 1.5 x 2^(23 + exponent) for four rows, as RowUnits for two.
inline FloatSums GroupUnits(const int8_t* exponents) {
  return FloatSums(
      aie::vector_cast<float>(aie::concat(RowUnits(exponents), RowUnits(exponents + 2))));
}

/// The largest bfloat16 of four rows' eight lanes each, as bits, in the first of the eight, to the
/// rows' exponents: what makes bytes of them.
inline void SetExponents(Shorts most, int8_t* exponents) {
  constexpr int kMantissa = 7;  // bits of bfloat16's
  for (const unsigned by : {4U, 2U, 1U}) {
    most = aie::max(most, aie::shuffle_down_rotate(most, by));
  }
  // From 127.5 x 2^e on, bfloat16's last below 128, a value rounds to 128: its exponent is one
  // more.
  const Shorts up = aie::add(aie::min(most, AllShorts(0x7F7F)), AllShorts(1));
  const Shorts exponent = aie::downshift(aie::bit_and(up, AllShorts(0x7F80)), kMantissa);
  const Shorts held =
      aie::min(aie::max(aie::sub(exponent, AllShorts(127 + 6)), AllShorts(kLeastExponent)),
               AllShorts(kMostExponent));
  for (int i = 0; i < kGatedRows; ++i) {
    exponents[i] = static_cast<int8_t>(held[static_cast<unsigned>(8 * i)]);
  }
}

/// Values in bfloat16 to bytes by their rows' exponents, as a GatedHalf in the same place.
template <int R>
void BytesOfRows(bfloat16* values, int rows, const int8_t* exponents) {
  auto* const half = reinterpret_cast<GatedHalf*>(values);
  // Bytes come where values were, in the order of memory: none is written where one is still to be
  // read.
  constexpr int kParts = R / kGatedRows;
  for (int row = 0; row < rows; row += R) {
    FloatSums units[kParts];
    for (int part = 0; part < kParts; ++part) {
      units[part] = GroupUnits(exponents + row + kGatedRows * part);
    }
    for (int i = 0; i < kTileN * R / static_cast<int>(kGatedLanes); ++i) {
      const int at = row * kTileN + i * static_cast<int>(kGatedLanes);
      const FloatSums& unit = units[i % kParts];
      const FloatSums moved = aie::add(FloatSums(aie::load_v<kGatedLanes>(values + at)), unit);
      const auto integers = aie::sub(moved.cast_to<acc32>(), unit.cast_to<acc32>());
      aie::store_v(half->values + at, integers.to_vector<int8_t>(0));
    }
  }
  for (int row = 0; row < rows; ++row) half->exponents[row] = exponents[row];
}

/// h = gelu(gate) x sums x scales in bytes, each row with its own exponent, where the gate was.
/// Rows with values beyond what an exponent can say are the host's, who does not send them.
template <int R>
void MultiplyGate(const float* sums, const bfloat16* scales, bfloat16* gate, int rows) {
  SetModes();
  int8_t exponents[kTileM];
  Shorts most = AllShorts(0);
  ForRowGroups<R>(
      rows, [&](int /*row*/) { most = AllShorts(0); },
      [&](int at, int block) {
        const Brains gelu = Gelu(aie::load_v<kGatedLanes>(gate + at)).to_vector<bfloat16>();
        const Brains scaled = aie::mul(gelu, ScalesOf(scales, block)).to_vector<bfloat16>();
        const Brains h = aie::mul(scaled, RoundSums(sums + at)).to_vector<bfloat16>();
        aie::store_v(gate + at, h);
        most = aie::max(most, SizesOf(h));
      },
      [&](int row) { SetExponents(most, exponents + row); });
  BytesOfRows<R>(gate, rows, exponents);
}

/// The first half, until the second is there.
inline void KeepHalf(const GatedHalf* half, GatedHalf* kept) {
  constexpr int kLanes = 64;
  for (int i = 0; i < kTileM * kTileN; i += kLanes) {
    aie::store_v(kept->values + i, aie::load_v<kLanes>(half->values + i));
  }
  aie::store_v(kept->exponents, aie::load_v<kLanes>(half->exponents));
}

/// Two halves of a tile of A, brought to the larger exponent of each row. `has_factors`: whether
/// the rows lack theirs.
template <int R>
void JoinHalves(const GatedHalf* first, const GatedHalf* second, int rows, bool has_factors,
                uint8_t* tile) {
  SetModes();
  auto& header = *reinterpret_cast<ActivationTileHeader*>(tile);
  header.rows = static_cast<uint32_t>(rows);
  header.rows_of_others = 0;
  header.has_factors = has_factors ? 1 : 0;
  for (uint32_t& word : header.reserved) word = 0;
  auto* const values = reinterpret_cast<int8_t*>(tile + kActivationHeaderBytes);
  for (int row = 0; row < rows; ++row) {
    const int8_t one = first->exponents[row];
    const int8_t other = second->exponents[row];
    header.exponents[row] = one < other ? other : one;
  }
  constexpr int kBlocks = kTileN / 8;
  constexpr int kShift = 7;
  for (const GatedHalf* const half : {first, second}) {
    Shorts factors = AllShorts(0);
    int row_block = 0;
    ForRowGroups<R>(
        rows,
        [&](int row) {
          // 2^-d in steps of 2^-7; beyond that nothing is left of a byte.
          const auto factor = [&](int r) {
            const int down = header.exponents[r] - half->exponents[r];
            return aie::broadcast<int16_t, 8>(
                static_cast<int16_t>(down <= kShift ? 1 << (kShift - down) : 0));
          };
          factors = aie::concat(factor(row), factor(row + 1), factor(row + 2), factor(row + 3));
          row_block = row / R * (kBlocks * R * 8);
        },
        [&](int at, int /*block*/) {
          const auto wide = aie::unpack(aie::load_v<kGatedLanes>(half->values + at));
          const int to = at + row_block + (half == second ? kBlocks * R * 8 : 0);
          aie::store_v(values + to,
                       aie::mul<acc32>(wide, factors).template to_vector<int8_t>(kShift));
        },
        kNothingForRows);
  }
}

}  // namespace tandem::npu::kernels
