// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The inner loops that are compiled once per instruction set. Two rules hold on every level:
//
//   A row of the result does not depend on how many rows there are: one token alone, eight drafts
//   or a chunk of a prompt give the same bits.
//   Products of quantised weights are the same bits on all levels. Sums of a group of weights are
//   integers and so exact; the float operations that join the groups are the same ones in the same
//   order. Float weights agree across levels within rounding only.
//
// Immutable tables of functions; safe for any number of threads. They take memory from the caller.
#pragma once

#include <cstddef>
#include <cstdint>

#include "devices/cpu/isa.h"
#include "formats/weight_view.h"

namespace tandem::cpu {

struct NeuronWeights;  // neuron_weights.h
struct LiveInputs;

/// Weight rows that are multiplied together at most.
inline constexpr int kPanelRows = 32;

/// What a group of 16 or 32 activations needs besides its bytes.
struct Int8Group {
  float scale;     ///< x = scale * q
  float sum;       ///< scale * sum of q, for weights with a minimum
  int32_t offset;  ///< -128 * sum of q: takes back what makes weights unsigned
};

/// Activation rows that lie together: a tile of them is walked by one pointer.
inline constexpr int kTileRows = 8;

/// Activation rows in 8 bits, by tiles of `tile` rows: kTileRows, or 1 for a single row. The last
/// tile has room for all of its rows.
///   q      [tiles, cols / 4, tile, 4]
///   groups [tiles, cols / group, tile]
/// Int8Buffer (int8_buffer.h) owns such rows.
struct Int8Rows {
  const int8_t* q = nullptr;
  const Int8Group* groups = nullptr;
  int64_t rows = 0;
  int64_t cols = 0;
  int group = 32;
  int tile = 1;
};

/// Products of weights and activation rows.
struct IsaKernels {
  /// Weights per scale of `type`, 16 or 32; 0 for a type that is multiplied in float.
  int (*group_of)(DType type);
  /// One activation row of `cols` values (a multiple of 32) in 8 bits, in groups of `group`, to its
  /// place in a tile of `tile` rows: q and groups are the row's first there. A value that is not
  /// finite makes the scales of its 32 NaN, and so the results.
  void (*quantize)(const float* x, int64_t cols, int group, int tile, int8_t* q, Int8Group* groups);
  /// y[t * y_stride + i] = dot(row index[i] of w, row t of x), i < count <= kPanelRows.
  /// REQUIRES: x.group == group_of(w.type), x.cols == w.cols.
  void (*multiply_int8)(const WeightView& w, const int64_t* index, int count, const Int8Rows& x,
                        float* y, int64_t y_stride);
  /// The same for weights of type F32, F16 or BF16 and x [rows, w.cols] with a stride.
  void (*multiply_float)(const WeightView& w, const int64_t* index, int count, const float* x,
                         int64_t x_stride, int64_t rows, float* y, int64_t y_stride);
  /// Rows [panel * kPanelRows, + kPanelRows) of w, as far as there are, to their place in `to`.
  /// Whether all scales are finite: the product of a zero and one that is not could not be left
  /// out. REQUIRES: group_of(w.type) != 0.
  bool (*pack_neurons)(const WeightView& w, int64_t panel, const NeuronWeights& to);
  /// y[i] = the product of row begin * kPanelRows + i and x, for the rows of panels [begin, end).
  /// The same bits as multiply_int8 gives.
  void (*multiply_neurons)(const NeuronWeights& w, const LiveInputs& x, int64_t begin, int64_t end,
                           float* y);
};

/// Keys or values of one head at consecutive positions.
struct KvRows {
  DType type = DType::kF32;  ///< kF32, kF16, kQ8_0
  const std::byte* data = nullptr;
  int64_t stride = 0;  ///< Bytes from one position to the next.
  int64_t count = 0;
  int64_t dims = 0;
};

/// Loops over float rows of n values. Rows may have any address. Every level has all of them.
struct RowKernels {
  /// y = w * x / sqrt(mean(x^2) + eps); no weight when `w` is null. In place is allowed.
  void (*rms_norm)(const float* x, const float* w, float eps, int64_t n, float* y);
  /// y += x
  void (*add)(const float* x, int64_t n, float* y);
  /// y = (a + y + b) * factor; no b when it is null.
  void (*add_mix)(const float* a, const float* b, float factor, int64_t n, float* y);
  /// y = factor * x * w; no weight when `w` is null. In place is allowed.
  void (*scale)(const float* x, const float* w, float factor, int64_t n, float* y);
  float (*dot)(const float* a, const float* b, int64_t n);
  /// s[r * s_stride + p] = scale * dot(row r of q, key p), r < queries.
  void (*scores)(const float* q, int64_t q_stride, int queries, const KvRows& keys, float scale,
                 float* s, int64_t s_stride);
  /// row r of out += sum_p s[r * s_stride + p] * value p, in the order of p.
  void (*add_values)(const float* s, int64_t s_stride, int queries, const KvRows& values,
                     float* out, int64_t out_stride);
  /// Half precision, rounded to the nearest.
  void (*to_half)(const float* x, int64_t n, uint16_t* y);
  /// x[i] = exp(x[i] - highest); returns the sum.
  float (*exp_sum)(float highest, int64_t n, float* x);
  /// y[i] = gelu(x[i]) * y[i], GELU by tanh: 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
  void (*gelu_times)(const float* x, int64_t n, float* y);
  /// x[i] = cap * tanh(x[i] / cap)
  void (*soft_cap)(float cap, int64_t n, float* x);
  /// x[i] = max(0, x[i] - (mean + multiplier * deviation)) of the row's own mean and population
  /// standard deviation. Mean first, then the deviation around it: the one-pass formula loses the
  /// deviation to cancellation when the mean is large.
  void (*cut_below)(float multiplier, int64_t n, float* x);
  /// RoPE of one head of 2 * half values: pairs (i, i + half).
  void (*rotate)(const float* cosine, const float* sine, int64_t half, float* head);
  /// out[j] = streams[j] + sum_k c[streams * j + k] streams[k] for `count` streams, a plane apart
  /// in both.
  void (*predict)(const float* streams, int64_t plane, int count, const float* c, int64_t n,
                  float* out);
  /// y = prediction + c * (h - active)
  void (*correct)(float c, const float* h, const float* active, const float* prediction, int64_t n,
                  float* y);
};

/// What the processor can do at most, for the kernels to be compared with.
struct PeakLoops {
  /// As many multiply-adds of bytes (of floats) as the level's instructions can do, on registers
  /// alone; returns how many. `sink` gets a result, so that none is left out.
  int64_t (*int8)(int64_t rounds, float* sink);
  int64_t (*floats)(int64_t rounds, float* sink);
  /// Sum of the 64-bit words at `p`: a plain read. REQUIRES: n is a multiple of 256.
  uint64_t (*read_sum)(const std::byte* p, int64_t n);
};

/// REQUIRES: an available level other than kReference.
const IsaKernels& KernelsOf(Isa isa);
/// REQUIRES: an available level.
const RowKernels& RowKernelsOf(Isa isa);
/// Those of the portable level for kReference. REQUIRES: an available level.
const PeakLoops& PeakLoopsOf(Isa isa);

}  // namespace tandem::cpu
