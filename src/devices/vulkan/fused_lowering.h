// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The patterns of fusion.h as dispatches. Of one row a dispatch is a product (or the attention),
// and what comes between two products (tail.glsl) is done by the last workgroup of the first, as
// its tail, or by every workgroup of the second for itself, as its head;
// shaders/fused_product.comp, fused_tail.comp and fused_attention.comp say what they compute. Of
// several rows (fused_rows.cc) products and attention are the plain kernels, and a tail is a kernel
// of its own with a workgroup for each row.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "devices/vulkan/fusion.h"
#include "devices/vulkan/lowering.h"
#include "devices/vulkan/recorder.h"
#include "devices/vulkan/step_parts.h"
#include "devices/vulkan/weights.h"

namespace tandem::vulkan {

FusionLimits FusionLimitsOf(const Context& context, uint64_t binding_bytes);

/// Rows of a tile of a matrix by columns (Weights::ByColumns) on this device.
uint32_t ColumnTileRows(const Context& context);
/// Whether `down` of this layer is multiplied by columns: where the layer is sparse and the type
/// can be kept so, and not on a card, whose memory is fast enough: an H200 takes 17.0 us for all
/// columns and 18.5 for those of 5 % of the neurons.
bool ByColumns(const GatedMlp& mlp, const Context& context);
/// What fused spans multiply so.
std::vector<WeightView> ColumnsOf(const Program& program, const std::vector<FusedSpan>& spans,
                                  const Context& context);

class FusedLowering : private StepParts {
 public:
  /// `counters`: kFusedCounters words, used in turn, zeros before and after every step.
  /// `plain`: of the same step.
  FusedLowering(const Program& program, Context& context, Weights& weights, StepPlan& plan,
                Recorder& recorder, Lowering& plain, const Tensor& counters, DType kv,
                uint64_t binding_bytes)
      : StepParts(program, plan),
        plain_(plain),
        context_(context),
        weights_(weights),
        recorder_(recorder),
        counters_(counters),
        kv_(kv),
        binding_bytes_(binding_bytes) {}

  /// Span number `index`, which is no plain one. `done` is called after each op of it.
  template <typename Done>
  void Run(std::span<const FusedSpan> spans, size_t index, const Done& done) {
    const FusedSpan& span = spans[index];
    const FusedSpan* next = index + 1 < spans.size() ? &spans[index + 1] : nullptr;
    if (next != nullptr && !next->joined) next = nullptr;
    set_ = program_.ops[span.ops.begin].rows;
    for (size_t at = span.ops.begin; at < span.ops.end; ++at) {
      RunOp(span, at, next);
      done(at);
    }
  }

 private:
  /// What a tail does, in its order; empty parts and spans are left out.
  struct Tail {
    enum class AltUp : uint32_t {
      kNone,
      kCorrect,
      kPredict,
      kPredictMixed,  ///< By mixes that were made ahead.
      kCollapse       ///< The streams' mean.
    };
    enum class Next : uint32_t {
      kNone,
      kNorm,
      kScale
    };
    Part y;
    uint64_t width = 0;
    std::span<const float> post;
    Part a, b, h;
    float mix = 1;
    bool add_streams = false;
    /// Of rows: streams but the first, which is y, are brought to its magnitude, of mean squares no
    /// less than this. They are those of `streams`, or lie in `others`.
    std::optional<float> match;
    Part others;
    AltUp altup = AltUp::kNone;
    const AltUpRouter* router = nullptr;
    std::span<const float> coefficients;
    uint32_t active = 0;
    ValueId streams = kNoId;
    ValueId predictions = kNoId;
    Part mixes;
    Next next = Next::kNone;
    std::span<const float> next_weight;
    Activation out;
    float eps = 0;
    /// Whether the next product alone wants what this makes, so that it may be its head.
    bool leads = false;
    /// Of one that leads: products after the next one read what it makes, too.
    bool kept = false;
    /// Of add_streams: nobody reads the sums but a prediction in the same tail.
    bool store_streams = true;
    /// Of rows, instead of all that: gelu of y cut below mean + this * deviation, times `other`, to
    /// out.
    std::optional<float> cut;
    Part other;
  };
  /// How the results of a product are spread, by the workgroups that have made them.
  struct Spread {
    Part parts;  ///< Number, mean, sum of squares about it, and a float to spare.
    uint32_t count = 0;
  };
  /// What is done with the rows of a product (fused_product.comp).
  enum class End : uint32_t {
    kStore,
    kGated,
    kGatedAlive,
    kGeluTimes
  };
  struct Product {
    std::vector<WeightView> views;  ///< Of the same columns; results one after another.
    Activation x;
    End end = End::kStore;
    Part y;
    Part other;
    Activation out;  ///< Of the gated ends.
    /// Of kStore: leaves this. Of kGatedAlive: that of `other`, which is cut by it below mean +
    /// multiplier * deviation.
    Spread* spread = nullptr;
    float multiplier = 0;
    /// A prediction whose mixes can be made beside the product.
    const AltUpPredict* ahead = nullptr;
    Part mixes;
    std::optional<Tail> tail;
  };
  /// The kernel's numbers, in the order of shaders/fused_push.glsl.
  struct Push;
  using Accesses = std::vector<Access>;

  void RunOp(const FusedSpan& span, size_t at, const FusedSpan* next);
  void Run(const AltUpPredict& op, const FusedSpan& span, const FusedSpan* next);
  void Run(const LaurelAndNorm& op, const FusedSpan& span);
  void Run(const QkvProject& op, const LaurelAndNorm& norm);
  void Run(const Attention& op, const FusedSpan& span);
  void Run(const AttentionOut& op, const FusedSpan* next);
  void Run(const GatedMlp& op, const FusedSpan& span, const FusedSpan* next);
  void Run(const PerLayerMix& op, const FusedSpan& span, const FusedSpan* next);
  void Begin(const FusedSpan& span, const FusedSpan& next);
  void Collapse(const AltUpCollapse& op);
  void Run(const FinalNorm& op, const FusedSpan& span);

  /// What the tail before `next` makes for it, after the tail's own steps.
  void BeginNext(const FusedSpan* next, Tail& tail);
  void NextNorm(const LaurelAndNorm& op, Tail& tail);
  void Predict(const AltUpPredict& op, Tail& tail);
  Part Mixes(const AltUpPredict& op);

  // Of several rows (fused_rows.cc).
  void RunRows(const QkvProject& op, const LaurelAndNorm& norm);
  void RunRows(const Attention& op, const FusedSpan& span);
  void RunRows(const GatedMlp& op, const FusedSpan& span, const FusedSpan* next);
  void RunRows(const PerLayerMix& op, const FusedSpan* next);
  /// A product by the plain kernels, then its tail.
  void MultiplyRows(const Product& product);

  // What comes after the last product of an op.
  Tail LaurelTail(const LaurelAndNorm& op, const Part& y);
  Tail MlpTail(const GatedMlp& op, const FusedSpan& span, const FusedSpan* next);
  Tail PerLayerTail(const PerLayerMix& op, const FusedSpan* next);

  uint64_t rows() const { return plan_.Rows(set_); }
  bool many() const { return rows() > 1; }

  void Multiply(const Product& product);
  /// Products of the same x, one after another in y.
  void MultiplyAll(std::span<const WeightView> views, const Part& x, const Part& y);
  /// What multiplies `product` dispatch by dispatch, after its head if it has one.
  void Multiply(const Product& product, const Tail* head);
  /// Whether the head of a product has made what `ahead` reads, and has numbers to say so.
  bool CanMixAhead(const Tail& head, const AltUpPredict& ahead) const;
  /// Whether a product of one row can make its activations itself by `head`.
  bool CanLead(const Tail& head, const Product& product) const;
  /// Whether gates and ups lie one behind the other.
  bool MultipliesTogether(const GatedMlp& op);
  /// Of so many that share keys, those whose parts attention sums at a time.
  uint32_t HeadsTogether(uint32_t heads) const;
  /// Workgroups of a product with a head, at most: each makes the head's part for itself.
  uint32_t HeadGroups() const;
  /// `product`, whose matrix is kept by columns, of activations that are mostly zero.
  void MultiplySparse(const Product& product);
  void RunTail(const Tail& tail);
  /// What fused kernels bind, the same wherever `weights` are.
  std::vector<Access> CommonBindings(const Tensor& weights);
  /// Up to constant 26, the lanes of a subgroup (shaders/fused.glsl).
  std::vector<uint32_t> WithSubgroup(std::vector<uint32_t> constants) const;
  /// Constants and numbers of a tail, and what it touches.
  void Describe(const Tail& tail, std::vector<uint32_t>& constants, Push& push, Accesses& accesses);

  bool Quantized(const WeightView& view) const { return LayoutOf(view.type).quantized; }
  /// `width` values of each row.
  Activation MakeActivation(size_t slot, uint64_t width, bool floats, bool codes);
  Activation Normed(const LaurelAndNorm& op, const QkvProject& qkv);
  /// What `weights` multiplies: codes where it is quantised, else floats.
  Activation InputOf(const WeightView& weights, size_t slot);
  /// Where a part begins, in floats of the workspace.
  uint32_t At(const Part& part) const;
  uint32_t Quad(const Part& part) const { return At(part) / 4; }
  uint32_t VectorAt(std::span<const float> values);
  uint32_t NextCounter(uint32_t count = 1);

  Lowering& plain_;
  Context& context_;
  Weights& weights_;
  Recorder& recorder_;
  Tensor counters_;
  DType kv_;
  uint64_t binding_bytes_;
  RowSet set_ = RowSet::kAll;
  uint32_t counter_ = 0;
  Tensor bound_weights_;
  std::optional<Tail> head_;             ///< Of the next product.
  const AltUpPredict* mixed_ = nullptr;  ///< Whose mixes were made last.
};

}  // namespace tandem::vulkan
