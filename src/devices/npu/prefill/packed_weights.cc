// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/prefill/packed_weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <new>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/gemm/pack.h"
#include "formats/quant_blocks.h"

namespace tandem::npu {
namespace {

/// Rounds to the nearest of -127 to 127 steps; returns the step, of which the largest value has
/// 127. Where a value is no number: zeros, and that.
float RoundToBytes(std::span<const float> values, std::span<int8_t> bytes) {
  constexpr float kMost = 127;
  float step = 0;
  for (const float value : values) {
    // No number: infinity less itself.
    step = std::isfinite(value) ? std::max(step, std::abs(value) / kMost) : value - value;
    if (std::isnan(step)) break;
  }
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

}  // namespace

PackedWeights::PackedWeights(const ProductPart& part, ArrayBackend& backend) try : part_(part) {
  const GemmPlan plan = PlanGemm(part.config, {1, part.k, part.n});
  buffer_ = backend.MakeBuffer(static_cast<size_t>(plan.b_bytes));
  const GemmType type = part.config.type;
  if (type != GemmType::kBf16) column_scales_.resize(static_cast<size_t>(part.n));
  ColumnPacker packer(plan, 0, buffer_->bytes());
  const auto k = static_cast<size_t>(part.k);
  std::vector<float> row(k);
  std::vector<int8_t> integers(type == GemmType::kBf16 ? 0 : k);
  std::vector<float> scales(type == GemmType::kI4 ? k / 32 : 0);
  std::vector<uint16_t> halves(type == GemmType::kBf16 ? k : 0);
  int64_t n = 0;
  for (const WeightView& matrix : part.matrices) {
    for (int64_t r = 0; r < matrix.rows; ++r, ++n) {
      if (type == GemmType::kI4) {
        ReadQ4(matrix, r, integers, scales);
        const float scale = packer.Set4(n, integers, scales);
        const bool numbers = std::all_of(scales.begin(), scales.end(),
                                         [](float value) { return std::isfinite(value); });
        column_scales_[static_cast<size_t>(n)] = numbers ? scale : NAN;
        continue;
      }
      matrix.ReadRow(r, row.data());
      if (type == GemmType::kI8) {
        column_scales_[static_cast<size_t>(n)] = RoundToBytes(row, integers);
        packer.Set(n, integers);
      } else {
        std::transform(row.begin(), row.end(), halves.begin(), FloatToBf16);
        packer.Set(n, halves);
      }
    }
  }
  buffer_->ToArray();
} catch (const std::bad_alloc&) {
  throw Error(ErrorKind::kResource,
              fmt::format("no memory for {} bytes of weights in the NPU's layout", part.bytes),
              "a smaller --npu-budget leaves more of them to the CPU");
}

}  // namespace tandem::npu
