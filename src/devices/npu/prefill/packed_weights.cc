// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/packed_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/kernels/gemm_tile.h"
#include "formats/quant_blocks.h"

namespace tandem::npu {
namespace {

/// Rounds to the nearest of -127 to 127 steps; returns the step, of which the largest value has
/// 127, or the next one that bfloat16 has. Where a value is no number: zeros, and that.
float RoundToBytes(std::span<const float> values, std::span<int8_t> bytes, bool round_step) {
  constexpr float kMost = 127;
  float step = 0;
  for (const float value : values) {
    // No number: infinity less itself.
    step = std::isfinite(value) ? std::max(step, std::abs(value) / kMost) : value - value;
    if (std::isnan(step)) break;
  }
  if (round_step) step = RoundScaleUp(step);
  // Steps too small to divide by are none.
  const float inverse = 1 / step;
  if (!std::isfinite(inverse)) {
    std::fill(bytes.begin(), bytes.end(), int8_t{0});
    return std::isnan(step) ? step : 0;
  }
  std::transform(values.begin(), values.end(), bytes.begin(), [&](float value) {
    return static_cast<int8_t>(std::nearbyint(std::clamp(value * inverse, -kMost, kMost)));
  });
  return step;
}

/// The nibbles and scales of a row of Q4_0.
void ReadQ4(const WeightView& matrix, int64_t row, std::span<int8_t> nibbles,
            std::span<float> scales) {
  for (size_t block = 0; block < scales.size(); ++block) {
    const auto q4 =
        quant::LoadBlock<quant::Q4_0Block>(matrix.Row(row), static_cast<int64_t>(block));
    scales[block] = quant::Load(q4.d);
    int8_t* const to = nibbles.data() + 32 * block;
    for (size_t i = 0; i < 16; ++i) {
      to[i] = static_cast<int8_t>((q4.q[i] & 15) - 8);
      to[i + 16] = static_cast<int8_t>((q4.q[i] >> 4) - 8);
    }
  }
}

/// A column of that layout, zeros where it has nothing.
template <typename T>
std::vector<T> Spread(const std::vector<T>& values, const ColumnLayout& layout) {
  std::vector<T> column(static_cast<size_t>(layout.depth));
  if (!layout.apart.empty()) {
    const auto order = OrderApart(static_cast<int64_t>(values.size()), layout.apart);
    std::transform(order.begin(), order.end(), column.begin(),
                   [&](int32_t i) { return values[static_cast<size_t>(i)]; });
    return column;
  }
  const auto run = static_cast<size_t>(layout.run);
  for (size_t first = 0; first < values.size(); first += run) {
    std::copy_n(values.begin() + static_cast<std::ptrdiff_t>(first),
                std::min(run, values.size() - first),
                column.begin() + static_cast<std::ptrdiff_t>(first / run) * layout.stride);
  }
  return column;
}

}  // namespace

ColumnLayout LayoutOf(const ProductPart& part) {
  if (part.sets_apart && part.apart.size() != size_t{kTileKI8}) {
    throw Error(ErrorKind::kInternal, "inputs of a product are to be apart, and nobody said which");
  }
  return {SumOf(part), part.k, part.k, part.apart};
}

float RowPacker::Pack(const WeightView& matrix, int64_t row, const ColumnLayout& layout,
                      bool round_scale, ColumnPacker& packer, int64_t column) const {
  const auto k = static_cast<size_t>(matrix.cols);
  if (type_ == GemmType::kI4) {
    std::vector<int8_t> nibbles(k);
    std::vector<float> scales(k / 32);
    ReadQ4(matrix, row, nibbles, scales);
    for (size_t i = 0; i < layout.times.size(); i += kI4Block) {
      scales[i / kI4Block] *= layout.times[i];
    }
    std::vector<int32_t> apart;
    for (size_t i = 0; i < layout.apart.size(); i += kI4Block) {
      apart.push_back(layout.apart[i] / kI4Block);
    }
    const ColumnLayout blocks{layout.depth / kI4Block, layout.run / kI4Block,
                              layout.stride / kI4Block, apart};
    const float scale =
        packer.Set4(column, Spread(nibbles, layout), Spread(scales, blocks), round_scale);
    const bool numbers =
        std::all_of(scales.begin(), scales.end(), [](float value) { return std::isfinite(value); });
    return numbers ? scale : NAN;
  }
  std::vector<float> values(k);
  matrix.ReadRow(row, values.data());
  for (size_t i = 0; i < layout.times.size(); ++i) values[i] *= layout.times[i];
  values = Spread(values, layout);
  if (type_ == GemmType::kBf16) {
    std::vector<uint16_t> halves(values.size());
    std::transform(values.begin(), values.end(), halves.begin(), FloatToBf16);
    packer.Set(column, halves);
    return 1;
  }
  std::vector<int8_t> bytes(values.size());
  const float scale = RoundToBytes(values, bytes, round_scale);
  packer.Set(column, bytes);
  return scale;
}

PackedWeights::PackedWeights(const ProductPart& part, ArrayBackend& backend) try : part_(part) {
  const GemmPlan plan = PlanGemm(part.config, {1, SumOf(part), part.n});
  const ColumnLayout layout = LayoutOf(part);
  buffer_ = backend.MakeBuffer(static_cast<size_t>(plan.b_bytes));
  const bool scaled = part.config.type != GemmType::kBf16;
  ColumnPacker packer(plan, 0, buffer_->bytes());
  const RowPacker rows(part.config.type);
  int64_t n = 0;
  for (const WeightView& matrix : part.matrices) {
    for (int64_t r = 0; r < matrix.rows; ++r, ++n) {
      const float scale = rows.Pack(matrix, r, layout, false, packer, n);
      if (scaled) column_scales_.push_back(scale);
    }
  }
  buffer_->ToArray();
} catch (const std::bad_alloc&) {
  throw Error(ErrorKind::kResource,
              fmt::format("no memory for {} bytes of weights in the NPU's layout", part.bytes),
              "a smaller --npu-budget leaves more of them to the CPU");
}

}  // namespace tandem::npu
