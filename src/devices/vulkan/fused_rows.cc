// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The patterns of several rows. What does not wait for each other is recorded side by side:
// LAuReL's path beside the heads and the attention.
#include "devices/vulkan/fused_lowering.h"
#include "devices/vulkan/fused_slots.h"

namespace tandem::vulkan {

void FusedLowering::MultiplyRows(const Product& product) {
  plain_.Multiply(set_, product.views.front(), product.x, product.y);
  if (product.tail) RunTail(*product.tail);
}

void FusedLowering::RunRows(const QkvProject& op, const LaurelAndNorm& norm) {
  const Activation x = Normed(norm, op);
  const bool own = op.cache != kNoId;
  const uint64_t kv_width = static_cast<uint64_t>(op.kv_heads) * static_cast<uint64_t>(op.head_dim);
  const Part keys = own ? Scratch(kKeysSlot, rows() * kv_width) : Part();
  const Part values = own ? Scratch(kValuesSlot, rows() * kv_width) : Part();
  plain_.Multiply(set_, op.query, x, All(op.q));
  if (own) {
    plain_.Multiply(set_, op.key, x, keys);
    plain_.Multiply(set_, op.value, x, values);
  }
  if (norm.laurel != kNoId) {
    const auto rank = static_cast<uint64_t>(norm.left.rows);
    plain_.Multiply(set_, norm.left, x, Scratch(kProjectionsSlot, rows() * rank));
  }
  plain_.AllHeads(set_, op, keys, values);
  if (norm.laurel != kNoId && Quantized(norm.right)) {
    const auto rank = static_cast<uint64_t>(norm.left.rows);
    const Activation narrow = MakeActivation(kNarrowSlot, rank, false, true);
    plain_.Quantize(Scratch(kProjectionsSlot, rows() * rank), narrow.codes, narrow.groups);
  }
}

void FusedLowering::RunRows(const Attention& op, const FusedSpan& span) {
  plain_.Attend(set_, op);
  const auto& norm = std::get<LaurelAndNorm>(program_.ops[span.ops.begin].body);
  const auto& next = std::get<AttentionOut>(program_.ops[span.ops.begin + 3].body);
  if (norm.laurel != kNoId) {
    const auto rank = static_cast<uint64_t>(norm.left.rows);
    Activation narrow = MakeActivation(kNarrowSlot, rank, false, Quantized(norm.right));
    narrow.floats = Scratch(kProjectionsSlot, rows() * rank);
    const Part right = Scratch(kRightSlot, rows() * Width(norm.laurel));
    plain_.Multiply(set_, norm.right, narrow, right);
    RunTail(LaurelTail(norm, right));
  }
  if (Quantized(next.output)) {
    const Activation context = InputOf(next.output, kContextSlot);
    plain_.Quantize(All(op.context), context.codes, context.groups);
  }
}

void FusedLowering::RunRows(const GatedMlp& op, const FusedSpan& span, const FusedSpan* next) {
  const auto ffn = static_cast<uint64_t>(op.gate.rows);
  const Activation x = InputOf(op.gate, kMlpInputSlot);
  const Activation neurons = InputOf(op.down, kNeuronsSlot);
  const Part gates = Scratch(kGatesSlot, rows() * ffn);
  const Part ups = Scratch(kUpsSlot, rows() * ffn);
  plain_.Multiply(set_, op.gate, x, gates);
  plain_.Multiply(set_, op.up, x, ups);
  if (op.sparse) {
    Tail cut;
    cut.y = gates;
    cut.width = ffn;
    cut.cut = op.sparsity_multiplier;
    cut.other = ups;
    cut.out = neurons;
    RunTail(cut);
  } else if (neurons.codes.empty()) {
    plain_.Gated(gates, ups, neurons.floats);
  } else {
    plain_.GatedCodes(gates, ups, neurons.codes, neurons.groups);
  }
  Product down;
  down.views = {op.down};
  down.x = neurons;
  down.y = Scratch(kDownSlot, rows() * Width(op.out));
  down.tail = MlpTail(op, span, next);
  MultiplyRows(down);
}

void FusedLowering::RunRows(const PerLayerMix& op, const FusedSpan* next) {
  const Part gates = Scratch(kPerLayerGateSlot, rows() * Width(op.pli));
  const Part inputs = Plane(op.pli, op.plane);
  plain_.Multiply(set_, op.gate, InputOf(op.gate, kPerLayerSlot), gates);
  Product projection;
  projection.views = {op.projection};
  projection.x = MakeActivation(kNarrowSlot, Width(op.pli), false, Quantized(op.projection));
  if (Quantized(op.projection)) {
    plain_.GatedCodes(gates, inputs, projection.x.codes, projection.x.groups);
  } else {
    plain_.Gated(gates, inputs, gates);
    projection.x.floats = gates;
  }
  projection.y = Scratch(kPerLayerOutSlot, rows() * Width(op.streams));
  projection.tail = PerLayerTail(op, next);
  MultiplyRows(projection);
}

}  // namespace tandem::vulkan
