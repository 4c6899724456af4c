// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Declarations of the functions behind IsaKernels and RowKernels, for each level. The files that
// define them are compiled once per level, with TANDEM_ISA naming the namespace; the reference's
// row kernels are in kernels.cc.
#pragma once

#include "devices/cpu/isa_kernels.h"
#include "devices/cpu/neuron_weights.h"

// NOLINTBEGIN(bugprone-macro-parentheses): a namespace's name
#define TANDEM_DECLARE_KERNELS(isa)                                                               \
  namespace isa {                                                                                 \
  int GroupOf(DType type);                                                                        \
  void Quantize(const float* x, int64_t cols, int group, int tile, int8_t* q, Int8Group* groups); \
  void MultiplyInt8(const WeightView& w, const int64_t* index, int count, const Int8Rows& x,      \
                    float* y, int64_t y_stride);                                                  \
  void MultiplyFloat(const WeightView& w, const int64_t* index, int count, const float* x,        \
                     int64_t x_stride, int64_t rows, float* y, int64_t y_stride);                 \
  bool PackNeurons(const WeightView& w, int64_t panel, const NeuronWeights& to);                  \
  void MultiplyNeurons(const NeuronWeights& w, const LiveInputs& x, int64_t begin, int64_t end,   \
                       float* y);                                                                 \
  }
#define TANDEM_DECLARE_ROW_KERNELS(isa)                                                           \
  namespace isa {                                                                                 \
  void RmsNorm(const float* x, const float* w, float eps, int64_t n, float* y);                   \
  void Add(const float* x, int64_t n, float* y);                                                  \
  void AddMix(const float* a, const float* b, float factor, int64_t n, float* y);                 \
  void Scale(const float* x, const float* w, float factor, int64_t n, float* y);                  \
  float Dot(const float* a, const float* b, int64_t n);                                           \
  void Scores(const float* q, int64_t q_stride, int queries, const KvRows& keys, float scale,     \
              float* s, int64_t s_stride);                                                        \
  void AddValues(const float* s, int64_t s_stride, int queries, const KvRows& values, float* out, \
                 int64_t out_stride);                                                             \
  void ToHalf(const float* x, int64_t n, uint16_t* y);                                            \
  float ExpSum(float highest, int64_t n, float* x);                                               \
  void GeluTimes(const float* x, int64_t n, float* y);                                            \
  void SoftCap(float cap, int64_t n, float* x);                                                   \
  void CutBelow(float multiplier, int64_t n, float* x);                                           \
  void Rotate(const float* cosine, const float* sine, int64_t half, float* head);                 \
  void Predict(const float* streams, int64_t plane, int count, const float* c, int64_t n,         \
               float* out);                                                                       \
  void Correct(float c, const float* h, const float* active, const float* prediction, int64_t n,  \
               float* y);                                                                         \
  }
#define TANDEM_DECLARE_PEAK_LOOPS(isa)             \
  namespace isa {                                  \
  int64_t PeakInt8(int64_t rounds, float* sink);   \
  int64_t PeakFloat(int64_t rounds, float* sink);  \
  uint64_t ReadSum(const std::byte* p, int64_t n); \
  }

namespace tandem::cpu {
TANDEM_DECLARE_KERNELS(portable)
TANDEM_DECLARE_KERNELS(avx2)
TANDEM_DECLARE_KERNELS(avx512)
TANDEM_DECLARE_ROW_KERNELS(reference)
TANDEM_DECLARE_ROW_KERNELS(portable)
TANDEM_DECLARE_ROW_KERNELS(avx2)
TANDEM_DECLARE_ROW_KERNELS(avx512)
TANDEM_DECLARE_PEAK_LOOPS(portable)
TANDEM_DECLARE_PEAK_LOOPS(avx2)
TANDEM_DECLARE_PEAK_LOOPS(avx512)
}  // namespace tandem::cpu
// NOLINTEND(bugprone-macro-parentheses)
