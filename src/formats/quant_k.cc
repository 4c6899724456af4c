// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Unpacking of the K types. Group scales are unpacked first, so that the loops over elements are
// shifts, masks and one multiplication (and subtraction).
#include "formats/k_scales.h"
#include "formats/quant_blocks.h"

namespace tandem::quant {
namespace {

// target[0, n) = scale * q - min, for q = (bytes >> shift) & mask.
template <int kCount>
inline void UnpackAffine(const uint8_t* bytes, int shift, int mask, float scale, float min,
                         float* target) {
  for (int i = 0; i < kCount; ++i) {
    target[i] = scale * static_cast<float>((bytes[i] >> shift) & mask) - min;
  }
}

// Adds bit `bit` of each byte of `high` as bit 4.
inline void UnpackAffine5(const uint8_t* low, int shift, const uint8_t* high, int bit, float scale,
                          float min, float* target) {
  for (int i = 0; i < 32; ++i) {
    const int q = ((low[i] >> shift) & 15) | ((high[i] >> bit) & 1) << 4;
    target[i] = scale * static_cast<float>(q) - min;
  }
}

// 16 elements of Q6_K: four bits of `low`, two of `high`.
inline void Unpack6(const uint8_t* low, int low_shift, const uint8_t* high, int high_shift,
                    float scale, float* target) {
  for (int i = 0; i < 16; ++i) {
    const int q = ((low[i] >> low_shift) & 15) | ((high[i] >> high_shift) & 3) << 4;
    target[i] = scale * static_cast<float>(q - 32);
  }
}

}  // namespace

void DequantizeQ2K(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b) {
    const auto block = LoadBlock<Q2KBlock>(source, b);
    const float d = Load(block.d);
    const float dmin = Load(block.dmin);
    for (int group = 0; group < 16; ++group, target += 16) {
      const float scale = d * static_cast<float>(block.scales[group] & 15);
      const float min = dmin * static_cast<float>(block.scales[group] >> 4);
      const uint8_t* q = block.q + 32 * (group / 8) + 16 * (group % 2);
      UnpackAffine<16>(q, 2 * (group / 2 % 4), 3, scale, min, target);
    }
  }
}

void DequantizeQ3K(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b) {
    const auto block = LoadBlock<Q3KBlock>(source, b);
    const float d = Load(block.d);
    for (int group = 0; group < 16; ++group, target += 16) {
      // Low nibbles of the scales fill 8 bytes, groups 8 to 15 in their upper halves; the pairs of
      // high bits fill the last 4 bytes, group modulo 4.
      const int low_bits = (block.scales[group % 8] >> (4 * (group / 8))) & 15;
      const int high_bits = (block.scales[8 + group % 4] >> (2 * (group / 4))) & 3;
      const float scale = d * static_cast<float>((low_bits | high_bits << 4) - 32);
      const uint8_t* low = block.q + 32 * (group / 8) + 16 * (group % 2);
      const uint8_t* high = block.high + 16 * (group % 2);
      const int shift = 2 * (group / 2 % 4);
      const int bit = group / 2;
      for (int i = 0; i < 16; ++i) {
        const int q = ((low[i] >> shift) & 3) | ((high[i] >> bit) & 1) << 2;
        target[i] = scale * static_cast<float>(q - 4);
      }
    }
  }
}

void DequantizeQ4K(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b) {
    const auto block = LoadBlock<Q4KBlock>(source, b);
    const float d = Load(block.d);
    const float dmin = Load(block.dmin);
    const KScales k = UnpackKScales(block.scales);
    for (int group = 0; group < 8; ++group, target += 32) {
      UnpackAffine<32>(block.q + 32 * (group / 2), 4 * (group % 2), 15,
                       d * static_cast<float>(k.scale[group]),
                       dmin * static_cast<float>(k.min[group]), target);
    }
  }
}

void DequantizeQ5K(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b) {
    const auto block = LoadBlock<Q5KBlock>(source, b);
    const float d = Load(block.d);
    const float dmin = Load(block.dmin);
    const KScales k = UnpackKScales(block.scales);
    for (int group = 0; group < 8; ++group, target += 32) {
      UnpackAffine5(block.q + 32 * (group / 2), 4 * (group % 2), block.high, group,
                    d * static_cast<float>(k.scale[group]), dmin * static_cast<float>(k.min[group]),
                    target);
    }
  }
}

void DequantizeQ6K(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b) {
    const auto block = LoadBlock<Q6KBlock>(source, b);
    const float d = Load(block.d);
    for (int group = 0; group < 16; ++group, target += 16) {
      const int half = group / 8;
      const int in_half = group % 8;
      Unpack6(block.low + 64 * half + 16 * (in_half % 4), 4 * (in_half / 4),
              block.high + 32 * half + 16 * (in_half % 2), 2 * (in_half / 2),
              d * static_cast<float>(block.scales[group]), target);
    }
  }
}

}  // namespace tandem::quant
