// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Byte images of the GGUF blocks and the functions that read and write them, one family per source
// file. Internal to formats; everybody else calls DequantizeRow and QuantizeRow.
//
// Every member is an array of bytes, so that a block has no padding and no alignment, and can be
// copied to and from anywhere in a mapped file. Halves and words are little-endian.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/float_types.h"

namespace tandem::quant {

static_assert(std::endian::native == std::endian::little);

/// Elements of a legacy block, and of a K block.
inline constexpr int kSmall = 32;
inline constexpr int kSuper = 256;

struct HalfBytes {
  uint8_t bytes[2];
};

/// value = d * (q - 8).
struct Q4_0Block {
  HalfBytes d;
  uint8_t q[16];  ///< Element i in the low nibble of byte i, element i + 16 in the high one.
};

/// value = d * q + m.
struct Q4_1Block {
  HalfBytes d, m;
  uint8_t q[16];
};

/// value = d * (q - 16); bit i of `high` is bit 4 of element i.
struct Q5_0Block {
  HalfBytes d;
  uint8_t high[4];
  uint8_t q[16];
};

/// value = d * q + m.
struct Q5_1Block {
  HalfBytes d, m;
  uint8_t high[4];
  uint8_t q[16];
};

/// value = d * q.
struct Q8_0Block {
  HalfBytes d;
  int8_t q[32];
};

/// 16 groups of 16: value = d * (scales & 15) * q - dmin * (scales >> 4).
struct Q2KBlock {
  uint8_t scales[16];
  uint8_t q[64];  ///< Two halves of 32 bytes; each byte holds elements l, l + 32, l + 64, l + 96.
  HalfBytes d, dmin;
};

/// 16 groups of 16: value = d * (scale - 32) * (q - 4), where a set bit of `high` adds the 4 back.
struct Q3KBlock {
  uint8_t high[32];  ///< Bit k of byte l belongs to element 32 k + l.
  uint8_t q[64];     ///< As in Q2KBlock.
  uint8_t scales[12];
  HalfBytes d;
};

/// 8 groups of 32: value = d * scale * q - dmin * min, scales and mins of 6 bits.
struct Q4KBlock {
  HalfBytes d, dmin;
  uint8_t scales[12];
  uint8_t q[128];  ///< Four runs of 32 bytes; element l in the low nibble, l + 32 in the high one.
};

/// As Q4KBlock with a fifth bit.
struct Q5KBlock {
  HalfBytes d, dmin;
  uint8_t scales[12];
  uint8_t high[32];  ///< Bit k of byte l belongs to element 32 k + l.
  uint8_t q[128];
};

/// 16 groups of 16: value = d * scale * (q - 32).
struct Q6KBlock {
  uint8_t low[128];  ///< Two halves of 64 bytes; elements l and l + 64 of a half share byte l.
  uint8_t high[64];  ///< Two halves of 32 bytes; elements l, l + 32, l + 64, l + 96 share byte l.
  int8_t scales[16];
  HalfBytes d;
};

/// value = d * kIq4Values[q].
struct Iq4NlBlock {
  HalfBytes d;
  uint8_t q[16];
};

/// 8 groups of 32: value = d * (scale - 32) * kIq4Values[q].
struct Iq4XsBlock {
  HalfBytes d;
  uint8_t scales_high[2];  ///< Two bits per group.
  uint8_t scales_low[4];   ///< Four bits per group.
  uint8_t q[128];          ///< Eight runs of 16 bytes, each as in Iq4NlBlock.
};

static_assert(sizeof(Q4_0Block) == 18 && sizeof(Q4_1Block) == 20);
static_assert(sizeof(Q5_0Block) == 22 && sizeof(Q5_1Block) == 24 && sizeof(Q8_0Block) == 34);
static_assert(sizeof(Q2KBlock) == 84 && sizeof(Q3KBlock) == 110 && sizeof(Q4KBlock) == 144);
static_assert(sizeof(Q5KBlock) == 176 && sizeof(Q6KBlock) == 210);
static_assert(sizeof(Iq4NlBlock) == 18 && sizeof(Iq4XsBlock) == 136);

/// Copies block `index` out of (into) a row of blocks.
template <typename Block>
Block LoadBlock(const std::byte* row, int64_t index) {
  Block block;
  std::memcpy(&block, row + static_cast<size_t>(index) * sizeof(Block), sizeof(Block));
  return block;
}
template <typename Block>
void StoreBlock(const Block& block, std::byte* row, int64_t index) {
  std::memcpy(row + static_cast<size_t>(index) * sizeof(Block), &block, sizeof(Block));
}

inline float Load(HalfBytes half) {
  return HalfToFloat(static_cast<uint16_t>(half.bytes[0] | half.bytes[1] << 8));
}
/// Rounds to the nearest finite half.
inline HalfBytes StoreFinite(float value) {
  const float limit = 65504.0f;
  const uint16_t bits = FloatToHalf(value > limit ? limit : value < -limit ? -limit : value);
  return {{static_cast<uint8_t>(bits & 255), static_cast<uint8_t>(bits >> 8)}};
}

/// Rounds away from zero to a finite half: a scale of scales, that must reach the largest of them
/// even where halves are subnormal and far apart.
inline HalfBytes StoreOutward(float value) {
  HalfBytes half = StoreFinite(value);
  const float stored = Load(half);
  const bool inside = value < 0 ? stored > value : stored < value;
  const bool largest = half.bytes[0] == 0xff && (half.bytes[1] & 0x7f) == 0x7b;
  if (!inside || largest) return half;
  const int next = (half.bytes[0] | half.bytes[1] << 8) + 1;
  return {{static_cast<uint8_t>(next & 255), static_cast<uint8_t>(next >> 8)}};
}

// Each unpacks `blocks` blocks. F16 and BF16 count elements.
void DequantizeF16(const std::byte* source, float* target, int64_t elements);
void DequantizeBf16(const std::byte* source, float* target, int64_t elements);
void DequantizeQ4_0(const std::byte* source, float* target, int64_t blocks);
void DequantizeQ4_1(const std::byte* source, float* target, int64_t blocks);
void DequantizeQ5_0(const std::byte* source, float* target, int64_t blocks);
void DequantizeQ5_1(const std::byte* source, float* target, int64_t blocks);
void DequantizeQ8_0(const std::byte* source, float* target, int64_t blocks);
void DequantizeQ2K(const std::byte* source, float* target, int64_t blocks);
void DequantizeQ3K(const std::byte* source, float* target, int64_t blocks);
void DequantizeQ4K(const std::byte* source, float* target, int64_t blocks);
void DequantizeQ5K(const std::byte* source, float* target, int64_t blocks);
void DequantizeQ6K(const std::byte* source, float* target, int64_t blocks);
void DequantizeIq4Nl(const std::byte* source, float* target, int64_t blocks);
void DequantizeIq4Xs(const std::byte* source, float* target, int64_t blocks);

// Each packs `blocks` blocks. F16 and BF16 count elements.
void QuantizeF16(const float* source, std::byte* target, int64_t elements);
void QuantizeBf16(const float* source, std::byte* target, int64_t elements);
void QuantizeQ4_0(const float* source, std::byte* target, int64_t blocks);
void QuantizeQ4_1(const float* source, std::byte* target, int64_t blocks);
void QuantizeQ5_0(const float* source, std::byte* target, int64_t blocks);
void QuantizeQ5_1(const float* source, std::byte* target, int64_t blocks);
void QuantizeQ8_0(const float* source, std::byte* target, int64_t blocks);
void QuantizeQ4K(const float* source, std::byte* target, int64_t blocks);
void QuantizeQ5K(const float* source, std::byte* target, int64_t blocks);
void QuantizeQ6K(const float* source, std::byte* target, int64_t blocks);

}  // namespace tandem::quant
