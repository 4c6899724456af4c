// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Entries of the kernels of attention, as core programs call them.
#include "devices/npu/kernels/attention_kernels.h"

using namespace tandem::npu;           // NOLINT(google-build-using-namespace): C names only
using namespace tandem::npu::kernels;  // NOLINT(google-build-using-namespace)

extern "C" {

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
