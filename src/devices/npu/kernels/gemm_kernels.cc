// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Entries of the kernels, as core programs call them: of products, and of attention, which runs on
// their designs. An AIE compiler takes those of its generation.
#include "devices/npu/kernels/gemm_kernels.h"

#include <cstring>
#include <type_traits>

#include "devices/npu/kernels/attention_kernels.h"
#include "devices/npu/kernels/gated_kernels.h"
#include "devices/npu/kernels/row_kernels.h"

using namespace tandem::npu;           // NOLINT(google-build-using-namespace): C names only
using namespace tandem::npu::kernels;  // NOLINT(google-build-using-namespace)

namespace {

WeightTileHeader HeaderOf(const uint8_t* tile) {
  WeightTileHeader header;
  std::memcpy(&header, tile, sizeof header);
  return header;
}

bool IsFirst(const uint8_t* b) { return (HeaderOf(b).flags & (kFirstOfSum | kNextSum)) != 0; }

const ActivationTileHeader& HeaderOfA(const uint8_t* tile) {
  return *reinterpret_cast<const ActivationTileHeader*>(tile);
}

bool IsOfProduct(const ActivationTileHeader& header) {
  return (header.rows & kActivationRows) != 0;
}
const RowTile& RowTileOf(const uint8_t* tile) { return *reinterpret_cast<const RowTile*>(tile); }

/// At most a tile, whatever the header says.
int RowsOf(const uint8_t* tile) {
  const ActivationTileHeader& header = HeaderOfA(tile);
  const uint32_t rows = IsOfProduct(header) ? header.rows : header.rows_of_others;
  return rows < kTileM ? static_cast<int>(rows) : kTileM;
}

/// What follows the header of a tile of A, or of B.
template <typename T>
const T* ValuesOfA(const uint8_t* tile) {
  return reinterpret_cast<const T*>(tile + kActivationHeaderBytes);
}
template <typename T>
const T* ValuesOf(const uint8_t* tile) {
  return reinterpret_cast<const T*>(tile + kTileHeaderBytes);
}

/// Sums in integers, or in float by the exponents of A's rows.
template <int R, typename Sum>
void GemmBytes(const uint8_t* a, const uint8_t* b, const int8_t* weights, Sum* sums) {
  SetModes();
  const auto* const values = ValuesOfA<int8_t>(a);
  if constexpr (std::is_same_v<Sum, float>) {
    MultiplyScaledTile<kTileKI8, kTileN, R>(values, weights, HeaderOfA(a).exponents, sums,
                                            RowsOf(a), IsFirst(b));
  } else {
    MultiplyTile<kTileKI8, kTileN, R, 8, 8, acc32>(values, weights, sums, RowsOf(a), IsFirst(b));
  }
}

template <int R, typename Sum>
void GemmI8(const uint8_t* a, const uint8_t* b, Sum* sums) {
  GemmBytes<R>(a, b, ValuesOf<int8_t>(b), sums);
}

template <int R, typename Sum>
void GemmI4(const uint8_t* a, const uint8_t* b, int8_t* wide, Sum* sums) {
  SetModes();
  const auto* const nibbles = ValuesOf<uint8_t>(b);
  const auto* const ratios =
      reinterpret_cast<const int8_t*>(nibbles + size_t{kTileKI8} * kTileN / 2);
  ExpandWeights<kTileKI8, kTileN>(nibbles, ratios, wide);
  GemmBytes<R>(a, b, wide, sums);
}

/// The gate, times the rows' factors where they lack them.
template <int R>
void Hold(const uint8_t* a, const float* sums, const bfloat16* scales, const RowFactors* factors,
          bfloat16* gate) {
  HoldGate<R>(sums, scales, RowsOf(a), gate);
  if (HeaderOfA(a).has_factors != 0) ScaleRows<R>(gate, RowsOf(a), *factors);
}

template <typename Tag, typename Sum, typename Out>
void Narrow(const uint8_t* b, const Sum* sums, Out* out) {
  SetModes();
  NarrowSums<kTileM * kTileN, Tag>(sums, out, HeaderOf(b).shift);
}

}  // namespace

extern "C" {

#if !defined(__AIEARCH__) || __AIEARCH__ == 20
void tandem_gemm_i8_npu1(const uint8_t* a, const uint8_t* b, int32_t* sums) {
  GemmI8<kMicroI8Npu1.r>(a, b, sums);
}
void tandem_gemm_i8_f32_npu1(const uint8_t* a, const uint8_t* b, float* sums) {
  GemmI8<kMicroI8Npu1.r>(a, b, sums);
}
void tandem_gemm_i4_npu1(const uint8_t* a, const uint8_t* b, int8_t* wide, int32_t* sums) {
  GemmI4<kMicroI8Npu1.r>(a, b, wide, sums);
}
void tandem_gemm_i4_f32_npu1(const uint8_t* a, const uint8_t* b, int8_t* wide, float* sums) {
  GemmI4<kMicroI8Npu1.r>(a, b, wide, sums);
}
void tandem_gated_hold_npu1(const uint8_t* a, const float* sums, const bfloat16* scales,
                            const RowFactors* factors, bfloat16* gate) {
  Hold<kMicroI8Npu1.r>(a, sums, scales, factors, gate);
}
void tandem_gated_multiply_npu1(const uint8_t* a, const float* sums, const bfloat16* scales,
                                bfloat16* gate) {
  MultiplyGate<kMicroI8Npu1.r>(sums, scales, gate, RowsOf(a));
}
void tandem_gated_join_npu1(const uint8_t* a, const GatedHalf* first, const GatedHalf* second,
                            uint8_t* sums) {
  JoinHalves<kMicroI8Npu1.r>(first, second, RowsOf(a), !IsOfProduct(HeaderOfA(a)), sums);
}
void tandem_rows_leave_npu1(const uint8_t* a, const uint8_t* b, const bfloat16* values,
                            RowTile* sums) {
  LeaveRows<kMicroI8Npu1.r>(values, RowsOf(a), HeaderOf(b).leaves, sums);
}
void tandem_rows_cut_npu1(const uint8_t* a, const RowFactors* factors, bfloat16* gate) {
  CutGates<kMicroI8Npu1.r>(RowTileOf(a), RowsOf(a), *factors, gate);
}
void tandem_rows_norm_npu1(const uint8_t* a, const uint8_t* b, const NormColumns* columns,
                           const RowFactors* factors, GatedHalf* first, GatedHalf* second,
                           NormedTile* sums) {
  NormRows<kMicroI8Npu1.r>(a, b, *columns, *factors, first, second, &sums->own);
}
#endif
#if !defined(__AIEARCH__) || __AIEARCH__ == 21
void tandem_gemm_i8_npu2(const uint8_t* a, const uint8_t* b, int32_t* sums) {
  GemmI8<kMicroI8Npu2.r>(a, b, sums);
}
void tandem_gemm_i8_f32_npu2(const uint8_t* a, const uint8_t* b, float* sums) {
  GemmI8<kMicroI8Npu2.r>(a, b, sums);
}
void tandem_gemm_i4_npu2(const uint8_t* a, const uint8_t* b, int8_t* wide, int32_t* sums) {
  GemmI4<kMicroI8Npu2.r>(a, b, wide, sums);
}
void tandem_gemm_i4_f32_npu2(const uint8_t* a, const uint8_t* b, int8_t* wide, float* sums) {
  GemmI4<kMicroI8Npu2.r>(a, b, wide, sums);
}
void tandem_gated_hold_npu2(const uint8_t* a, const float* sums, const bfloat16* scales,
                            const RowFactors* factors, bfloat16* gate) {
  Hold<kMicroI8Npu2.r>(a, sums, scales, factors, gate);
}
void tandem_gated_multiply_npu2(const uint8_t* a, const float* sums, const bfloat16* scales,
                                bfloat16* gate) {
  MultiplyGate<kMicroI8Npu2.r>(sums, scales, gate, RowsOf(a));
}
void tandem_gated_join_npu2(const uint8_t* a, const GatedHalf* first, const GatedHalf* second,
                            uint8_t* sums) {
  JoinHalves<kMicroI8Npu2.r>(first, second, RowsOf(a), !IsOfProduct(HeaderOfA(a)), sums);
}
void tandem_rows_leave_npu2(const uint8_t* a, const uint8_t* b, const bfloat16* values,
                            RowTile* sums) {
  LeaveRows<kMicroI8Npu2.r>(values, RowsOf(a), HeaderOf(b).leaves, sums);
}
void tandem_rows_cut_npu2(const uint8_t* a, const RowFactors* factors, bfloat16* gate) {
  CutGates<kMicroI8Npu2.r>(RowTileOf(a), RowsOf(a), *factors, gate);
}
void tandem_rows_norm_npu2(const uint8_t* a, const uint8_t* b, const NormColumns* columns,
                           const RowFactors* factors, GatedHalf* first, GatedHalf* second,
                           NormedTile* sums) {
  NormRows<kMicroI8Npu2.r>(a, b, *columns, *factors, first, second, &sums->own);
}
#endif

void tandem_gated_scales(const uint8_t* b, bfloat16* scales) {
  GatherScales(*reinterpret_cast<const WeightTileHeader*>(b), scales);
}

void tandem_rows_sum(const uint8_t* a, const uint8_t* b, RowFactors* factors) {
  AddRowSums(a, *reinterpret_cast<const RowSumHeader*>(b), factors);
}

void tandem_rows_columns(const uint8_t* b, NormColumns* columns) { StartNorm(b, columns); }

void tandem_rows_steps(const GatedHalf* first, const GatedHalf* second, RowFactors* factors) {
  KeepSteps(first, second, factors);
}

void tandem_gated_keep(const GatedHalf* half, GatedHalf* kept) { KeepHalf(half, kept); }

void tandem_gemm_bf16(const uint8_t* a, const uint8_t* b, float* sums) {
  SetModes();
  MultiplyTile<kTileKBf16, kTileN, kMicroBf16.r, kMicroBf16.s, kMicroBf16.t, accfloat>(
      ValuesOfA<bfloat16>(a), ValuesOf<bfloat16>(b), sums, RowsOf(a), IsFirst(b));
}

void tandem_narrow_i8(const uint8_t* b, const int32_t* sums, int8_t* out) {
  Narrow<acc32>(b, sums, out);
}
void tandem_narrow_i16(const uint8_t* b, const int32_t* sums, int16_t* out) {
  Narrow<acc32>(b, sums, out);
}
void tandem_narrow_bf16(const uint8_t* b, const float* sums, bfloat16* out) {
  Narrow<accfloat>(b, sums, out);
}

void tandem_attention_queries(const uint8_t* tile, uint8_t* queries, AttentionState* state) {
  StartQueries(tile, queries, state);
}
void tandem_attention_keys(const uint8_t* tile, const uint8_t* queries, AttentionState* state,
                           uint8_t* scratch, bfloat16* weights) {
  WeighKeys(tile, queries, state, scratch, weights);
}
void tandem_attention_values(const uint8_t* tile, AttentionState* state, const bfloat16* weights,
                             float* sums) {
  AddValues(tile, state, weights, sums);
}
void tandem_attention_finish(AttentionState* state, float* sums) { FinishSums(state, sums); }

}  // extern "C"
