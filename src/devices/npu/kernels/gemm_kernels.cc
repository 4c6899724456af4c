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

/// The tile of B at hand.
const uint8_t* TileAtHand(const uint8_t* b0, const uint8_t* b1, const TileTurn& turn) {
  return turn.second != 0 ? b1 : b0;
}
bool IsFirst(const TileTurn& turn) { return (turn.flags & (kFirstOfSum | kNextSum)) != 0; }

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

/// The first of A's rows in the step at hand; the next step is the next tile of B's.
int TakeStep(const uint8_t* a, TileTurn* turn) {
  const ActivationTileHeader& header = HeaderOfA(a);
  const auto first = static_cast<int>(turn->step * header.piece_rows);
  turn->step = turn->step + 1 < header.steps ? turn->step + 1 : 0;
  return first + RowsOf(a) <= kTileM ? first : 0;
}

/// What is in attention's state between attentions.
template <typename T>
T* OthersState(AttentionState* state) {
  return reinterpret_cast<T*>(state->first);
}
template <typename T>
const T* OthersState(const AttentionState* state) {
  return reinterpret_cast<const T*>(state->first);
}

/// Sums in integers, or in float by the exponents of A's rows.
template <int R, typename Sum>
void GemmBytes(const uint8_t* a, TileTurn* turn, const int8_t* weights, Sum* sums) {
  SetModes();
  const bool first = IsFirst(*turn);
  const int row = TakeStep(a, turn);
  const auto* const values = ValuesOfA<int8_t>(a) + row * kTileKI8;
  if constexpr (std::is_same_v<Sum, float>) {
    MultiplyScaledTile<kTileKI8, kTileN, R>(values, weights, HeaderOfA(a).exponents + row, sums,
                                            RowsOf(a), first);
  } else {
    MultiplyTile<kTileKI8, kTileN, R, 8, 8, acc32>(values, weights, sums, RowsOf(a), first);
  }
}

template <int R, typename Sum>
void GemmI8(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn, Sum* sums) {
  GemmBytes<R>(a, turn, ValuesOf<int8_t>(TileAtHand(b0, b1, *turn)), sums);
}

template <int R, typename Sum>
void GemmI4(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn, int8_t* wide,
            Sum* sums) {
  SetModes();
  const uint8_t* const b = TileAtHand(b0, b1, *turn);
  const auto* const nibbles = ValuesOf<uint8_t>(b);
  const auto* const ratios =
      reinterpret_cast<const int8_t*>(nibbles + size_t{kTileKI8} * kTileN / 2);
  ExpandWeights<kTileKI8, kTileN>(nibbles, ratios, wide);
  GemmBytes<R>(a, turn, wide, sums);
}

/// The gate, times the rows' factors where they lack them.
template <int R>
void Hold(const uint8_t* a, const float* sums, const AttentionState* state,
          const RowFactors* factors, bfloat16* gate) {
  HoldGate<R>(sums, OthersState<bfloat16>(state), RowsOf(a), gate);
  if (HeaderOfA(a).has_factors != 0) ScaleRows<R>(gate, RowsOf(a), *factors);
}

template <typename Tag, typename Sum, typename Out>
void Narrow(const uint8_t* b0, const uint8_t* b1, const TileTurn* turn, const Sum* sums, Out* out) {
  SetModes();
  NarrowSums<kTileM * kTileN, Tag>(sums, out, HeaderOf(TileAtHand(b0, b1, *turn)).shift);
}

}  // namespace

extern "C" {

#if !defined(__AIEARCH__) || __AIEARCH__ == 20
void tandem_gemm_i8_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn,
                         int32_t* sums) {
  GemmI8<kMicroI8Npu1.r>(a, b0, b1, turn, sums);
}
void tandem_gemm_i8_f32_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn,
                             float* sums) {
  GemmI8<kMicroI8Npu1.r>(a, b0, b1, turn, sums);
}
void tandem_gemm_i4_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn,
                         int8_t* wide, int32_t* sums) {
  GemmI4<kMicroI8Npu1.r>(a, b0, b1, turn, wide, sums);
}
void tandem_gemm_i4_f32_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn,
                             int8_t* wide, float* sums) {
  GemmI4<kMicroI8Npu1.r>(a, b0, b1, turn, wide, sums);
}
void tandem_gated_hold_npu1(const uint8_t* a, const float* sums, const AttentionState* state,
                            const RowFactors* factors, bfloat16* gate) {
  Hold<kMicroI8Npu1.r>(a, sums, state, factors, gate);
}
void tandem_gated_multiply_npu1(const uint8_t* a, const float* sums, const AttentionState* state,
                                bfloat16* gate) {
  MultiplyGate<kMicroI8Npu1.r>(sums, OthersState<bfloat16>(state), gate, RowsOf(a));
}
void tandem_gated_join_npu1(const uint8_t* a, const GatedHalf* first, const GatedHalf* second,
                            uint8_t* sums) {
  JoinHalves<kMicroI8Npu1.r>(first, second, RowsOf(a), !IsOfProduct(HeaderOfA(a)), sums);
}
void tandem_rows_leave_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                            const TileTurn* turn, const bfloat16* values, RowTile* sums) {
  LeaveRows<kMicroI8Npu1.r>(values, RowsOf(a), HeaderOf(TileAtHand(b0, b1, *turn)).leaves, sums);
}
void tandem_rows_cut_npu1(const uint8_t* a, const RowFactors* factors, bfloat16* gate) {
  CutGates<kMicroI8Npu1.r>(RowTileOf(a), RowsOf(a), *factors, gate);
}
void tandem_rows_norm_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                           const TileTurn* turn, const AttentionState* state,
                           const RowFactors* factors, GatedHalf* first, GatedHalf* second,
                           NormedTile* sums) {
  NormRows<kMicroI8Npu1.r>(a, TileAtHand(b0, b1, *turn), *OthersState<NormColumns>(state), *factors,
                           first, second, &sums->own);
}
#endif
#if !defined(__AIEARCH__) || __AIEARCH__ == 21
void tandem_gemm_i8_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn,
                         int32_t* sums) {
  GemmI8<kMicroI8Npu2.r>(a, b0, b1, turn, sums);
}
void tandem_gemm_i8_f32_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn,
                             float* sums) {
  GemmI8<kMicroI8Npu2.r>(a, b0, b1, turn, sums);
}
void tandem_gemm_i4_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn,
                         int8_t* wide, int32_t* sums) {
  GemmI4<kMicroI8Npu2.r>(a, b0, b1, turn, wide, sums);
}
void tandem_gemm_i4_f32_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn,
                             int8_t* wide, float* sums) {
  GemmI4<kMicroI8Npu2.r>(a, b0, b1, turn, wide, sums);
}
void tandem_gated_hold_npu2(const uint8_t* a, const float* sums, const AttentionState* state,
                            const RowFactors* factors, bfloat16* gate) {
  Hold<kMicroI8Npu2.r>(a, sums, state, factors, gate);
}
void tandem_gated_multiply_npu2(const uint8_t* a, const float* sums, const AttentionState* state,
                                bfloat16* gate) {
  MultiplyGate<kMicroI8Npu2.r>(sums, OthersState<bfloat16>(state), gate, RowsOf(a));
}
void tandem_gated_join_npu2(const uint8_t* a, const GatedHalf* first, const GatedHalf* second,
                            uint8_t* sums) {
  JoinHalves<kMicroI8Npu2.r>(first, second, RowsOf(a), !IsOfProduct(HeaderOfA(a)), sums);
}
void tandem_rows_leave_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                            const TileTurn* turn, const bfloat16* values, RowTile* sums) {
  LeaveRows<kMicroI8Npu2.r>(values, RowsOf(a), HeaderOf(TileAtHand(b0, b1, *turn)).leaves, sums);
}
void tandem_rows_cut_npu2(const uint8_t* a, const RowFactors* factors, bfloat16* gate) {
  CutGates<kMicroI8Npu2.r>(RowTileOf(a), RowsOf(a), *factors, gate);
}
void tandem_rows_norm_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                           const TileTurn* turn, const AttentionState* state,
                           const RowFactors* factors, GatedHalf* first, GatedHalf* second,
                           NormedTile* sums) {
  NormRows<kMicroI8Npu2.r>(a, TileAtHand(b0, b1, *turn), *OthersState<NormColumns>(state), *factors,
                           first, second, &sums->own);
}
#endif

void tandem_next_b(const uint8_t* b0, const uint8_t* b1, TileTurn* turn) {
  turn->second = turn->second != 0 ? 0 : 1;
  turn->flags = HeaderOf(TileAtHand(b0, b1, *turn)).flags;
}

void tandem_gated_scales(const uint8_t* b0, const uint8_t* b1, const TileTurn* turn,
                         AttentionState* state) {
  GatherScales(*reinterpret_cast<const WeightTileHeader*>(TileAtHand(b0, b1, *turn)),
               OthersState<bfloat16>(state));
}

void tandem_rows_sum(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, const TileTurn* turn,
                     RowFactors* factors) {
  const uint8_t* const b = TileAtHand(b0, b1, *turn);
  AddRowSums(a, *reinterpret_cast<const RowSumHeader*>(b), factors);
}

void tandem_rows_columns(const uint8_t* b0, const uint8_t* b1, const TileTurn* turn,
                         AttentionState* state) {
  StartNorm(TileAtHand(b0, b1, *turn), OthersState<NormColumns>(state));
}

void tandem_rows_steps(const GatedHalf* first, const GatedHalf* second, RowFactors* factors) {
  KeepSteps(first, second, factors);
}

void tandem_gated_keep(const GatedHalf* half, GatedHalf* kept) { KeepHalf(half, kept); }

void tandem_gemm_bf16(const uint8_t* a, const uint8_t* b0, const uint8_t* b1, TileTurn* turn,
                      float* sums) {
  SetModes();
  const auto* const b = ValuesOf<bfloat16>(TileAtHand(b0, b1, *turn));
  const int row = TakeStep(a, turn);
  MultiplyTile<kTileKBf16, kTileN, kMicroBf16.r, kMicroBf16.s, kMicroBf16.t, accfloat>(
      ValuesOfA<bfloat16>(a) + row * kTileKBf16, b, sums, RowsOf(a), IsFirst(*turn));
}

void tandem_narrow_i8(const uint8_t* b0, const uint8_t* b1, const TileTurn* turn,
                      const int32_t* sums, int8_t* out) {
  Narrow<acc32>(b0, b1, turn, sums, out);
}
void tandem_narrow_i16(const uint8_t* b0, const uint8_t* b1, const TileTurn* turn,
                       const int32_t* sums, int16_t* out) {
  Narrow<acc32>(b0, b1, turn, sums, out);
}
void tandem_narrow_bf16(const uint8_t* b0, const uint8_t* b1, const TileTurn* turn,
                        const float* sums, bfloat16* out) {
  Narrow<accfloat>(b0, b1, turn, sums, out);
}

void tandem_attention_queries(const uint8_t* b0, const uint8_t* b1, const TileTurn* turn,
                              uint8_t* queries, AttentionState* state) {
  StartQueries(TileAtHand(b0, b1, *turn), queries, state);
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
