// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Look-ups, AltUp, the MLP and the head.
#include <fmt/format.h>

#include <algorithm>

#include "devices/vulkan/lowering.h"

namespace tandem::vulkan {
namespace {

constexpr uint32_t kRowThreads = 256;      // of kernels that have a workgroup for a row
constexpr uint32_t kElementThreads = 128;  // of kernels that have a thread for an element
constexpr uint64_t kLookUpSpan = 1024;     // columns of a workgroup of embed.comp

}  // namespace

bool AreTogether(const PleGather& op) {
  for (size_t i = 1; i < op.columns.size(); ++i) {
    if (op.columns[i] != op.columns[i - 1] + op.width) return false;
  }
  return true;
}

bool IsOnDevice(const Weights& weights, const PleGather& op) {
  return weights.Has(op.table) && AreTogether(op);
}

void Lowering::LookUp(const LookUpArgs& args) {
  const DeviceMatrix& table = weights_.Matrix(*args.table, {});
  const Layout& layout = table.layout;
  const uint64_t addresses[] = {table.codes.address, table.high.address, table.scales.address,
                                table.supers.address};
  const auto low = [&](int i) { return static_cast<uint32_t>(addresses[i]); };
  const auto high = [&](int i) { return static_cast<uint32_t>(addresses[i] >> 32); };
  recorder_.Dispatch(
      Kernel::kEmbed,
      {kRowThreads, layout.bits, layout.group, static_cast<uint32_t>(layout.minus), layout.scales,
       layout.quantized ? 0 : layout.float_type + 1},
      {Constant(plan_.RowTable()), Out(args.y), {drawn_, 0, drawn_.bytes, false, false}},
      {low(0), high(0), low(1), high(1), low(2), high(2), low(3), high(3), table.cols,
       table.sizes.codes / 16, table.sizes.scales / 4, plan_.FirstRow(set_), args.y.first,
       args.scale, args.vocab, args.first_col, args.count, args.plane},
      {static_cast<uint32_t>(rows()),
       static_cast<uint32_t>((args.count + kLookUpSpan - 1) / kLookUpSpan)});
}

void Lowering::Lower(const EmbedTokens& op) {
  const auto width = static_cast<uint64_t>(op.table.cols);
  LookUp({.table = &op.table,
          .y = All(op.x),
          .scale = op.scale,
          .vocab = static_cast<uint64_t>(op.table.rows),
          .count = width,
          .plane = width});
}

// The table is larger than the rest of the model and one row of it is read: where the device has
// none, the host gathers it.
void Lowering::Lower(const PleGather& op) {
  const Part ple = All(op.ple);
  if (IsOnDevice(weights_, op)) {
    const auto width = static_cast<uint64_t>(op.width);
    LookUp({.table = &op.table,
            .y = ple,
            .scale = op.scale,
            .vocab = static_cast<uint64_t>(op.vocab),
            .first_col = static_cast<uint64_t>(op.columns[0]),
            .count = op.columns.size() * width,
            .plane = width});
  } else {
    recorder_.Copy(plan_.FromHost(op.ple, &op), ple.tensor, ple.count * sizeof(float));
  }
  Forget(ple);
}

void Lowering::Lower(const PleProject& op) {
  const uint64_t width = Width(op.pli);
  const Part projected = Scratch(2, op.projections.size() * rows() * width);
  MatMulAll(op.projections, All(op.x), projected);
  NormInputs(set_, op, projected);
}

void Lowering::NormInputs(RowSet set, const PleProject& op, const Part& projected) {
  set_ = set;
  const uint64_t width = Width(op.pli);
  const Part pli = All(op.pli);
  Norm({.x = projected,
        .y = pli,
        .a = &pli,
        .weight = op.norm,
        .eps = op.eps,
        .in_scale = op.scale,
        .mix = op.mix,
        .width = width,
        .rows = op.projections.size() * rows()});
}

void Lowering::Lower(const AltUpExpand& op) {
  const Part streams = All(op.streams);
  const uint64_t plane = plan_.PlaneElements(op.streams);
  MatMulAll(op.projections, All(op.x), {streams.tensor, plane, streams.count - plane});
  recorder_.Dispatch(Kernel::kMatch, {kRowThreads, 0},
                     {In(All(op.x)), Out({streams.tensor, plane, streams.count - plane}),
                      Out({streams.tensor, 0, plane})},
                     {Width(op.x), rows(), Planes(op.streams), plane, op.floor}, GridOf(rows()));
  quantized_ = {};
}

void Lowering::Route(const AltUpRouter& router, const Part& x, std::span<const float> coefficients,
                     int active, ValueId in, ValueId out, bool correct) {
  recorder_.Dispatch(Kernel::kAltUp, {kRowThreads, correct ? 1U : 0U},
                     {In(x), Vector(router.norm), Vector(router.weight), Vector(coefficients),
                      In(All(in)), Out(All(out))},
                     {Width(out), rows(), Planes(out), active, x.first, router.scale, router.eps},
                     GridOf(rows()));
  quantized_ = {};
}

void Lowering::Lower(const AltUpPredict& op) {
  Route(op.router, Plane(op.streams, op.active), op.coefficients, op.active, op.streams,
        op.predictions, false);
}

void Lowering::Lower(const AltUpCorrect& op) {
  Route(op.router, All(op.h), op.coefficients, op.active, op.predictions, op.streams, true);
}

void Lowering::Gated(const Part& a, const Part& b, const Part& y) {
  recorder_.Dispatch(Kernel::kGated, {kElementThreads}, {In(a), In(b), Out(y)}, {y.count, b.first},
                     GridOf((y.count + kElementThreads - 1) / kElementThreads));
  quantized_ = {};
}

void Lowering::Lower(const GatedMlp& op) {
  const uint64_t width = Width(op.h);
  const auto ffn = static_cast<uint64_t>(op.gate.rows);
  const Part normed = Scratch(2, rows() * width);
  const Part gate = Scratch(3, rows() * ffn);
  const Part up = Scratch(4, rows() * ffn);
  const Part h = All(op.h);
  const Part out = All(op.out);
  Norm({.x = h, .y = normed, .weight = op.pre_norm, .eps = op.eps, .width = width, .rows = rows()});
  MatMul(op.gate, normed, gate);
  MatMul(op.up, normed, up);
  if (op.sparse) {
    recorder_.Dispatch(Kernel::kCut, {kRowThreads}, {Out(gate)}, {ffn, op.sparsity_multiplier},
                       GridOf(rows()));
  }
  Gated(gate, up, up);
  MatMul(op.down, up, out);
  Norm({.x = out,
        .y = out,
        .a = &h,
        .weight = op.post_norm,
        .eps = op.eps,
        .width = width,
        .rows = rows()});
}

void Lowering::Lower(const PerLayerMix& op) {
  const uint64_t width = Width(op.streams);
  const uint64_t ple_width = Width(op.pli);
  Part x = Plane(op.streams, op.active);
  if (!op.scale.empty()) {
    const Part scaled = Scratch(2, rows() * width);
    Norm({.x = x, .y = scaled, .weight = op.scale, .norm = false, .width = width, .rows = rows()});
    x = scaled;
  }
  const Part gated = Scratch(3, rows() * ple_width);
  const Part out = Scratch(4, rows() * width);
  MatMul(op.gate, x, gated);
  Gated(gated, Plane(op.pli, op.plane), gated);
  MatMul(op.projection, gated, out);
  const uint64_t plane = plan_.PlaneElements(op.streams);
  const Part passive{plan_.Value(op.streams), plane, (Planes(op.streams) - 1) * plane};
  if (passive.count == 0) return;
  Norm({.x = out,
        .y = passive,
        .weight = op.post_norm,
        .eps = op.eps,
        .add_planes = Planes(op.streams) - 1,
        .width = width,
        .rows = rows()});
}

void Lowering::Lower(const AltUpCollapse& op) {
  const uint64_t width = Width(op.x);
  const uint64_t plane = rows() * width;
  const Part others = Scratch(3, op.projections.size() * plane);
  for (size_t i = 0; i < op.projections.size(); ++i) {
    MatMul(op.projections[i], Plane(op.streams, static_cast<int>(i) + 1),
           {others.tensor, i * plane, plane});
  }
  recorder_.Dispatch(Kernel::kMatch, {kRowThreads, 1},
                     {In(Plane(op.streams, 0)), Out(others), Out(All(op.x))},
                     {width, rows(), Planes(op.streams), 0, op.floor}, GridOf(rows()));
  quantized_ = {};
}

void Lowering::Lower(const FinalNorm& op) {
  Norm({.x = All(op.x),
        .y = All(op.y),
        .weight = op.norm,
        .eps = op.eps,
        .width = Width(op.x),
        .rows = rows()});
}

void Lowering::Lower(const LmHead& op) { MatMul(op.table, All(op.y), All(op.logits), op.soft_cap); }

void Lowering::Lower(const SelectRows& op) {
  recorder_.Dispatch(Kernel::kSelect, {kRowThreads},
                     {In(All(op.from)), Constant(plan_.RowTable()), Out(All(op.to))},
                     {Width(op.to), plan_.Rows(program_.values[static_cast<size_t>(op.from)].rows),
                      rows(), plan_.FirstRow(set_)},
                     {static_cast<uint32_t>(rows()), static_cast<uint32_t>(Planes(op.to))});
  quantized_ = {};
}

}  // namespace tandem::vulkan
