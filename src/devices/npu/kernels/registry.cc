// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/kernels/registry.h"

#include <cstdint>

#include "devices/npu/kernels/aie.h"
#include "devices/npu/kernels/attention_tile.h"
#include "devices/npu/kernels/gated_tile.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/kernels/row_tile.h"

extern "C" {
void tandem_gemm_i8_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                         tandem::npu::TileTurn* turn, int32_t* sums);
void tandem_gemm_i8_f32_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                             tandem::npu::TileTurn* turn, float* sums);
void tandem_gemm_i4_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                         tandem::npu::TileTurn* turn, int8_t* wide, int32_t* sums);
void tandem_gemm_i4_f32_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                             tandem::npu::TileTurn* turn, int8_t* wide, float* sums);
void tandem_gated_hold_npu1(const uint8_t* a, const float* sums,
                            const tandem::npu::AttentionState* state,
                            const tandem::npu::RowFactors* factors,
                            tandem::npu::native::bfloat16* gate);
void tandem_gated_multiply_npu1(const uint8_t* a, const float* sums,
                                const tandem::npu::AttentionState* state,
                                tandem::npu::native::bfloat16* gate);
void tandem_gated_join_npu1(const uint8_t* a, const tandem::npu::GatedHalf* first,
                            const tandem::npu::GatedHalf* second, uint8_t* sums);
void tandem_rows_leave_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                            const tandem::npu::TileTurn* turn,
                            const tandem::npu::native::bfloat16* values,
                            tandem::npu::RowTile* sums);
void tandem_rows_cut_npu1(const uint8_t* a, const tandem::npu::RowFactors* factors,
                          tandem::npu::native::bfloat16* gate);
void tandem_rows_norm_npu1(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                           const tandem::npu::TileTurn* turn,
                           const tandem::npu::AttentionState* state,
                           const tandem::npu::RowFactors* factors, tandem::npu::GatedHalf* first,
                           tandem::npu::GatedHalf* second, tandem::npu::NormedTile* sums);
void tandem_gemm_i8_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                         tandem::npu::TileTurn* turn, int32_t* sums);
void tandem_gemm_i8_f32_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                             tandem::npu::TileTurn* turn, float* sums);
void tandem_gemm_i4_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                         tandem::npu::TileTurn* turn, int8_t* wide, int32_t* sums);
void tandem_gemm_i4_f32_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                             tandem::npu::TileTurn* turn, int8_t* wide, float* sums);
void tandem_gated_hold_npu2(const uint8_t* a, const float* sums,
                            const tandem::npu::AttentionState* state,
                            const tandem::npu::RowFactors* factors,
                            tandem::npu::native::bfloat16* gate);
void tandem_gated_multiply_npu2(const uint8_t* a, const float* sums,
                                const tandem::npu::AttentionState* state,
                                tandem::npu::native::bfloat16* gate);
void tandem_gated_join_npu2(const uint8_t* a, const tandem::npu::GatedHalf* first,
                            const tandem::npu::GatedHalf* second, uint8_t* sums);
void tandem_rows_leave_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                            const tandem::npu::TileTurn* turn,
                            const tandem::npu::native::bfloat16* values,
                            tandem::npu::RowTile* sums);
void tandem_rows_cut_npu2(const uint8_t* a, const tandem::npu::RowFactors* factors,
                          tandem::npu::native::bfloat16* gate);
void tandem_rows_norm_npu2(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                           const tandem::npu::TileTurn* turn,
                           const tandem::npu::AttentionState* state,
                           const tandem::npu::RowFactors* factors, tandem::npu::GatedHalf* first,
                           tandem::npu::GatedHalf* second, tandem::npu::NormedTile* sums);
void tandem_next_b(const uint8_t* b0, const uint8_t* b1, tandem::npu::TileTurn* turn);
void tandem_gated_scales(const uint8_t* b0, const uint8_t* b1, const tandem::npu::TileTurn* turn,
                         tandem::npu::AttentionState* state);
void tandem_rows_sum(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                     const tandem::npu::TileTurn* turn, tandem::npu::RowFactors* factors);
void tandem_rows_columns(const uint8_t* b0, const uint8_t* b1, const tandem::npu::TileTurn* turn,
                         tandem::npu::AttentionState* state);
void tandem_rows_steps(const tandem::npu::GatedHalf* first, const tandem::npu::GatedHalf* second,
                       tandem::npu::RowFactors* factors);
void tandem_gated_keep(const tandem::npu::GatedHalf* half, tandem::npu::GatedHalf* kept);
void tandem_gemm_bf16(const uint8_t* a, const uint8_t* b0, const uint8_t* b1,
                      tandem::npu::TileTurn* turn, float* sums);
void tandem_narrow_i8(const uint8_t* b0, const uint8_t* b1, const tandem::npu::TileTurn* turn,
                      const int32_t* sums, int8_t* out);
void tandem_narrow_i16(const uint8_t* b0, const uint8_t* b1, const tandem::npu::TileTurn* turn,
                       const int32_t* sums, int16_t* out);
void tandem_narrow_bf16(const uint8_t* b0, const uint8_t* b1, const tandem::npu::TileTurn* turn,
                        const float* sums, tandem::npu::native::bfloat16* out);
void tandem_attention_queries(const uint8_t* b0, const uint8_t* b1,
                              const tandem::npu::TileTurn* turn, uint8_t* queries,
                              tandem::npu::AttentionState* state);
void tandem_attention_keys(const uint8_t* tile, const uint8_t* queries,
                           tandem::npu::AttentionState* state, uint8_t* scratch,
                           tandem::npu::native::bfloat16* weights);
void tandem_attention_values(const uint8_t* tile, tandem::npu::AttentionState* state,
                             const tandem::npu::native::bfloat16* weights, float* sums);
void tandem_attention_finish(tandem::npu::AttentionState* state, float* sums);
}

namespace tandem::npu {
namespace {

/// Calls a kernel with as many buffers as it has arguments.
template <auto Function>
struct Caller;
template <typename... Arguments, void (*Function)(Arguments*...)>
struct Caller<Function> {
  static void Run(std::byte* const* buffers) {
    [&]<size_t... I>(std::index_sequence<I...>) {
      Function(reinterpret_cast<Arguments*>(buffers[I])...);
    }
    (std::index_sequence_for<Arguments...>());
  }
};

constexpr size_t kOuts = size_t{kTileM} * kTileN;
constexpr size_t kTurnBytes = sizeof(TileTurn);
constexpr size_t kI8Buffers[] = {kTileABytes, kTileBBytes, kTileBBytes, kTurnBytes, kTileSumBytes};
constexpr size_t kI4Buffers[] = {
    kTileABytes, kTileB4Bytes, kTileB4Bytes, kTurnBytes, size_t{kTileKI8} * kTileN, kTileSumBytes};
constexpr size_t kNextB[] = {kTileHeaderBytes, kTileHeaderBytes, kTurnBytes};
constexpr size_t kNarrow1[] = {kTileHeaderBytes, kTileHeaderBytes, kTurnBytes, kTileSumBytes,
                               kOuts};
constexpr size_t kNarrow2[] = {kTileHeaderBytes, kTileHeaderBytes, kTurnBytes, kTileSumBytes,
                               2 * kOuts};

constexpr size_t kStateBytes = sizeof(AttentionState);
constexpr size_t kStart[] = {kQueryPartBytes, kQueryPartBytes, kTurnBytes, kQueryBytes,
                             kStateBytes};
constexpr size_t kWeigh[] = {kTileABytes, kQueryBytes, kStateBytes, kAttentionScoreBytes,
                             kAttentionWeightBytes};
constexpr size_t kAdd[] = {kTileABytes, kStateBytes, kAttentionWeightBytes, kAttentionSumBytes};
constexpr size_t kFinish[] = {kStateBytes, kAttentionSumBytes};

constexpr size_t kGatherScales[] = {kTileHeaderBytes, kTileHeaderBytes, kTurnBytes, kStateBytes};
constexpr size_t kHoldGate[] = {kActivationHeaderBytes, kTileSumBytes, kStateBytes,
                                sizeof(RowFactors), kGateBytes};
constexpr size_t kMultiplyGate[] = {kActivationHeaderBytes, kTileSumBytes, kStateBytes, kGateBytes};
constexpr size_t kKeepHalf[] = {sizeof(GatedHalf), sizeof(GatedHalf)};
constexpr size_t kJoinHalves[] = {kActivationHeaderBytes, sizeof(GatedHalf), sizeof(GatedHalf),
                                  kTileABytes};
constexpr size_t kLeaveRows[] = {
    kActivationHeaderBytes, kTileHeaderBytes, kTileHeaderBytes, kTurnBytes, kGateBytes,
    sizeof(RowTile)};
constexpr size_t kSumRows[] = {kTileABytes, kTileHeaderBytes, kTileHeaderBytes, kTurnBytes,
                               sizeof(RowFactors)};
constexpr size_t kKeepSteps[] = {sizeof(GatedHalf), sizeof(GatedHalf), sizeof(RowFactors)};
constexpr size_t kCutGates[] = {kTileABytes, sizeof(RowFactors), kGateBytes};
constexpr size_t kStartNorm[] = {sizeof(NormColumns), sizeof(NormColumns), kTurnBytes, kStateBytes};
constexpr size_t kNormHalves[] = {kTileABytes,       kTileB4Bytes,      kTileB4Bytes,
                                  kTurnBytes,        kStateBytes,       sizeof(RowFactors),
                                  sizeof(GatedHalf), sizeof(GatedHalf), sizeof(NormedTile)};

constexpr Kernel kKernels[] = {
    {"gemm_i8_npu1", kI8Buffers, Caller<tandem_gemm_i8_npu1>::Run},
    {"gemm_i8_f32_npu1", kI8Buffers, Caller<tandem_gemm_i8_f32_npu1>::Run},
    {"gemm_i4_npu1", kI4Buffers, Caller<tandem_gemm_i4_npu1>::Run},
    {"gemm_i4_f32_npu1", kI4Buffers, Caller<tandem_gemm_i4_f32_npu1>::Run},
    {"gemm_i8_npu2", kI8Buffers, Caller<tandem_gemm_i8_npu2>::Run},
    {"gemm_i8_f32_npu2", kI8Buffers, Caller<tandem_gemm_i8_f32_npu2>::Run},
    {"gemm_i4_npu2", kI4Buffers, Caller<tandem_gemm_i4_npu2>::Run},
    {"gemm_i4_f32_npu2", kI4Buffers, Caller<tandem_gemm_i4_f32_npu2>::Run},
    {"gemm_bf16", kI8Buffers, Caller<tandem_gemm_bf16>::Run},
    {"narrow_i8", kNarrow1, Caller<tandem_narrow_i8>::Run},
    {"narrow_i16", kNarrow2, Caller<tandem_narrow_i16>::Run},
    {"narrow_bf16", kNarrow2, Caller<tandem_narrow_bf16>::Run},
    {"next_b", kNextB, Caller<tandem_next_b>::Run},
    {"gated_keep", kKeepHalf, Caller<tandem_gated_keep>::Run},
    {"gated_scales", kGatherScales, Caller<tandem_gated_scales>::Run},
    {"gated_hold_npu1", kHoldGate, Caller<tandem_gated_hold_npu1>::Run},
    {"gated_multiply_npu1", kMultiplyGate, Caller<tandem_gated_multiply_npu1>::Run},
    {"gated_join_npu1", kJoinHalves, Caller<tandem_gated_join_npu1>::Run},
    {"rows_leave_npu1", kLeaveRows, Caller<tandem_rows_leave_npu1>::Run},
    {"rows_cut_npu1", kCutGates, Caller<tandem_rows_cut_npu1>::Run},
    {"rows_norm_npu1", kNormHalves, Caller<tandem_rows_norm_npu1>::Run},
    {"gated_hold_npu2", kHoldGate, Caller<tandem_gated_hold_npu2>::Run},
    {"gated_multiply_npu2", kMultiplyGate, Caller<tandem_gated_multiply_npu2>::Run},
    {"gated_join_npu2", kJoinHalves, Caller<tandem_gated_join_npu2>::Run},
    {"rows_leave_npu2", kLeaveRows, Caller<tandem_rows_leave_npu2>::Run},
    {"rows_cut_npu2", kCutGates, Caller<tandem_rows_cut_npu2>::Run},
    {"rows_norm_npu2", kNormHalves, Caller<tandem_rows_norm_npu2>::Run},
    {"rows_columns", kStartNorm, Caller<tandem_rows_columns>::Run},
    {"rows_steps", kKeepSteps, Caller<tandem_rows_steps>::Run},
    {"rows_sum", kSumRows, Caller<tandem_rows_sum>::Run},
    {"attention_queries", kStart, Caller<tandem_attention_queries>::Run},
    {"attention_keys", kWeigh, Caller<tandem_attention_keys>::Run},
    {"attention_values", kAdd, Caller<tandem_attention_values>::Run},
    {"attention_finish", kFinish, Caller<tandem_attention_finish>::Run},
};

}  // namespace

const Kernel* FindKernel(std::string_view name) {
  for (const Kernel& kernel : kKernels) {
    if (kernel.name == name) return &kernel;
  }
  return nullptr;
}

}  // namespace tandem::npu
