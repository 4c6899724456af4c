// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/packed_out.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>

#include "core/error.h"
#include "devices/npu/prefill/packed_weights.h"

namespace tandem::npu {
namespace {

/// What values may be at most: far from where bfloat16 ends, with room for squares of them all.
constexpr double kMostNormed = 0x1p50;

/// The largest size; no number where one is none.
double MostOfAll(std::span<const float> values) {
  double most = 0;
  for (const float value : values)
    most = std::isnan(value) ? NAN : std::max(most, std::abs(double{value}));
  return most;
}

}  // namespace

PackedOut::PackedOut(const ProductPart& part, std::span<const int32_t> apart,
                     ArrayBackend& backend) try
    : part_(part), order_(OrderOfResults(part.n, apart)) {
  const NormPlan plan = PlanNorm(part.config, NormShapeOf(part, 1));
  buffer_ = backend.MakeBuffer(static_cast<size_t>(plan.out.b_bytes));
  OutPacker packer(plan, buffer_->bytes());
  const RowPacker rows(part.config.type);
  const ColumnLayout layout{plan.out.shape.k, part.k, part.k};
  const WeightView& matrix = part.matrices.front();
  for (size_t column = 0; column < order_.size(); ++column) {
    const auto place = static_cast<int64_t>(column);
    const float scale =
        rows.Pack(matrix, order_[column], layout, /*round_scale=*/true, packer, place);
    packer.SetScale(place, scale);
    const bool number = std::isfinite(scale) && !std::isnan(most_weight_);
    most_weight_ = number ? std::max(most_weight_, 127.0 * scale) : NAN;
  }
  buffer_->ToArray();
} catch (const std::bad_alloc&) {
  throw Error(ErrorKind::kResource,
              fmt::format("no memory for {} bytes of weights in the NPU's layout", part.bytes),
              "a smaller --npu-budget leaves more of them to the CPU");
}

NormWeights PackedOut::weights() const {
  const NormBehind& norm = *part_.norm;
  return {norm.post, norm.post_epsilon, norm.pre, norm.pre_epsilon, order_};
}

std::optional<double> PackedOut::MostOf(double most_input, std::span<const float> base) const {
  const NormBehind& norm = *part_.norm;
  const double product = static_cast<double>(part_.k) * most_input * most_weight_;
  // Of a normed row one value may be all there is.
  const double y = MostOfAll(base) + std::sqrt(static_cast<double>(part_.n)) * MostOfAll(norm.post);
  const double x = y * MostOfAll(norm.pre);
  for (const double most : {product, y, x}) {
    if (!(most <= kMostNormed)) return std::nullopt;
  }
  return x;
}

}  // namespace tandem::npu
