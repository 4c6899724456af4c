// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/packed_gated.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>

#include "core/error.h"
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
  const GatedPlan plan = PlanGated(part.config, GatedShapeOf(part, 1));
  gate_up_ = backend.MakeBuffer(static_cast<size_t>(plan.b_bytes));
  down_ = backend.MakeBuffer(static_cast<size_t>(plan.down.b_bytes));
  GatedPacker packer(plan, gate_up_->bytes());
  const RowPacker rows(part.config.type);
  const ColumnLayout inputs = LayoutOf(part);
  const auto pack = [&](const WeightView& matrix, int64_t first, std::span<const float> divisors,
                        double& most) {
    for (int64_t f = 0; f < matrix.rows; ++f) {
      float scale = rows.Pack(matrix, f, inputs, /*round_scale=*/true, packer, first + f);
      if (!divisors.empty()) scale /= divisors[static_cast<size_t>(f)];
      packer.SetScale(first + f, std::isfinite(scale) ? scale : 0);
      // No number stays none.
      most = std::isfinite(scale) ? std::max(most, 127.0 * scale) : NAN;
      if (std::isnan(most)) return;
    }
  };
  pack(part.matrices[0], 0, {}, most_gate_);
  if (part.gives_up()) {
    PackIdentity(plan, packer);
  } else {
    pack(part.matrices[1], packer.UpColumn(0), part.divisors, most_up_);
  }
  ColumnPacker down_packer(plan.down, 0, down_->bytes());
  const ColumnLayout layout{
      plan.down.shape.k, plan.tile_neurons(), plan.DownPlace(plan.tile_neurons()), 0, {},
      part.divisors};
  for (int64_t n = 0; n < part.n; ++n) {
    column_scales_.push_back(rows.Pack(part.matrices.back(), n, layout, false, down_packer, n));
  }
  gate_up_->ToArray();
  down_->ToArray();
} catch (const std::bad_alloc&) {
  throw Error(ErrorKind::kResource,
              fmt::format("no memory for {} bytes of weights in the NPU's layout", part.bytes),
              "a smaller --npu-budget leaves more of them to the CPU");
}

bool PackedGated::Holds(double most_x, double most_u) const {
  const double sum = static_cast<double>(SumOf(part_)) * most_x;
  const double most_up = part_.gives_up() ? 2 * most_u : sum * most_up_;
  return sum * most_gate_ * most_up < std::ldexp(1.0, 80);
}

}  // namespace tandem::npu
