// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The kernels of attention: online softmax (Milakov and Gimelshein, arXiv 1805.02867; Dao et al.,
// arXiv 2205.14135) over tiles of keys and values. The same source is for AIE compilers and for
// this machine, like gemm_kernels.h.
//
// AIE2 multiplies floats one by one only in several bfloat16 products, and has no exp. So scores
// come in powers of two (queries are packed times log2 e) and become fixed-point integers; the
// highest score is kept as a whole number of them, rounded up, so that sums are rescaled by adding
// to exponents; and the weights 2^x are put together as bfloat16 bits: whole part to the exponent,
// a cubic of the fraction, in 16-bit products, to the mantissa.
#pragma once

#include <cstdint>

#include "devices/npu/kernels/aie.h"
#include "devices/npu/kernels/attention_tile.h"
#include "devices/npu/kernels/gemm_kernels.h"

namespace tandem::npu::kernels {

inline constexpr int kGroups = kAttentionQueries / 4;
inline constexpr int kKeyBlocks = kAttentionKeys / 4;

inline Ints AllOf(int32_t value) { return aie::broadcast<int32_t, 16>(value); }

/// A float score as a fixed-point number: added to 1.5 x 2^13 its bits are that. Held at the ends
/// of the binade, NaN too.
inline Ints FixedPoint(const Floats& score) {
  constexpr int32_t kLow = (127 + 13) << kFloatExponent;  // 2^13
  constexpr int32_t kZero = kLow + (1 << (kFloatExponent - 1));
  static_assert(kMostScore << kScoreBits == 1 << (kFloatExponent - 1));
  const Floats moved = aie::add(score, aie::broadcast<float, 16>(3.0F * kMostScore));
  const Ints held = aie::max(
      aie::min(aie::vector_cast<int32_t>(moved), AllOf(kLow + (1 << kFloatExponent))), AllOf(kLow));
  return aie::sub(held, AllOf(kZero));
}

inline constexpr int32_t kFractionBits = (1 << kScoreBits) - 1;
/// Its whole part, downwards. A shift alone would round as the mode says.
inline Ints WholePart(const Ints& x) {
  return aie::downshift(aie::bit_and(x, AllOf(~kFractionBits)), kScoreBits);
}

using Halves = aie::vector<int16_t, 16>;
inline Halves ToHalves(const Ints& wide) {
  return aie::accum<acc32, 16>(wide).template to_vector<int16_t>(0);
}
inline constexpr int kPowerUnit = kScoreBits + 15;  ///< Of what PowerOfFraction gives.

/// 2^f - 1 for fractions f of fixed-point numbers, in units of 2^-kPowerUnit: within 1.1e-4, and
/// what 16-bit products lose.
template <unsigned N>
aie::accum<acc32, N> PowerOfFraction(const aie::vector<int16_t, N>& f) {
  // 2^f - 1 = f (c1 + f (c2 + f c3)) in units of 2^-15, equal at 0 and at 1.
  constexpr int16_t kC1 = 22781;
  constexpr int16_t kC2 = 7438;
  constexpr int16_t kC3 = 2549;
  const auto all = [](int16_t value) { return aie::broadcast<int16_t, N>(value); };
  const auto third = aie::mul<acc32>(f, all(kC3)).template to_vector<int16_t>(kScoreBits);
  const auto second =
      aie::mul<acc32>(f, aie::add(third, all(kC2))).template to_vector<int16_t>(kScoreBits);
  return aie::mul<acc32>(f, aie::add(second, all(kC1)));
}
/// The exponent of 2^x, as a float has it: 0 at least.
inline Ints PowerExponent(const Ints& x) {
  return aie::add(aie::max(WholePart(x), AllOf(-127)), AllOf(127));
}
inline constexpr int32_t kLeastPower = -126 * (1 << kScoreBits);

/// 2^x as bfloat16 for fixed-point x below 0; 0 below -126: within 2^-8 + 1.6e-4 of the fixed-point
/// number's power.
inline aie::vector<bfloat16, 16> PowerOfTwo(const Ints& x) {
  constexpr int kMantissa = 7;
  const Halves fraction = ToHalves(aie::bit_and(x, AllOf(kFractionBits)));
  // Up to 128, which carries into the exponent.
  const Halves mantissa =
      PowerOfFraction(fraction).template to_vector<int16_t>(kPowerUnit - kMantissa);
  const Halves exponent = ToHalves(aie::upshift(PowerExponent(x), kMantissa));
  const auto none = aie::lt(x, AllOf(kLeastPower));
  const Halves zeros = aie::broadcast<int16_t, 16>(0);
  return aie::vector_cast<bfloat16>(aie::select(aie::add(exponent, mantissa), zeros, none));
}

/// v / 2^shift for 0 <= shift <= 254; 0 where that would be no normal number.
inline Floats Lower(const Floats& v, const Ints& shift) {
  const Ints bits = aie::vector_cast<int32_t>(v);
  const Ints size = aie::bit_and(bits, AllOf(0x7FFFFFFF));
  const auto gone = aie::lt(size, aie::upshift(aie::add(shift, AllOf(1)), kFloatExponent));
  const Ints lower = aie::sub(bits, aie::upshift(shift, kFloatExponent));
  return aie::vector_cast<float>(aie::select(lower, AllOf(0), gone));
}

/// At most what there is, whatever a header says.
inline int DimsOf(uint32_t dims) {
  constexpr auto kMost = static_cast<uint32_t>(kAttentionDims);
  return static_cast<int>(dims < kMost ? dims : kMost) / kAttentionDimGranule *
         kAttentionDimGranule;
}

/// Four values of a group's queries, in the lanes of each.
inline Ints OfQueries(const int32_t* four) {
  const auto once = aie::load_v<4>(four);
  return aie::concat(once, once, once, once);
}

/// Takes over a part of the queries: nothing seen yet.
inline void StartQueries(const uint8_t* tile, uint8_t* queries, AttentionState* state) {
  const auto& header = *reinterpret_cast<const AttentionQueryHeader*>(tile);
  const uint32_t part = header.part != 0 ? 1 : 0;
  constexpr size_t kBytes = kQueryBytes / kQueryParts;
  for (size_t i = 0; i < kBytes; i += 64) {
    aie::store_v(queries + part * kBytes + i, aie::load_v<64>(tile + sizeof header + i));
  }
  aie::store_v(state->first + part * kPartQueries, aie::load_v<kPartQueries>(header.first));
  aie::store_v(state->last + part * kPartQueries, aie::load_v<kPartQueries>(header.last));
  state->flags = kAttentionFirst;
  state->left = header.key_tiles;
  state->dims = header.dims;
  state->all_from = header.all_from;
  state->all_to = header.all_to;
  for (int j = 0; j < kGroups; ++j) {
    aie::store_v(state->highest[j], AllOf(-2 * kMostScore));
    aie::store_v(state->total[j], aie::zeros<float, 16>());
  }
}

/// Scores of one group [key block][16] to weights; `fixed` is where their fixed-point numbers are
/// kept meanwhile. visible(block, x, hidden): x where the keys may be seen.
template <typename Visible>
void WeighGroup(const float* scores, int32_t* fixed, bfloat16* weights, int j,
                AttentionState* state, const Visible& visible) {
  constexpr int32_t kHidden = -(1 << 30);
  Ints most = AllOf(kHidden);
  for (int b = 0; b < kKeyBlocks; ++b) {
    const int at = (b * kGroups + j) * 16;
    const Ints x = visible(b, FixedPoint(aie::load_v<16>(scores + at)), AllOf(kHidden));
    aie::store_v(fixed + at, x);
    most = aie::max(most, x);
  }
  // Lanes 4 apart are about the same query.
  most = aie::max(most, aie::shuffle_down_rotate(most, 8));
  most = aie::max(most, aie::shuffle_down_rotate(most, 4));
  const Ints before = aie::load_v<16>(state->highest[j]);
  const Ints highest = aie::max(before, aie::add(WholePart(most), AllOf(1)));
  const Ints shift = aie::min(aie::sub(highest, before), AllOf(254));
  const Ints base = aie::upshift(highest, kScoreBits);
  aie::accum<accfloat, 16> total(Lower(aie::load_v<16>(state->total[j]), shift));
  const auto ones = aie::broadcast<bfloat16, 16>(bfloat16(1.0F));
  for (int b = 0; b < kKeyBlocks; ++b) {
    const Ints x = aie::load_v<16>(fixed + (b * kGroups + j) * 16);
    const auto weight = PowerOfTwo(aie::sub(x, base));
    aie::store_v(weights + (j * kKeyBlocks + b) * 16, weight);
    total = aie::mac(total, weight, ones);
  }
  aie::store_v(state->total[j], total.template to_vector<float>());
  aie::store_v(state->highest[j], highest);
  aie::store_v(state->shift[j], shift);
}

/// A tile of keys against the queries: weights [q/4][k/8][8 keys][4 queries], and the state.
inline void WeighKeys(const uint8_t* tile, const uint8_t* queries, AttentionState* state,
                      uint8_t* scratch, bfloat16* weights) {
  SetModes();
  const auto& header = *reinterpret_cast<const AttentionKeyHeader*>(tile);
  auto* const scores = reinterpret_cast<float*>(scratch);
  auto* const fixed = reinterpret_cast<int32_t*>(scratch);
  MultiplyTile<kAttentionDims, kAttentionQueries, kMicroBf16.r, kMicroBf16.s, kMicroBf16.t,
               accfloat>(reinterpret_cast<const bfloat16*>(tile + sizeof header),
                         reinterpret_cast<const bfloat16*>(queries), scores, kAttentionKeys, true,
                         DimsOf(header.dims) / kMicroBf16.s);
  const int32_t position = header.position;
  const bool all = state->all_from <= position && position + kAttentionKeys - 1 <= state->all_to;
  for (int j = 0; j < kGroups; ++j) {
    if (all) {
      WeighGroup(scores, fixed, weights, j, state,
                 [](int /*block*/, const Ints& x, const Ints& /*hidden*/) { return x; });
      continue;
    }
    alignas(64) static constexpr int32_t kKeyOfLane[16] = {0, 0, 0, 0, 1, 1, 1, 1,
                                                           2, 2, 2, 2, 3, 3, 3, 3};
    const Ints first = OfQueries(state->first + 4 * j);
    const Ints last = OfQueries(state->last + 4 * j);
    const Ints lanes = aie::add(aie::load_v<16>(kKeyOfLane), AllOf(position));
    WeighGroup(scores, fixed, weights, j, state, [&](int block, const Ints& x, const Ints& hidden) {
      const Ints key = aie::add(lanes, AllOf(4 * block));
      return aie::select(hidden, x, aie::le(first, key) & aie::le(key, last));
    });
  }
  state->left -= 1;
  if (state->left == 0) state->flags |= kAttentionLast;
}

/// Adds a tile of values, each weighed, to the sums.
inline void AddValues(const uint8_t* tile, AttentionState* state, const bfloat16* weights,
                      float* sums) {
  SetModes();
  const auto& header = *reinterpret_cast<const AttentionKeyHeader*>(tile);
  const int dims = DimsOf(header.dims);
  const bool first = (state->flags & kAttentionFirst) != 0;
  for (int j = 0; j < kGroups && !first; ++j) {
    const Ints shift = aie::load_v<16>(state->shift[j]);
    if (aie::reduce_max(shift) == 0) continue;
    for (int block = 0; block < dims / 4; ++block) AIE_PREPARE_FOR_PIPELINING {
        float* const at = sums + (block * kGroups + j) * 16;
        aie::store_v(at, Lower(aie::load_v<16>(at), shift));
      }
  }
  MultiplyTile<kAttentionKeys, kAttentionQueries, kMicroBf16.r, kMicroBf16.s, kMicroBf16.t,
               accfloat>(reinterpret_cast<const bfloat16*>(tile + sizeof header), weights, sums,
                         dims, first);
  state->flags &= ~kAttentionFirst;
}

/// Sums to averages. A query that saw nothing has zeros.
inline void FinishSums(AttentionState* state, float* sums) {
  SetModes();
  const int dims = DimsOf(state->dims);
  for (int j = 0; j < kGroups; ++j) {
    Floats total = aie::load_v<16>(state->total[j]);
    total = aie::add(total, aie::shuffle_down_rotate(total, 8));
    total = aie::add(total, aie::shuffle_down_rotate(total, 4));
    const auto some = aie::lt(AllOf(0), aie::vector_cast<int32_t>(total));
    const Floats share = aie::inv(aie::select(aie::broadcast<float, 16>(1), total, some));
    for (int block = 0; block < dims / 4; ++block) AIE_PREPARE_FOR_PIPELINING {
        float* const at = sums + (block * kGroups + j) * 16;
        aie::store_v(at, aie::mul(aie::load_v<16>(at), share).template to_vector<float>());
      }
  }
  state->flags = kAttentionIdle;
}

}  // namespace tandem::npu::kernels
