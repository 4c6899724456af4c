// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What attention needs beside the scores and sums of RowKernels, for each level.
#pragma once

#include <cstdint>

#include "devices/cpu/isa.h"
#include "devices/cpu/isa_kernels.h"

namespace tandem::cpu {

struct AttentionKernels {
  /// Keys or values as floats, [count, dims]: what `scores` and `add_values` of RowKernels compute
  /// with. REQUIRES: for kQ8_0 dims is a multiple of 32.
  void (*unpack)(const KvRows& rows, float* out);
  /// The largest of n values, NaN left out; minus infinity of none.
  float (*highest)(const float* x, int64_t n);
  /// Whether halves are read about as fast as floats, so that unpacking them would be lost work.
  bool reads_halves;
};

/// REQUIRES: an available level.
const AttentionKernels& AttentionKernelsOf(Isa isa);

// NOLINTBEGIN(bugprone-macro-parentheses): a namespace's name
#define TANDEM_DECLARE_ATTENTION_KERNELS(isa)  \
  namespace isa {                              \
  void Unpack(const KvRows& rows, float* out); \
  float Highest(const float* x, int64_t n);    \
  }
TANDEM_DECLARE_ATTENTION_KERNELS(reference)
TANDEM_DECLARE_ATTENTION_KERNELS(portable)
TANDEM_DECLARE_ATTENTION_KERNELS(avx2)
TANDEM_DECLARE_ATTENTION_KERNELS(avx512)
// NOLINTEND(bugprone-macro-parentheses)

}  // namespace tandem::cpu
