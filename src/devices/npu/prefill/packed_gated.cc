// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/packed_gated.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>

#include "core/error.h"
#include "devices/npu/gemm/cut_plan.h"
#include "devices/npu/gemm/gated_plan.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "devices/npu/prefill/packed_weights.h"

namespace tandem::npu {
namespace {

/// Each neuron's factor is the sum of its two parts.
void PackIdentity(const GatedPlan& plan, GatedPacker& packer) {
  const auto depth = static_cast<size_t>(plan.shape.up_k);
  const bool four = plan.config().type == GemmType::kI4;
  // A nibble of 1 is a weight of 1 by this ratio.
  const std::vector<int8_t> ratios((depth + kI4Block - 1) / kI4Block, 1 << kI4Shift);
  std::vector<int8_t> column(depth);
  for (int64_t f = 0; f < plan.shape.neurons; ++f) {
    const size_t places[] = {static_cast<size_t>(f), depth / 2 + static_cast<size_t>(f)};
    for (const size_t place : places) column[place] = 1;
    if (four) {
      packer.SetNibbles(packer.UpColumn(f), column, ratios);
    } else {
      packer.Set(packer.UpColumn(f), column);
    }
    packer.SetScale(packer.UpColumn(f), 1);
    for (const size_t place : places) column[place] = 0;
  }
}

}  // namespace

PackedGated::PackedGated(const ProductPart& part, ArrayBackend& backend) try : part_(part) {
  const GatedShape shape = GatedShapeOf(part, 1);
  GatedPlan gated;
  if (part.cut) {
    const CutPlan plan = PlanCut(part.config, shape);
    CutPacker gates(plan, AddRun(backend, plan.gates_b_bytes));
    CutPacker ups(plan, *part.cut, AddRun(backend, plan.up_b_bytes));
    PackNeurons(gates, ups, 0);
    gated = plan.gated;
  } else {
    gated = PlanGated(part.config, shape);
    GatedPacker packer(gated, AddRun(backend, gated.b_bytes));
    PackNeurons(packer, packer, packer.UpColumn(0));
    if (part.gives_up()) PackIdentity(gated, packer);
  }
  ColumnPacker down(gated.down, 0, AddRun(backend, gated.down.b_bytes));
  PackDown(gated, down);
  for (const std::unique_ptr<ArrayBuffer>& buffer : runs_) buffer->ToArray();
} catch (const std::bad_alloc&) {
  throw Error(ErrorKind::kResource,
              fmt::format("no memory for {} bytes of weights in the NPU's layout", part.bytes),
              "a smaller --npu-budget leaves more of them to the CPU");
}

std::span<std::byte> PackedGated::AddRun(ArrayBackend& backend, int64_t bytes) {
  return runs_.emplace_back(backend.MakeBuffer(static_cast<size_t>(bytes)))->bytes();
}

void PackedGated::PackNeurons(ColumnPacker& gates, ColumnPacker& ups, int64_t first_up) {
  const RowPacker rows(part_.config.type);
  const ColumnLayout inputs = LayoutOf(part_);
  const auto pack = [&](const WeightView& matrix, ColumnPacker& packer, int64_t first,
                        std::span<const float> divisors, double& most) {
    for (int64_t f = 0; f < matrix.rows; ++f) {
      float scale = rows.Pack(matrix, f, inputs, /*round_scale=*/true, packer, first + f);
      if (!divisors.empty()) scale /= divisors[static_cast<size_t>(f)];
      packer.SetScale(first + f, std::isfinite(scale) ? scale : 0);
      // No number stays none.
      most = std::isfinite(scale) ? std::max(most, 127.0 * scale) : NAN;
      if (std::isnan(most)) return;
    }
  };
  pack(part_.matrices[0], gates, 0, {}, most_gate_);
  if (!part_.gives_up()) pack(part_.matrices[1], ups, first_up, part_.divisors, most_up_);
}

void PackedGated::PackDown(const GatedPlan& plan, ColumnPacker& packer) {
  const RowPacker rows(part_.config.type);
  const ColumnLayout layout{plan.down.shape.k,
                            plan.tile_neurons(),
                            plan.DownPlace(plan.tile_neurons()),
                            {},
                            part_.divisors};
  for (int64_t n = 0; n < part_.n; ++n) {
    column_scales_.push_back(rows.Pack(part_.matrices.back(), n, layout, false, packer, n));
  }
}

bool PackedGated::Holds(double most_x, double most_u) const {
  const double sum = static_cast<double>(SumOf(part_)) * most_x;
  const double most_up = part_.gives_up() ? 2 * most_u : sum * most_up_;
  double most_gate = sum * most_gate_;
  if (part_.cut) {
    // The squares of a row's gates are added up in float.
    if (!(most_gate < std::ldexp(1.0, 50))) return false;
    // Neither the mean nor the deviation is larger than the largest gate.
    most_gate *= 2 + std::abs(double{*part_.cut});
  }
  return most_gate * most_up < std::ldexp(1.0, 80);
}

}  // namespace tandem::npu
