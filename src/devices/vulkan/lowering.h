// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Ops as kernels, each by its own lowering (program/op.h): the layer under any fusion. An op may be
// placed here alone.
#pragma once

#include <cstdint>
#include <functional>

#include "devices/device.h"
#include "devices/vulkan/gemm_check.h"
#include "devices/vulkan/recorder.h"
#include "devices/vulkan/step_parts.h"
#include "devices/vulkan/weights.h"

namespace tandem::vulkan {

/// Head dimensions and AltUp streams that the kernels have room for.
inline constexpr int64_t kMaxHeadDims = 512;
inline constexpr int64_t kMaxStreams = 16;

/// Counters of workgroups that finish, of the fused kernels and of attention in tiles.
inline constexpr uint32_t kFusedCounters = 256;
inline constexpr uint32_t kTileCounters = kFusedCounters;  ///< Where the latter begin.
inline constexpr uint32_t kCounterWords = kFusedCounters + 1024;

/// Keys or values of a cache, for the order of kernels: they are reached by address, so the buffer
/// stands for no memory.
Access CacheAccess(CacheId cache, bool values, bool writes);

/// Whether the columns that an op gathers lie one after another, as the kernel takes them.
bool AreTogether(const PleGather& op);
/// Whether the device looks them up: it has the table.
bool IsOnDevice(const Weights& weights, const PleGather& op);

/// Whether the kernels can run `op`; `binding_bytes` is what a binding reaches.
Support SupportsOp(const Program& program, const Op& op, uint64_t binding_bytes);

class Lowering : public StepParts {
 public:
  /// `counters`: kCounterWords words, zeros before and after every step, or nothing; `drawn`: the
  /// token that was drawn last; `kv` is the type of keys and values; `binding_bytes` what a binding
  /// reaches.
  Lowering(const Program& program, Context& context, Weights& weights, GemmChecks& gemms,
           StepPlan& plan, Recorder& recorder, const Tensor& counters, const Tensor& drawn,
           DType kv, uint64_t binding_bytes)
      : StepParts(program, plan),
        context_(context),
        weights_(weights),
        gemms_(gemms),
        recorder_(recorder),
        counters_(counters),
        drawn_(drawn),
        kv_(kv),
        binding_bytes_(binding_bytes) {}

  void Run(const Op& op);
  /// Others have written activations since, or these alone.
  void Forget() { quantized_ = {}; }
  void Forget(const Part& y);

  /// What the patterns of several rows (fused_rows.cc) are made of.
  /// y [rows, w.rows] = x [rows, w.cols] W^T of x's codes where w is quantised, else of its floats.
  void Multiply(RowSet set, const WeightView& w, const Activation& x, const Part& y);
  /// Products of the same x, of the same number of rows each, one after another in y.
  void MultiplyAll(RowSet set, std::span<const WeightView> views, const Part& x, const Part& y) {
    set_ = set;
    MatMulAll(views, x, y);
  }
  /// What products in 8 bits of the rows of x find until Forget(): the caller fills it.
  Activation CodesOf(const Part& x);
  /// The per-layer inputs from their projections.
  void NormInputs(RowSet set, const PleProject& op, const Part& projected);
  /// Brings x to 8 bits.
  void Quantize(const Part& x, const Part& codes, const Part& groups);
  /// codes and groups of gelu(a) * b.
  void GatedCodes(const Part& a, const Part& b, const Part& codes, const Part& groups);
  /// Norms and angles of q, keys and values, and these to the cache.
  void AllHeads(RowSet set, const QkvProject& op, const Part& keys, const Part& values);
  void Attend(RowSet set, const Attention& op);
  void Gated(const Part& a, const Part& b, const Part& y);

 private:
  // In the order of the files: lower_ops.cc, lower_attention.cc.
  void Lower(const EmbedTokens& op);
  void Lower(const PleGather& op);
  void Lower(const PleProject& op);
  void Lower(const AltUpExpand& op);
  void Lower(const AltUpPredict& op);
  void Lower(const GatedMlp& op);
  void Lower(const AltUpCorrect& op);
  void Lower(const PerLayerMix& op);
  void Lower(const AltUpCollapse& op);
  void Lower(const FinalNorm& op);
  void Lower(const LmHead& op);
  void Lower(const SelectRows& op);
  void Lower(const LaurelAndNorm& op);
  void Lower(const QkvProject& op);
  void Lower(const Attention& op);
  void Lower(const AttentionOut& op);

  uint64_t rows() const { return plan_.Rows(set_); }
  Access Vector(std::span<const float> values) {
    return Constant(weights_.Vector(program_, values));
  }

  /// Columns [first_col, first_col + count) of the rows' tokens in a table, `plane` of them a plane
  /// of y.
  struct LookUpArgs {
    const WeightView* table = nullptr;
    Part y;
    float scale = 1;
    uint64_t vocab = 0;  ///< Tokens beyond read row 0.
    uint64_t first_col = 0;
    uint64_t count = 0;
    uint64_t plane = 0;
  };
  void LookUp(const LookUpArgs& args);

  /// y [rows, w.rows] = x [rows, w.cols] W^T, soft-capped where cap is not 0.
  void MatMul(const WeightView& w, const Part& x, const Part& y, float cap = 0);
  /// Products of the same x, of the same number of rows each, one after another in y.
  void MatMulAll(std::span<const WeightView> views, const Part& x, const Part& y);
  void MatMul(const DeviceMatrix& w, const Part& x, const Part& y, float cap);
  /// The part of a product whose weights are rows [first, first + count).
  Access OutRows(const Part& y, int64_t first, int64_t count) const;
  void MatMulInt8(const DeviceMatrix& w, const Part& codes, const Part& groups, const Part& y,
                  float cap);
  void MatMulFloat(const DeviceMatrix& w, const Part& x, const Part& y, float cap);
  /// Brings x to 8 bits in the scratch for that, unless it is what was last.
  Activation Quantized(const Part& x, uint64_t cols);

  struct NormArgs {
    Part x, y;
    const Part* a = nullptr;
    const Part* b = nullptr;
    std::span<const float> weight = {};
    float eps = 0;
    float in_scale = 1;
    float mix = 1;
    bool norm = true;
    uint64_t add_planes = 0;  ///< y is added to this many planes, not written.
    uint64_t width = 0;
    uint64_t rows = 0;
  };
  void Norm(const NormArgs& args);
  void Route(const AltUpRouter& router, const Part& x, std::span<const float> coefficients,
             int active, ValueId in, ValueId out, bool correct);
  struct HeadsArgs {
    Part x, y;
    int heads = 0;
    bool normed = true;
    std::span<const float> weight = {};
    bool rotate = true;
    CacheId cache = kNoId;  ///< Where keys or values go; none: only to y.
    bool value = false;
  };
  void Heads(const QkvProject& op, const HeadsArgs& args);

  Context& context_;
  Weights& weights_;
  GemmChecks& gemms_;
  Recorder& recorder_;
  Tensor counters_;
  Tensor drawn_;
  DType kv_;
  uint64_t binding_bytes_;
  RowSet set_ = RowSet::kAll;
  Part quantized_;  ///< What the scratch of 8-bit activations holds; no count: nothing.
};

}  // namespace tandem::vulkan
