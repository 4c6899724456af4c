// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Ops of the patterns as products and tails.
#include "devices/vulkan/fused_lowering.h"

#include <algorithm>

#include "devices/vulkan/fused_limits.h"
#include "devices/vulkan/fused_slots.h"

namespace tandem::vulkan {
namespace {

constexpr uint32_t kMostSplits = 32;
// Positions that are worth a workgroup of attention: a tile of its keys.
constexpr uint32_t kLeastPositions = 32;

uint32_t Bits(bool on) { return on ? 1U : 0U; }

template <typename T>
const T& OpAt(const Program& program, size_t at) {
  return std::get<T>(program.ops[at].body);
}

}  // namespace

FusionLimits FusionLimitsOf(const Context& context, uint64_t binding_bytes) {
  return {binding_bytes, context.subgroup(), context.fused_threads()};
}

uint32_t ColumnTileRows(const Context& context) { return 8 * std::min(16U, context.subgroup()); }

bool ByColumns(const GatedMlp& mlp, const Context& context) {
  return mlp.sparse && context.info().unified && HasColumns(mlp.down, ColumnTileRows(context));
}

std::vector<WeightView> ColumnsOf(const Program& program, const std::vector<FusedSpan>& spans,
                                  const Context& context) {
  std::vector<WeightView> views;
  for (const FusedSpan& span : spans) {
    if (span.pattern != Pattern::kMlp) continue;
    const auto& mlp = OpAt<GatedMlp>(program, span.ops.begin);
    if (ByColumns(mlp, context)) views.push_back(mlp.down);
  }
  return views;
}

FusedLowering::Activation FusedLowering::MakeActivation(size_t slot, uint64_t width, bool floats,
                                                        bool codes) {
  Activation made;
  if (floats) made.floats = Scratch(slot, rows() * width);
  if (codes) {
    made.codes = Scratch(slot + 1, rows() * width / 4);
    made.groups = Scratch(slot + 2, rows() * width / 32 * 2);
  }
  return made;
}

FusedLowering::Activation FusedLowering::Normed(const LaurelAndNorm& op, const QkvProject& qkv) {
  bool codes = false;
  for (const WeightView& view : ProjectionsOf(op, qkv)) codes = codes || Quantized(view);
  Activation normed = MakeActivation(kNormedSlot, Width(op.normed), false, codes);
  normed.floats = All(op.normed);
  return normed;
}
FusedLowering::Activation FusedLowering::InputOf(const WeightView& weights, size_t slot) {
  const bool codes = Quantized(weights);
  return MakeActivation(slot, static_cast<uint64_t>(weights.cols), !codes, codes);
}

void FusedLowering::RunOp(const FusedSpan& span, size_t at, const FusedSpan* next) {
  const OpBody& body = program_.ops[at].body;
  switch (span.pattern) {
    case Pattern::kPlain: return;
    case Pattern::kPredict: return Run(std::get<AltUpPredict>(body), span, next);
    case Pattern::kAttention: {
      const size_t first = span.ops.begin;
      if (at == first) return Run(std::get<LaurelAndNorm>(body), span);
      if (at == first + 1) {
        return Run(std::get<QkvProject>(body), OpAt<LaurelAndNorm>(program_, first));
      }
      if (at == first + 2) {
        return Run(std::get<Attention>(body), span);
      }
      return Run(std::get<AttentionOut>(body), next);
    }
    case Pattern::kMlp:
      if (at == span.ops.begin) Run(std::get<GatedMlp>(body), span, next);
      return;  // the correction is part of its last tail
    case Pattern::kPerLayer: return Run(std::get<PerLayerMix>(body), span, next);
    case Pattern::kBegin:
      if (at == span.ops.begin) Begin(span, *next);
      return;
    case Pattern::kEnd:
      if (at == span.ops.begin) return Collapse(std::get<AltUpCollapse>(body));
      return Run(std::get<FinalNorm>(body), span);
  }
}

void FusedLowering::NextNorm(const LaurelAndNorm& op, Tail& tail) {
  tail.next = Tail::Next::kNorm;
  tail.next_weight = op.norm;
}

void FusedLowering::Predict(const AltUpPredict& op, Tail& tail) {
  const bool mixed = mixed_ == &op;
  tail.altup = mixed ? Tail::AltUp::kPredictMixed : Tail::AltUp::kPredict;
  if (mixed) tail.mixes = Mixes(op);
  tail.router = &op.router;
  tail.coefficients = op.coefficients;
  tail.active = static_cast<uint32_t>(op.active);
  tail.streams = op.streams;
  tail.predictions = op.predictions;
  tail.eps = op.router.eps;
}

FusedLowering::Part FusedLowering::Mixes(const AltUpPredict& op) {
  const uint64_t streams = Planes(op.streams);
  return Scratch(kMixesSlot, streams * streams);
}

void FusedLowering::BeginNext(const FusedSpan* next, Tail& tail) {
  if (next == nullptr) return;
  const size_t at = next->ops.begin;
  tail.leads = true;
  switch (next->pattern) {
    case Pattern::kPlain:
    case Pattern::kBegin:
    case Pattern::kEnd: tail.leads = false; return;
    case Pattern::kPredict: {
      Predict(OpAt<AltUpPredict>(program_, at), tail);
      const auto& norm = OpAt<LaurelAndNorm>(program_, at + 1);
      NextNorm(norm, tail);
      tail.out = Normed(norm, OpAt<QkvProject>(program_, at + 2));
      return;
    }
    case Pattern::kAttention: {
      const auto& norm = OpAt<LaurelAndNorm>(program_, at);
      NextNorm(norm, tail);
      tail.out = Normed(norm, OpAt<QkvProject>(program_, at + 1));
      return;
    }
    case Pattern::kMlp: {
      const auto& mlp = OpAt<GatedMlp>(program_, at);
      tail.next = Tail::Next::kNorm;
      tail.next_weight = mlp.pre_norm;
      tail.out = InputOf(mlp.gate, kMlpInputSlot);
      tail.leads = mlp.sparse || MultipliesTogether(mlp);
      tail.kept = mlp.sparse;
      return;
    }
    case Pattern::kPerLayer: {
      const auto& mix = OpAt<PerLayerMix>(program_, at);
      tail.next = Tail::Next::kScale;
      tail.next_weight = mix.scale;
      tail.out = InputOf(mix.gate, kPerLayerSlot);
      return;
    }
  }
}

void FusedLowering::Run(const AltUpPredict& op, const FusedSpan& span, const FusedSpan* next) {
  if (span.joined) return;
  Tail tail;
  tail.width = Width(op.streams);
  Predict(op, tail);
  BeginNext(next, tail);
  tail.y = Plane(op.streams, op.active);
  RunTail(tail);
}

void FusedLowering::Run(const LaurelAndNorm& op, const FusedSpan& span) {
  if (span.joined) return;
  Tail tail;
  tail.y = Plane(op.residual, op.plane);
  tail.width = Width(op.normed);
  tail.eps = op.eps;
  NextNorm(op, tail);
  tail.out = Normed(op, OpAt<QkvProject>(program_, span.ops.begin + 1));
  RunTail(tail);
}

void FusedLowering::Run(const QkvProject& op, const LaurelAndNorm& norm) {
  if (many()) return RunRows(op, norm);
  Product product;
  product.views = ProjectionsOf(norm, op);
  product.x = Normed(norm, op);
  uint64_t rows = 0;
  for (const WeightView& view : product.views) rows += static_cast<uint64_t>(view.rows);
  product.y = Scratch(kProjectionsSlot, rows);
  Multiply(product);
  if (norm.laurel == kNoId) return;
  const auto rank = static_cast<uint64_t>(norm.left.rows);
  Product right;
  right.views = {norm.right};
  right.x.floats = {product.y.tensor, rows - rank, rank};
  right.y = Scratch(kRightSlot, Width(norm.laurel));
  right.tail = LaurelTail(norm, right.y);
  Multiply(right);
}

FusedLowering::Tail FusedLowering::LaurelTail(const LaurelAndNorm& op, const Part& y) {
  Tail tail;
  tail.y = y;
  tail.width = Width(op.laurel);
  tail.post = op.post_norm;
  tail.a = All(op.normed);
  tail.h = All(op.laurel);
  tail.eps = op.eps;
  return tail;
}

void FusedLowering::Run(const Attention& op, const FusedSpan& span) {
  if (many()) return RunRows(op, span);
  const auto& qkv = OpAt<QkvProject>(program_, span.ops.begin + 1);
  const CacheTensor& cache = program_.caches[static_cast<size_t>(op.cache)];
  const auto dims = static_cast<uint64_t>(qkv.head_dim);
  const auto groups = static_cast<uint32_t>(cache.kv_heads);
  const auto heads = static_cast<uint64_t>(op.heads);
  const uint64_t kv_width = dims * groups;
  const bool own = qkv.cache != kNoId;
  // More than a short context has work for, too: an H200 is 1.7 % faster with 32 than with 16.
  const uint32_t splits =
      op.window > 0 ? static_cast<uint32_t>(std::min<int64_t>((op.window + 15) / 16, kMostSplits))
                    : kMostSplits;
  const Part all = Scratch(kProjectionsSlot, 0);
  const Part q{all.tensor, 0, heads * dims};
  const Part k{all.tensor, q.count, kv_width};
  const Part v{all.tensor, q.count + kv_width, kv_width};
  const auto& next = OpAt<AttentionOut>(program_, span.ops.begin + 3);
  const Activation out = InputOf(next.output, kContextSlot);
  const Part partials = Scratch(kPartialsSlot, groups * splits * (heads / groups) * dims);
  const Part statistics = Scratch(kStatisticsSlot, 4 * groups * splits * (heads / groups));
  const uint64_t bytes = RowBytes(kv_, static_cast<int64_t>(kv_width));
  const RowSet set = program_.ops[span.ops.begin].rows;
  std::vector<Access> also{In(q), Out(partials), Out(statistics), CacheAccess(op.cache, false, own),
                           CacheAccess(op.cache, true, own)};
  Tensor host_keys, host_values;
  if (own) {
    host_keys = plan_.KvToHost(op.cache, set, false, bytes);
    host_values = plan_.KvToHost(op.cache, set, true, bytes);
    also.insert(
        also.end(),
        {In(k), In(v), {host_keys, 0, bytes, true, false}, {host_values, 0, bytes, true, false}});
  }
  for (const Part& part : {out.floats, out.codes, out.groups}) {
    if (!part.empty()) also.push_back(Out(part));
  }
  const auto word_at = [&](const Tensor& tensor, const Tensor& in, uint64_t unit) {
    return tensor.bytes == 0 ? 0U : static_cast<uint32_t>((tensor.offset - in.offset) / unit);
  };
  const Tensor rope = plan_.RopeOf(set, {qkv.rope_theta, qkv.rope_factor}, qkv.head_dim);
  const Tensor workspace = plan_.Workspace();
  const uint32_t counter = NextCounter(groups);
  recorder_.Dispatch(
      Kernel::kFusedAttention,
      WithSubgroup({context_.fused_threads(), Bits(kv_ == DType::kF16), Bits(own),
                    Bits(qkv.norm_value), static_cast<uint32_t>(heads) / groups,
                    static_cast<uint32_t>(dims) / 4, Bits(!out.codes.empty()), splits,
                    kLeastPositions, HeadsTogether(static_cast<uint32_t>(heads) / groups)}),
      CommonBindings({}),
      std::vector<Word>{word_at(rope, plan_.Uploads(), 16),
                        word_at(plan_.SoloTable(set), plan_.Uploads(), 16), Quad(q), Quad(k),
                        Quad(v), Quad(out.floats), At(out.codes), At(out.groups), Quad(partials),
                        Quad(statistics), VectorAt(qkv.q_norm), own ? VectorAt(qkv.k_norm) : 0U,
                        word_at(host_keys, workspace, 4), word_at(host_values, workspace, 4),
                        op.cache, op.window, counter, op.scale, qkv.eps},
      {splits, groups}, also);
}

bool FusedLowering::MultipliesTogether(const GatedMlp& op) {
  const std::vector<WeightView> both{op.gate, op.up};
  return weights_.Runs(both).size() == 1;
}

uint32_t FusedLowering::HeadsTogether(uint32_t heads) const {
  // Beside what the attention has in shared memory anyway, of the 32 KB that every device has, and
  // some have more.
  const uint32_t room = context_.limits().maxComputeSharedMemorySize - 16384;
  const uint32_t each = context_.fused_threads() * 16;
  return std::clamp(room / each, 1U, std::min(heads, 4U));
}

void FusedLowering::Run(const AttentionOut& op, const FusedSpan* next) {
  Product product;
  product.views = {op.output};
  product.x = InputOf(op.output, kContextSlot);
  if (many() && product.x.codes.empty()) product.x.floats = All(op.context);
  product.y = Scratch(kOutSlot, rows() * Width(op.h));
  Tail tail;
  tail.y = product.y;
  tail.width = Width(op.h);
  tail.post = op.post_norm;
  tail.a = Plane(op.residual, op.plane);
  if (op.laurel != kNoId) tail.b = All(op.laurel);
  tail.mix = op.mix;
  tail.h = All(op.h);
  tail.eps = op.eps;
  BeginNext(next, tail);
  product.tail = tail;
  Multiply(product);
}

void FusedLowering::Run(const GatedMlp& op, const FusedSpan& span, const FusedSpan* next) {
  const auto ffn = static_cast<uint64_t>(op.gate.rows);
  const Activation x = InputOf(op.gate, kMlpInputSlot);
  if (!span.joined) {
    Tail tail;
    tail.y = All(op.h);
    tail.width = Width(op.h);
    tail.eps = op.eps;
    tail.next = Tail::Next::kNorm;
    tail.next_weight = op.pre_norm;
    tail.out = x;
    RunTail(tail);
  }
  Activation neurons = InputOf(op.down, kNeuronsSlot);
  if (many()) return RunRows(op, span, next);
  if (op.sparse) {
    Spread spread;
    const Part gates = Scratch(kGatesSlot, ffn);
    Multiply({.views = {op.gate}, .x = x, .y = gates, .spread = &spread});
    Multiply({.views = {op.up},
              .x = x,
              .end = End::kGatedAlive,
              .other = gates,
              .out = neurons,
              .spread = &spread,
              .multiplier = op.sparsity_multiplier});
  } else if (MultipliesTogether(op)) {
    Multiply({.views = {op.gate, op.up}, .x = x, .end = End::kGated, .out = neurons});
  } else {
    // They were brought to the device apart, for another program: ups first, then gates with them.
    neurons = MakeActivation(kNeuronsSlot, ffn, true, false);
    const Part ups = Scratch(kGatesSlot, ffn);
    Multiply({.views = {op.up}, .x = x, .y = ups});
    Multiply(
        {.views = {op.gate}, .x = x, .end = End::kGeluTimes, .y = neurons.floats, .other = ups});
  }

  Product down;
  down.views = {op.down};
  down.x = neurons;
  down.y = Scratch(kDownSlot, Width(op.out));
  down.tail = MlpTail(op, span, next);
  if (ByColumns(op, context_)) {
    MultiplySparse(down);
  } else {
    Multiply(down);
  }
}

FusedLowering::Tail FusedLowering::MlpTail(const GatedMlp& op, const FusedSpan& span,
                                           const FusedSpan* next) {
  Tail tail;
  tail.y = Scratch(kDownSlot, rows() * Width(op.out));
  tail.width = Width(op.out);
  tail.post = op.post_norm;
  tail.a = All(op.h);
  tail.h = All(op.out);
  tail.eps = op.eps;
  if (span.ops.end - span.ops.begin == 2) {
    const auto& correct = OpAt<AltUpCorrect>(program_, span.ops.begin + 1);
    tail.altup = Tail::AltUp::kCorrect;
    tail.router = &correct.router;
    tail.coefficients = correct.coefficients;
    tail.active = static_cast<uint32_t>(correct.active);
    tail.streams = correct.streams;
    tail.predictions = correct.predictions;
  }
  BeginNext(next, tail);
  return tail;
}

void FusedLowering::Run(const PerLayerMix& op, const FusedSpan& span, const FusedSpan* next) {
  const uint64_t width = Width(op.streams);
  const Activation x = InputOf(op.gate, kPerLayerSlot);
  if (!span.joined) {
    Tail tail;
    tail.y = Plane(op.streams, op.active);
    tail.width = width;
    tail.next = Tail::Next::kScale;
    tail.next_weight = op.scale;
    tail.out = x;
    RunTail(tail);
  }
  if (many()) return RunRows(op, next);
  Product gate;
  gate.views = {op.gate};
  gate.x = x;
  gate.end = End::kGeluTimes;
  gate.other = Plane(op.pli, op.plane);
  gate.y = Scratch(kPerLayerGateSlot, Width(op.pli));
  if (next != nullptr && next->pattern == Pattern::kPredict) {
    gate.ahead = &OpAt<AltUpPredict>(program_, next->ops.begin);
    // Here, so that the plan has room for them before it is known whether the product has a head.
    gate.mixes = Mixes(*gate.ahead);
  }
  Multiply(gate);
  Product projection;
  projection.views = {op.projection};
  projection.x.floats = gate.y;
  projection.y = Scratch(kPerLayerOutSlot, width);
  projection.tail = PerLayerTail(op, next);
  Multiply(projection);
}

void FusedLowering::Begin(const FusedSpan& span, const FusedSpan& next) {
  const auto& project = OpAt<PleProject>(program_, span.ops.begin);
  const auto& expand = OpAt<AltUpExpand>(program_, span.ops.begin + 1);
  const uint64_t plane = plan_.PlaneElements(expand.streams);
  const Part streams = All(expand.streams);
  const Part inputs =
      Scratch(kPerLayerInputsSlot, project.projections.size() * rows() * Width(project.pli));
  MultiplyAll(project.projections, All(project.x), inputs);
  MultiplyAll(expand.projections, All(expand.x), {streams.tensor, plane, streams.count - plane});
  plain_.NormInputs(set_, project, inputs);
  Tail tail;
  tail.y = All(expand.x);
  tail.width = Width(expand.x);
  tail.match = expand.floor;
  BeginNext(&next, tail);
  RunTail(tail);
}

void FusedLowering::Collapse(const AltUpCollapse& op) {
  const uint64_t plane = plan_.PlaneElements(op.streams);
  const Part others = Scratch(kOthersSlot, op.projections.size() * plane);
  for (size_t i = 0; i < op.projections.size(); ++i) {
    MultiplyAll({&op.projections[i], 1}, Plane(op.streams, static_cast<int>(i) + 1),
                {others.tensor, i * plane, plane});
  }
}

void FusedLowering::Run(const FinalNorm& op, const FusedSpan& span) {
  const auto& collapse = OpAt<AltUpCollapse>(program_, span.ops.begin);
  Tail tail;
  tail.y = Plane(collapse.streams, 0);
  tail.width = Width(op.y);
  tail.match = collapse.floor;
  tail.streams = collapse.streams;
  tail.others = Scratch(kOthersSlot, collapse.projections.size() * tail.y.count);
  tail.altup = Tail::AltUp::kCollapse;
  tail.next = Tail::Next::kNorm;
  tail.next_weight = op.norm;
  tail.eps = op.eps;
  tail.out.floats = All(op.y);
  const auto* head = span.ops.end < program_.ops.size()
                         ? std::get_if<LmHead>(&program_.ops[span.ops.end].body)
                         : nullptr;
  if (head != nullptr && head->y == op.y && Quantized(head->table)) {
    const Activation codes = plain_.CodesOf(tail.out.floats);
    tail.out.codes = codes.codes;
    tail.out.groups = codes.groups;
  }
  RunTail(tail);
}

FusedLowering::Tail FusedLowering::PerLayerTail(const PerLayerMix& op, const FusedSpan* next) {
  Tail tail;
  tail.width = Width(op.streams);
  tail.y = Scratch(kPerLayerOutSlot, rows() * tail.width);
  tail.post = op.post_norm;
  tail.add_streams = true;
  tail.streams = op.streams;
  tail.eps = op.eps;
  BeginNext(next, tail);
  return tail;
}

}  // namespace tandem::vulkan
