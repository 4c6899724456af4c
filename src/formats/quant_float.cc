// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <bit>
#include <cmath>
#include <limits>

#include "formats/quant_blocks.h"

namespace tandem::quant {
namespace {

constexpr float kMaxFloat = std::numeric_limits<float>::max();

}  // namespace

// The arithmetic of HalfToFloat without its branch, which would keep the loop from vectorising:
// scaling an infinity or NaN moves its mantissa into place, and only the exponent is missing.
void DequantizeF16(const std::byte* source, float* target, int64_t elements) {
  for (int64_t i = 0; i < elements; ++i) {
    uint16_t half;
    std::memcpy(&half, source + 2 * i, 2);
    const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
    const uint32_t magnitude = static_cast<uint32_t>(half & 0x7fffu) << 13;
    const auto scaled = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
    const uint32_t all_ones = magnitude >= (0x7c00u << 13) ? 0x7f800000u : 0u;
    target[i] = std::bit_cast<float>(scaled | all_ones | sign);
  }
}

void DequantizeBf16(const std::byte* source, float* target, int64_t elements) {
  for (int64_t i = 0; i < elements; ++i) {
    uint16_t bits;
    std::memcpy(&bits, source + 2 * i, 2);
    target[i] = Bf16ToFloat(bits);
  }
}

// Finite values beyond the largest half become that half; infinities and NaN stay what they are.
void QuantizeF16(const float* source, std::byte* target, int64_t elements) {
  for (int64_t i = 0; i < elements; ++i) {
    uint16_t bits = FloatToHalf(source[i]);
    const bool overflow = (bits & 0x7fffu) == 0x7c00u && std::abs(source[i]) <= kMaxFloat;
    bits = static_cast<uint16_t>(bits - (overflow ? 1 : 0));
    std::memcpy(target + 2 * i, &bits, 2);
  }
}

void QuantizeBf16(const float* source, std::byte* target, int64_t elements) {
  for (int64_t i = 0; i < elements; ++i) {
    uint16_t bits = FloatToBf16(source[i]);
    const bool overflow = (bits & 0x7fffu) == 0x7f80u && std::abs(source[i]) <= kMaxFloat;
    bits = static_cast<uint16_t>(bits - (overflow ? 1 : 0));
    std::memcpy(target + 2 * i, &bits, 2);
  }
}

}  // namespace tandem::quant
