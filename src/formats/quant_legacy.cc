// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Unpacking of the legacy types: blocks of 32 with one scale, and in the _1 types a minimum.
#include "formats/quant_blocks.h"

namespace tandem::quant {
namespace {

// Elements 0 to 15 lie in the low nibbles, 16 to 31 in the high ones.
inline void UnpackNibbles(const uint8_t* packed, int* q) {
  for (int i = 0; i < 16; ++i) q[i] = packed[i] & 15;
  for (int i = 0; i < 16; ++i) q[i + 16] = packed[i] >> 4;
}

// Adds bit i of the word as bit 4 of element i. A mask per element, where a shift per element would
// need AVX2 to vectorise.
inline void AddFifthBits(const uint8_t (&high)[4], int* q) {
  uint32_t word;
  std::memcpy(&word, high, 4);
  for (int i = 0; i < 32; ++i) q[i] |= (word & (uint32_t{1} << i)) != 0 ? 16 : 0;
}

inline void Scale(const int* q, float d, int offset, float* target) {
  for (int i = 0; i < 32; ++i) target[i] = d * static_cast<float>(q[i] - offset);
}

inline void ScaleAndAdd(const int* q, float d, float m, float* target) {
  for (int i = 0; i < 32; ++i) target[i] = d * static_cast<float>(q[i]) + m;
}

}  // namespace

void DequantizeQ4_0(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, target += kSmall) {
    const auto block = LoadBlock<Q4_0Block>(source, b);
    int q[kSmall];
    UnpackNibbles(block.q, q);
    Scale(q, Load(block.d), 8, target);
  }
}

void DequantizeQ4_1(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, target += kSmall) {
    const auto block = LoadBlock<Q4_1Block>(source, b);
    int q[kSmall];
    UnpackNibbles(block.q, q);
    ScaleAndAdd(q, Load(block.d), Load(block.m), target);
  }
}

void DequantizeQ5_0(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, target += kSmall) {
    const auto block = LoadBlock<Q5_0Block>(source, b);
    int q[kSmall];
    UnpackNibbles(block.q, q);
    AddFifthBits(block.high, q);
    Scale(q, Load(block.d), 16, target);
  }
}

void DequantizeQ5_1(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, target += kSmall) {
    const auto block = LoadBlock<Q5_1Block>(source, b);
    int q[kSmall];
    UnpackNibbles(block.q, q);
    AddFifthBits(block.high, q);
    ScaleAndAdd(q, Load(block.d), Load(block.m), target);
  }
}

void DequantizeQ8_0(const std::byte* source, float* target, int64_t blocks) {
  for (int64_t b = 0; b < blocks; ++b, target += kSmall) {
    const auto block = LoadBlock<Q8_0Block>(source, b);
    const float d = Load(block.d);
    for (int i = 0; i < kSmall; ++i) target[i] = d * static_cast<float>(block.q[i]);
  }
}

}  // namespace tandem::quant
