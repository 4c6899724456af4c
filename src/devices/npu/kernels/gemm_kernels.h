// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of matrix products. The same source is for AIE compilers, who make a core's program
// of it, and for this machine. Pointers are to the core's memory, which vectors are aligned in.
#pragma once

#include <cstdint>

#include "devices/npu/kernels/aie.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu::kernels {

/// Modes stay as the last kernel left them: everyone sets both.
inline void SetModes() {
  aie::set_rounding(aie::rounding_mode::conv_even);
  aie::set_saturation(aie::saturation_mode::saturate);
}

using Ints = aie::vector<int32_t, 16>;
using Floats = aie::vector<float, 16>;
inline constexpr int kFloatExponent = 23;  ///< Bit of a float where its exponent begins.

/// Two by two blocks of sums, which stay in registers, so that each block that is loaded multiplies
/// twice. a0, a1: rows of blocks of A, b0, b1: columns of B, `depth` blocks of K, two at least.
template <typename Block, typename Value>
void MultiplyBlocks(const Value* a0, const Value* a1, const Value* b0, const Value* b1, int depth,
                    Block& s00, Block& s01, Block& s10, Block& s11) {
  for (int k = 0; k < depth; ++k) AIE_PREPARE_FOR_PIPELINING AIE_LOOP_MIN_ITERATION_COUNT(2) {
      const auto left0 = aie::load_v<Block::size_A>(a0);
      const auto left1 = aie::load_v<Block::size_A>(a1);
      const auto right0 = aie::load_v<Block::size_B>(b0);
      const auto right1 = aie::load_v<Block::size_B>(b1);
      a0 += Block::size_A;
      a1 += Block::size_A;
      b0 += Block::size_B;
      b1 += Block::size_B;
      s00.mac(left0, right0);
      s01.mac(left0, right1);
      s10.mac(left1, right0);
      s11.mac(left1, right1);
    }
}

/// sums += a b, or sums = a b for the first tile of a sum; tiles [rows,K], [K,N], [rows,N] in
/// blocks of R, S and T. `depth`: blocks of K that are in use.
template <int K, int N, int R, int S, int T, typename Tag, typename Value, typename Sum>
void MultiplyTile(const Value* a, const Value* b, Sum* sums, int rows, bool first,
                  int depth = K / S) {
  static_assert(K % S == 0 && K / S >= 2 && N % (2 * T) == 0);
  using Block = aie::mmul<R, S, T, Value, Value, Tag>;
  constexpr int kRowOfA = K / S * Block::size_A;
  constexpr int kColumnOfB = K / S * Block::size_B;
  constexpr int kRowOfSums = N / T * Block::size_C;
  const auto start = [first](const Sum* from) {
    return first ? Block(aie::zeros<Sum, Block::size_C>())
                 : Block(aie::load_v<Block::size_C>(from));
  };
  for (int i = 0; i < rows / R; i += 2) {
    for (int j = 0; j < N / T; j += 2) {
      Sum* const top = sums + i * kRowOfSums + j * static_cast<int>(Block::size_C);
      Sum* const bottom = top + kRowOfSums;
      Block s00 = start(top);
      Block s01 = start(top + Block::size_C);
      Block s10 = start(bottom);
      Block s11 = start(bottom + Block::size_C);
      const Value* const a0 = a + i * kRowOfA;
      const Value* const b0 = b + j * kColumnOfB;
      MultiplyBlocks(a0, a0 + kRowOfA, b0, b0 + kColumnOfB, depth, s00, s01, s10, s11);
      aie::store_v(top, s00.template to_vector<Sum>());
      aie::store_v(top + Block::size_C, s01.template to_vector<Sum>());
      aie::store_v(bottom, s10.template to_vector<Sum>());
      aie::store_v(bottom + Block::size_C, s11.template to_vector<Sum>());
    }
  }
}

/// The float 1.5 x 2^(23 + exponent) as bits, for two rows of eight columns each. An integer below
/// 2^22 in size that is added to these bits is added to the float so many times 2^exponent: neither
/// AIE2 nor this needs a conversion, or a product.
inline Ints RowUnits(const int8_t* exponents) {
  constexpr int32_t kUnit = (127 + kFloatExponent) << kFloatExponent | 1 << (kFloatExponent - 1);
  const auto row = [](int exponent) {
    return aie::broadcast<int32_t, 8>(kUnit + exponent * (1 << kFloatExponent));
  };
  return aie::concat(row(exponents[0]), row(exponents[1]));
}

/// sums += what integers were added to the bits of `units` (RowUnits) for, or = for the first. All
/// but the last addition is exact.
template <unsigned N>
void AddScaled(const aie::accum<acc32, N>& bits, const int32_t* units, bool first, float* sums) {
  const auto floats = [](const auto* from) {
    return aie::accum<accfloat, N>(aie::load_v<N>(reinterpret_cast<const float*>(from)));
  };
  const auto scaled = aie::sub(bits.template cast_to<accfloat>(), floats(units));
  const auto all = first ? scaled : aie::add(floats(sums), scaled);
  aie::store_v(sums, all.template to_vector<float>());
}

/// As MultiplyTile, for bytes whose rows have a power of two each (RowUnits): sums of this tile in
/// integers, all together in float. The integers start from their rows' units, not from zero.
template <int K, int N, int R>
void MultiplyScaledTile(const int8_t* a, const int8_t* b, const int8_t* exponents, float* sums,
                        int rows, bool first) {
  constexpr int kSide = 8;  // S and T
  using Block = aie::mmul<R, kSide, kSide, int8_t, int8_t, acc32>;
  constexpr int kRowOfA = K / kSide * Block::size_A;
  constexpr int kColumnOfB = K / kSide * Block::size_B;
  constexpr int kRowOfSums = N / kSide * Block::size_C;
  for (int i = 0; i < rows / R; i += 2) {
    alignas(64) int32_t units[2 * Block::size_C];  // of both rows of blocks
    const int32_t* const units1 = units + Block::size_C;
    for (int pair = 0; pair < R; ++pair) {
      aie::store_v(units + 16 * pair, RowUnits(exponents + i * R + 2 * pair));
    }
    for (int j = 0; j < N / kSide; j += 2) {
      Block s00(aie::load_v<Block::size_C>(units));
      Block s01 = s00;
      Block s10(aie::load_v<Block::size_C>(units1));
      Block s11 = s10;
      const int8_t* const a0 = a + i * kRowOfA;
      const int8_t* const b0 = b + j * kColumnOfB;
      MultiplyBlocks(a0, a0 + kRowOfA, b0, b0 + kColumnOfB, K / kSide, s00, s01, s10, s11);
      float* const top = sums + i * kRowOfSums + j * static_cast<int>(Block::size_C);
      float* const bottom = top + kRowOfSums;
      AddScaled(s00.to_accum(), units, first, top);
      AddScaled(s01.to_accum(), units, first, top + Block::size_C);
      AddScaled(s10.to_accum(), units1, first, bottom);
      AddScaled(s11.to_accum(), units1, first, bottom + Block::size_C);
    }
  }
}

/// Turns 4-bit weights into 8-bit ones: nibble x ratio / 8, to the nearest. Once per tile, for all
/// of its rows of A.
template <int K, int N>
void ExpandWeights(const uint8_t* nibbles, const int8_t* ratios, int8_t* out) {
  constexpr int kPairs = K / (2 * kI4Block);
  for (int column = 0; column < N / 8; ++column) {
    for (int pair = 0; pair < kPairs; ++pair) {
      // Two blocks' ratios of eight columns, each repeated for the eight rows of a block of B.
      const auto both = aie::load_v<16>(ratios);
      ratios += 16;
      const auto twice = aie::interleave_zip(both, both, 8);
      const auto expand = [&](const auto& ratio16) {
        const auto ratio = aie::concat(ratio16, ratio16, ratio16, ratio16);
        for (int block = 0; block < kI4Block / 8; ++block) {
          const auto packed = aie::load_v<64>(reinterpret_cast<const int4*>(nibbles));
          nibbles += 32;
          const auto products = aie::mul(aie::unpack(packed), ratio);
          aie::store_v(out, products.template to_vector<int8_t>(kI4Shift));
          out += 64;
        }
      };
      expand(twice.first);
      expand(twice.second);
    }
  }
}

/// Complete sums to a narrower type: divided by 2^shift, to the nearest, held at the ends.
template <int Count, typename Tag, typename Sum, typename Out>
void NarrowSums(const Sum* sums, Out* out, int shift) {
  constexpr int kLanes = 16;
  for (int i = 0; i < Count; i += kLanes) {
    const aie::accum<Tag, kLanes> sum(aie::load_v<kLanes>(sums + i));
    aie::store_v(out + i, sum.template to_vector<Out>(shift));
  }
}

}  // namespace tandem::npu::kernels
