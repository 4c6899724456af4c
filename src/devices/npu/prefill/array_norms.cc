// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// ArrayProducts' products with norms behind them: alone, and with the MLP as one list.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

#include "devices/npu/arrays/gemm_configuration.h"
#include "devices/npu/kernels/row_tile.h"
#include "devices/npu/prefill/array_calls.h"
#include "devices/npu/prefill/array_products.h"
#include "devices/npu/timing/norm_time.h"

namespace tandem::npu {
namespace {

NormCase NormCaseOf(const NormPlan& plan) {
  NormCase norm;
  norm.device = plan.config().device;
  norm.type = plan.config().type;
  norm.m = plan.shape.m;
  norm.k = plan.shape.k;
  norm.n = plan.shape.n;
  norm.apart = plan.shape.apart;
  return norm;
}

}  // namespace

ArrayProducts::PreparedOut& ArrayProducts::PrepareOut(const ProductPart& part, int64_t rows,
                                                      bool with_norm) {
  if (prepared_out_.size() >= kMostPrepared) prepared_out_.clear();
  const NormShape shape = NormShapeOf(part, rows);
  const auto [it, missing] = prepared_out_.try_emplace(
      {part.config.type, {shape.m, shape.k, shape.n, shape.apart ? 1 : 0, with_norm ? 1 : 0}});
  if (!missing) return it->second;
  try {
    PreparedOut& prepared = it->second;
    prepared.plan = PlanNorm(part.config, shape);
    const NormPlan& plan = prepared.plan;
    ArrayContext& context = ContextOf(part.config);
    prepared.out = context.Load(EncodeSequence(OutSequence(plan)));
    prepared.marks = plan.OutEnds();
    const GemmTime time = ModelNorm(NormCaseOf(plan), with_norm);
    prepared.seconds = time.seconds;
    prepared.dispatch_seconds = time.dispatch_seconds;
    if (with_norm) {
      prepared.norm = context.Load(EncodeSequence(NormSequence(plan)));
      prepared.norm_marks = plan.XEnds();
    }
  } catch (...) {
    prepared_out_.erase(it);
    throw;
  }
  return it->second;
}

void ArrayProducts::RunOut(const PackedOut& weights, const float* x, int64_t x_stride, int64_t rows,
                           Product& product) {
  const ProductPart& part = weights.part();
  const PreparedOut& prepared = PrepareOut(part, rows, false);
  const NormPlan& plan = prepared.plan;
  const auto a_bytes = static_cast<size_t>(plan.out.a_bytes);
  const auto c_bytes = static_cast<size_t>(plan.OutBytes());
  const std::span<std::byte> a = Grown(a_, plan.out.a_bytes).bytes().first(a_bytes);
  bytes_of_rows_.Start(plan.out);
  const std::span<const float> factors = bytes_of_rows_.Set({x, x_stride, rows, part.k}, {0, 0});
  bytes_of_rows_.Pack(a);
  a_->ToArray(0, a_bytes);
  ArrayBuffer& rooms = Grown(rooms_, plan.OutBytes());
  const ArrayArgument arguments[] = {
      {a_.get(), a_bytes}, {&weights.buffer(), weights.buffer().bytes().size()}, {&rooms, c_bytes}};
  const ArrayRun run{prepared.out.get(), arguments, prepared.marks, kNoFloat};
  ContextOf(part.config).Run({&run, 1}, kArrayTimeout);
  rooms.FromArray(0, c_bytes);
  const std::span<float> results = Resized(results_, rows * part.n);
  UnpackOut(plan, weights.order(), rooms.bytes().first(c_bytes), results);
  for (int64_t t = 0; t < rows; ++t) {
    const float factor = factors[static_cast<size_t>(t)];
    std::transform(results.begin() + t * part.n, results.begin() + (t + 1) * part.n,
                   product.y + t * product.y_stride, [factor](float y) { return y * factor; });
  }
  product.done = true;
  Count(part.config, 1, rows * WeightsOf(part), prepared.seconds);
}

bool ArrayProducts::PackOut(const NormPlan& plan, const OutMlpCall& call, const PackedOut& out,
                            const PackedGated& mlp) {
  const std::span base(call.base, static_cast<size_t>(call.rows * plan.shape.n));
  bytes_of_rows_.Start(plan.out);
  const std::span<const float> factors =
      bytes_of_rows_.Set({call.context, plan.shape.k, call.rows, plan.shape.k}, {0, 0});
  if (!std::all_of(factors.begin(), factors.end(), [](float factor) { return factor == 1; })) {
    return false;
  }
  const std::optional<double> most_x =
      out.MostOf(bytes_of_rows_.MostFrom(0, plan.out.k_steps), base);
  if (!most_x || !mlp.Holds(*most_x, 0)) return false;
  const auto a_bytes = static_cast<size_t>(plan.out.a_bytes);
  bytes_of_rows_.Pack(Grown(a_, plan.out.a_bytes).bytes().first(a_bytes));
  a_->ToArray(0, a_bytes);
  const auto b_bytes = static_cast<size_t>(plan.b_bytes);
  ArrayBuffer& norm_b = Grown(norm_b_, plan.b_bytes);
  PackNorm(plan, out.weights(), base, norm_b.bytes().first(b_bytes));
  norm_b.ToArray(0, b_bytes);
  const auto out_bytes = static_cast<size_t>(plan.OutBytes());
  ArrayBuffer& rooms = Grown(rooms_, plan.OutBytes());
  PackNormHeaders(plan, rooms.bytes().first(out_bytes));
  const auto headers = static_cast<size_t>(plan.RoomBytes());
  rooms.ToArray(headers, out_bytes - headers);
  const auto x_bytes = static_cast<size_t>(plan.x_bytes);
  ArrayBuffer& x = Grown(x_, plan.x_bytes);
  PackNormTail(plan, out.weights(), x.bytes().first(x_bytes));
  const auto tail = static_cast<size_t>(plan.XRoomBytes());
  x.ToArray(tail, x_bytes - tail);
  return true;
}

int64_t ArrayProducts::OutAndMlpRows() const { return parts_ == 1 ? kMostNormRows : 0; }

bool ArrayProducts::OutAndMlp(const OutMlpCall& call) {
  if (call.rows < kLeastRows || call.rows > OutAndMlpRows()) return false;
  const auto found = outs_.find(KeysOf({call.out.output}).front());
  const auto behind = gated_.find(KeysOf({call.mlp.gate, call.mlp.up, call.mlp.down}));
  if (found == outs_.end() || behind == gated_.end()) return false;
  const PackedOut& out = *found->second;
  const PackedGated& mlp = *behind->second;
  if (out.part().norm->mlp != behind->first || out.part().config != mlp.part().config) return false;
  std::optional<float> cut;
  if (call.mlp.sparse) cut = call.mlp.sparsity_multiplier;
  if (mlp.part().cut != cut) return false;
  const PreparedOut& first = PrepareOut(out.part(), call.rows, true);
  const PreparedGated& second = PrepareGated(mlp.part(), call.rows, &first.plan);
  const NormPlan& plan = first.plan;
  // Gates that are cut lie behind what the norm makes.
  ArrayBuffer& x = Grown(x_, second.memory_bytes);
  if (!PackOut(plan, call, out, mlp)) return false;
  const auto rooms_bytes = static_cast<size_t>(plan.OutBytes());
  ArrayBuffer& rooms = *rooms_;
  const ArrayArgument in_rooms = {&rooms, rooms_bytes};
  RunList list;
  list.Add(*first.out, first.marks, {a_.get(), static_cast<size_t>(plan.out.a_bytes)},
           {&out.buffer(), out.buffer().bytes().size()}, in_rooms);
  list.Add(*first.norm, first.norm_marks, in_rooms,
           {norm_b_.get(), static_cast<size_t>(plan.b_bytes)},
           {&x, static_cast<size_t>(plan.x_bytes)});
  AddRuns(second, mlp, x, list);
  ContextOf(out.part().config).Run(list.runs(), kArrayTimeout);
  rooms.FromArray(0, rooms_bytes);
  const int64_t n = plan.shape.n;
  UnpackOut(plan, out.order(), rooms.bytes().first(rooms_bytes),
            {call.o, static_cast<size_t>(call.rows * n)});
  HandOutDown(second.plan, mlp, call.y);
  // One dispatch for both.
  Count(out.part().config, list.runs().size(),
        call.rows * (WeightsOf(out.part()) + WeightsOf(mlp.part())),
        first.seconds + second.seconds - first.dispatch_seconds);
  return true;
}

}  // namespace tandem::npu
