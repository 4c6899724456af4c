// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "formats/quant_blocks.h"

namespace tandem::quant {
namespace {

// The 16 values of the non-linear 4-bit types: denser near zero, where weights are.
constexpr float kIq4Values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                  1,    13,   25,  38,  53,  69,  89,  113};

// 16 bytes to 32 elements.
inline void UnpackValues(const uint8_t* q, float scale, float* target) {
  for (int i = 0; i < 16; ++i) target[i] = scale * kIq4Values[q[i] & 15];
  for (int i = 0; i < 16; ++i) target[i + 16] = scale * kIq4Values[q[i] >> 4];
}

}  // namespace

void DequantizeIq4Nl(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, target += kSmall) {
    const auto block = LoadBlock<Iq4NlBlock>(source, b);
    UnpackValues(block.q, Load(block.d), target);
  }
}

void DequantizeIq4Xs(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b) {
    const auto block = LoadBlock<Iq4XsBlock>(source, b);
    const float d = Load(block.d);
    for (int group = 0; group < 8; ++group, target += 32) {
      const int low = (block.scales_low[group / 2] >> (4 * (group % 2))) & 15;
      const int high = (block.scales_high[group / 4] >> (2 * (group % 4))) & 3;
      const auto scale = static_cast<float>((low | high << 4) - 32);
      UnpackValues(block.q + 16 * group, d * scale, target);
    }
  }
}

}  // namespace tandem::quant
