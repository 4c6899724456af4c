// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of gated products, h = gelu(A G) x (A U), between their sums: what leaves is a tile
// of A for the next product (gated_tile.h). The same source is for AIE compilers and for this
// machine, like gemm_kernels.h.
//
// AIE2 has neither tanh nor exp: with tanh's form x / (1 + 2^-t), t = 2 log2(e) sqrt(2 / pi)
// (x + 0.044715 x^3), the power comes from a cubic in 16-bit products as attention's does.
#pragma once

#include <cstdint>

#include "devices/npu/kernels/aie.h"
#include "devices/npu/kernels/attention_kernels.h"
#include "devices/npu/kernels/gated_tile.h"
#include "devices/npu/kernels/gemm_kernels.h"

namespace tandem::npu::kernels {

inline constexpr int32_t kSizeBits = 0x7FFFFFFF;  ///< Of a float, without its sign.

inline Floats MultiplyFloats(const Floats& a, const Floats& b) {
  return aie::mul(a, b).template to_vector<float>();
}
/// Sizes of floats as bits, which order them; at most `most`. What is no number becomes that.
inline Ints SizesOf(const Floats& v, int32_t most) {
  return aie::min(aie::bit_and(aie::vector_cast<int32_t>(v), AllOf(kSizeBits)), AllOf(most));
}
/// Eight columns' factors, for two rows of them.
inline Floats ColumnFactors(const bfloat16* scales) {
  const auto eight = aie::load_v<8>(scales);
  return aie::accum<accfloat, 16>(aie::concat(eight, eight)).template to_vector<float>();
}

/// 1 / v for 1 <= v <= 2, within 2e-5: a line that is off by 1/17 at most, and Newton's step twice.
/// AIE2 divides lane by lane.
inline Floats Reciprocal(const Floats& v) {
  const auto all = [](float value) { return aie::broadcast<float, 16>(value); };
  Floats inverse = aie::sub(all(24.0F / 17), MultiplyFloats(v, all(8.0F / 17)));
  for (int step = 0; step < 2; ++step) {
    inverse = MultiplyFloats(inverse, aie::sub(all(2), MultiplyFloats(v, inverse)));
  }
  return inverse;
}

/// x gelu'd, tanh's form: within 0.06 % of it where it is above 2^-100, below that 0 or less.
inline Floats Gelu(const Floats& x) {
  // Up to 14, where the power is less than half of a float's last bit.
  constexpr int32_t kFar = 0x41600000;
  constexpr float kLinear = 2.302208198F;  // 2 log2(e) sqrt(2 / pi)
  constexpr float kCubic = 0.1029432397F;  // 0.044715 of it
  const auto all = [](float value) { return aie::broadcast<float, 16>(value); };
  const Floats size = aie::vector_cast<float>(SizesOf(x, kFar));
  const Floats square = MultiplyFloats(size, size);
  const Floats t =
      MultiplyFloats(size, aie::add(MultiplyFloats(square, all(kCubic)), all(kLinear)));
  const Floats power = PowerOfTwoFloat(aie::sub(AllOf(0), FixedPoint(t)));
  const Floats share = Reciprocal(aie::add(power, all(1)));
  const auto negative = aie::lt(aie::vector_cast<int32_t>(x), AllOf(0));
  return MultiplyFloats(x, aie::select(share, MultiplyFloats(power, share), negative));
}

/// Calls visit(place, column block, row) for vectors of two rows and eight columns, in tiles
/// [rows / R][8 blocks][R][8]: of each two rows all blocks, then finish(row).
template <int R, typename Visit, typename Finish>
void ForRowPairs(int rows, const Visit& visit, const Finish& finish) {
  constexpr int kBlocks = kTileN / 8;
  for (int row = 0; row < rows; row += 2) {
    const int first = row / R * (kBlocks * R * 8) + row % R * 8;
    for (int block = 0; block < kBlocks; ++block) visit(first + block * (R * 8), block, row);
    finish(row);
  }
}

/// A third of the columns' scales.
inline void GatherScales(const WeightTileHeader& header, bfloat16* scales) {
  const uint32_t part = header.scale_part < kScaleParts ? header.scale_part : 0;
  const auto* const from = reinterpret_cast<const bfloat16*>(header.scales);
  for (int i = 0; i < kScalesOfPart; i += 8) {
    aie::store_v(scales + part * kScalesOfPart + i, aie::load_v<8>(from + i));
  }
}

/// Complete sums of the gate, times their columns' scales.
template <int R>
void HoldGate(const float* sums, const bfloat16* scales, int rows, bfloat16* gate) {
  SetModes();
  ForRowPairs<R>(
      rows,
      [&](int at, int block, int /*row*/) {
        const aie::accum<accfloat, 16> value =
            aie::mul(aie::load_v<16>(sums + at), ColumnFactors(scales + 8 * block));
        aie::store_v(gate + at, value.template to_vector<bfloat16>());
      },
      [](int /*row*/) {});
}

/// h = gelu(gate) x sums x scales in bytes, each row with its own exponent, where the gate was. The
/// sums become h on the way.
template <int R>
void MultiplyGate(float* sums, const bfloat16* scales, bfloat16* gate, int rows) {
  SetModes();
  // 127 x 2^kMostExponent, less than what overflows.
  constexpr int32_t kMostSize = (127 + kMostExponent + 6) << kFloatExponent | 0x7E0000;
  // From 127.5 x 2^e on a value rounds to 128: its exponent is one more.
  constexpr int32_t kUp = 0x10000;
  int8_t exponents[kTileM];
  Ints most = AllOf(0);
  ForRowPairs<R>(
      rows,
      [&](int at, int block, int /*row*/) {
        const Floats up =
            MultiplyFloats(aie::load_v<16>(sums + at), ColumnFactors(scales + 8 * block));
        const Floats x =
            aie::accum<accfloat, 16>(aie::load_v<16>(gate + at)).template to_vector<float>();
        const Floats h = MultiplyFloats(Gelu(x), up);
        const Ints size = SizesOf(h, kMostSize);
        const Ints sign = aie::bit_and(aie::vector_cast<int32_t>(h), AllOf(~kSizeBits));
        aie::store_v(sums + at, aie::vector_cast<float>(aie::add(size, sign)));
        most = block == 0 ? size : aie::max(most, size);
      },
      [&](int row) {
        // The largest of eight lanes comes to the first of them.
        for (const unsigned by : {4U, 2U, 1U}) {
          most = aie::max(most, aie::shuffle_down_rotate(most, by));
        }
        const Ints exponent = aie::max(
            aie::sub(aie::downshift(aie::add(most, AllOf(kUp)), kFloatExponent), AllOf(127 + 6)),
            AllOf(kLeastExponent));
        exponents[row] = static_cast<int8_t>(exponent[0]);
        exponents[row + 1] = static_cast<int8_t>(exponent[8]);
      });
  auto* const half = reinterpret_cast<GatedHalf*>(gate);
  Ints units = AllOf(0);
  ForRowPairs<R>(
      rows,
      [&](int at, int block, int row) {
        if (block == 0) units = RowUnits(exponents + row);
        const Floats moved = aie::add(aie::load_v<16>(sums + at), aie::vector_cast<float>(units));
        const aie::accum<acc32, 16> integers(aie::sub(aie::vector_cast<int32_t>(moved), units));
        aie::store_v(half->values + at, integers.template to_vector<int8_t>(0));
      },
      [](int /*row*/) {});
  for (int row = 0; row < rows; ++row) half->exponents[row] = exponents[row];
}

/// The first half, until the second is there.
inline void KeepHalf(const GatedHalf* half, GatedHalf* kept) {
  constexpr int kLanes = 64;
  for (int i = 0; i < kTileM * kTileN; i += kLanes) {
    aie::store_v(kept->values + i, aie::load_v<kLanes>(half->values + i));
  }
  aie::store_v(kept->exponents, aie::load_v<kLanes>(half->exponents));
}

/// Two halves of a tile of A, brought to the larger exponent of each row.
template <int R>
void JoinHalves(const GatedHalf* first, const GatedHalf* second, int rows, uint8_t* tile) {
  SetModes();
  auto& header = *reinterpret_cast<ActivationTileHeader*>(tile);
  header.rows = static_cast<uint32_t>(rows);
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
    aie::vector<int16_t, 16> factors = aie::broadcast<int16_t, 16>(0);
    ForRowPairs<R>(
        rows,
        [&](int at, int block, int row) {
          if (block == 0) {
            // 2^-d in steps of 2^-7; beyond that nothing is left of a byte.
            const auto factor = [&](int r) {
              const int down = header.exponents[r] - half->exponents[r];
              return aie::broadcast<int16_t, 8>(
                  static_cast<int16_t>(down <= kShift ? 1 << (kShift - down) : 0));
            };
            factors = aie::concat(factor(row), factor(row + 1));
          }
          const auto wide = aie::unpack(aie::load_v<16>(half->values + at));
          const int row_block = row / R * (kBlocks * R * 8);
          const int to = at + row_block + (half == second ? kBlocks * R * 8 : 0);
          aie::store_v(values + to,
                       aie::mul<acc32>(wide, factors).template to_vector<int8_t>(kShift));
        },
        [](int /*row*/) {});
  }
}

}  // namespace tandem::npu::kernels
