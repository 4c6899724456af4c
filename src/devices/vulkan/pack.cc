// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of GGUF blocks taken apart into the device's layout. A block becomes codes, one byte each in
// the order of the columns, and what its scales are made of; those are then packed.
#include <array>
#include <cstring>

#include "devices/vulkan/weights.h"
#include "formats/k_scales.h"
#include "formats/quant_blocks.h"

namespace tandem::vulkan {
namespace {

using quant::HalfBytes;
using quant::LoadBlock;

constexpr int kPacked = 32;  // columns whose codes are packed together

// Writes planes from front to back.
class Writer {
 public:
  Writer(const Layout& layout, const PackedRow& to) : layout_(layout), to_(to) {}

  /// The next 32 codes.
  void Codes(const uint8_t* codes) {
    std::array<uint8_t, 32> out{};
    if (layout_.bits == 8) {
      Put(to_.codes, codes, 32);
      return;
    }
    for (size_t i = 0; i < 16; ++i) {
      out[i] = static_cast<uint8_t>((codes[i] & 15) | (codes[i + 16] & 15) << 4);
    }
    Put(to_.codes, out.data(), 16);
    if (layout_.bits != 6) return;
    for (size_t word = 0; word < 2; ++word) {
      for (size_t byte = 0; byte < 4; ++byte) {
        uint8_t packed = 0;
        for (size_t k = 0; k < 4; ++k) {
          packed |= static_cast<uint8_t>(codes[16 * word + 4 * k + byte] >> 4 << (2 * k));
        }
        out[4 * word + byte] = packed;
      }
    }
    Put(to_.high, out.data(), 8);
  }
  void Half(HalfBytes half) { Put(to_.scales, half.bytes, 2); }
  void Byte(int value) {
    const auto byte = static_cast<uint8_t>(value);
    Put(to_.scales, &byte, 1);
  }
  void Super(HalfBytes d, HalfBytes dmin) {
    Put(to_.supers, d.bytes, 2);
    Put(to_.supers, dmin.bytes, 2);
  }
  /// Zeros up to the end of the row of scales, which is a whole number of words.
  void Pad(uint64_t bytes) {
    const uint32_t zero = 0;
    Put(to_.scales, &zero, bytes);
  }

 private:
  static void Put(std::byte*& target, const void* source, size_t size) {
    std::memcpy(target, source, size);
    target += size;
  }
  const Layout& layout_;
  PackedRow to_;
};

constexpr std::array<int8_t, 16> kIq4 = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};

void Nibbles(const uint8_t* q, uint8_t* codes) {
  for (int i = 0; i < 16; ++i) {
    codes[i] = q[i] & 15;
    codes[i + 16] = q[i] >> 4;
  }
}
void AddFifthBits(const uint8_t* high, uint8_t* codes) {
  for (int i = 0; i < 32; ++i) {
    codes[i] = static_cast<uint8_t>(codes[i] | (high[i / 8] >> (i % 8) & 1) << 4);
  }
}
void LookUp(uint8_t* codes, int count) {
  for (int i = 0; i < count; ++i) codes[i] = static_cast<uint8_t>(kIq4[codes[i]]);
}

void Pack(const quant::Q4_0Block& block, Writer& out) {
  uint8_t codes[32];
  Nibbles(block.q, codes);
  out.Codes(codes);
  out.Half(block.d);
}
void Pack(const quant::Q4_1Block& block, Writer& out) {
  uint8_t codes[32];
  Nibbles(block.q, codes);
  out.Codes(codes);
  out.Half(block.d);
  out.Half(block.m);
}
void Pack(const quant::Q5_0Block& block, Writer& out) {
  uint8_t codes[32];
  Nibbles(block.q, codes);
  AddFifthBits(block.high, codes);
  out.Codes(codes);
  out.Half(block.d);
}
void Pack(const quant::Q5_1Block& block, Writer& out) {
  uint8_t codes[32];
  Nibbles(block.q, codes);
  AddFifthBits(block.high, codes);
  out.Codes(codes);
  out.Half(block.d);
  out.Half(block.m);
}
void Pack(const quant::Q8_0Block& block, Writer& out) {
  uint8_t codes[32];
  std::memcpy(codes, block.q, 32);
  out.Codes(codes);
  out.Half(block.d);
}
void Pack(const quant::Iq4NlBlock& block, Writer& out) {
  uint8_t codes[32];
  Nibbles(block.q, codes);
  LookUp(codes, 32);
  out.Codes(codes);
  out.Half(block.d);
}
void Pack(const quant::Iq4XsBlock& block, Writer& out) {
  for (int g = 0; g < 8; ++g) {
    uint8_t codes[32];
    Nibbles(block.q + 16 * g, codes);
    LookUp(codes, 32);
    out.Codes(codes);
    const int low = block.scales_low[g / 2] >> (4 * (g % 2)) & 15;
    const int high = block.scales_high[g / 4] >> (2 * (g % 4)) & 3;
    out.Byte((low | high << 4) - 32);
  }
  out.Super(block.d, {});
}

// Codes of a block of 256 by runs of 32.
void PutCodes(const uint8_t* codes, Writer& out) {
  for (int c = 0; c < 256; c += kPacked) out.Codes(codes + c);
}

template <typename Block>
void PutKScales(const Block& block, Writer& out) {
  const quant::KScales k = quant::UnpackKScales(block.scales);
  for (int g = 0; g < 8; ++g) {
    out.Byte(k.scale[g]);
    out.Byte(k.min[g]);
  }
  out.Super(block.d, block.dmin);
}
void Pack(const quant::Q4KBlock& block, Writer& out) {
  uint8_t codes[256];
  for (int run = 0; run < 4; ++run) {
    for (int l = 0; l < 32; ++l) {
      codes[64 * run + l] = block.q[32 * run + l] & 15;
      codes[64 * run + 32 + l] = block.q[32 * run + l] >> 4;
    }
  }
  PutCodes(codes, out);
  PutKScales(block, out);
}
void Pack(const quant::Q5KBlock& block, Writer& out) {
  uint8_t codes[256];
  for (int run = 0; run < 4; ++run) {
    for (int l = 0; l < 32; ++l) {
      const uint8_t q = block.q[32 * run + l];
      const uint8_t high = block.high[l];
      codes[64 * run + l] = static_cast<uint8_t>((q & 15) | (high >> (2 * run) & 1) << 4);
      codes[64 * run + 32 + l] = static_cast<uint8_t>(q >> 4 | (high >> (2 * run + 1) & 1) << 4);
    }
  }
  PutCodes(codes, out);
  PutKScales(block, out);
}
void Pack(const quant::Q6KBlock& block, Writer& out) {
  uint8_t codes[256];
  for (int half = 0; half < 2; ++half) {
    for (int run = 0; run < 4; ++run) {
      for (int l = 0; l < 32; ++l) {
        const int low = block.low[64 * half + 32 * (run % 2) + l] >> (4 * (run / 2)) & 15;
        const int high = block.high[32 * half + l] >> (2 * run) & 3;
        codes[128 * half + 32 * run + l] = static_cast<uint8_t>(low | high << 4);
      }
    }
  }
  PutCodes(codes, out);
  for (const int8_t scale : block.scales) out.Byte(scale);
  out.Super(block.d, {});
}
void TwoBits(const uint8_t* q, uint8_t* codes) {
  for (int half = 0; half < 2; ++half) {
    for (int run = 0; run < 4; ++run) {
      for (int l = 0; l < 32; ++l) {
        codes[128 * half + 32 * run + l] = q[32 * half + l] >> (2 * run) & 3;
      }
    }
  }
}
void Pack(const quant::Q2KBlock& block, Writer& out) {
  uint8_t codes[256];
  TwoBits(block.q, codes);
  PutCodes(codes, out);
  for (const uint8_t both : block.scales) {
    out.Byte(both & 15);
    out.Byte(both >> 4);
  }
  out.Super(block.d, block.dmin);
}
void Pack(const quant::Q3KBlock& block, Writer& out) {
  uint8_t codes[256];
  TwoBits(block.q, codes);
  for (int i = 0; i < 256; ++i) {
    codes[i] = static_cast<uint8_t>(codes[i] | (block.high[i % 32] >> (i / 32) & 1) << 2);
  }
  PutCodes(codes, out);
  for (int g = 0; g < 16; ++g) {
    const int low = block.scales[g % 8] >> (4 * (g / 8)) & 15;
    const int high = block.scales[8 + g % 4] >> (2 * (g / 4)) & 3;
    out.Byte((low | high << 4) - 32);
  }
  out.Super(block.d, {});
}

template <typename Block>
void PackBlocks(const std::byte* row, int64_t blocks, Writer& out) {
  for (int64_t b = 0; b < blocks; ++b) Pack(LoadBlock<Block>(row, b), out);
}

}  // namespace

Layout LayoutOf(DType type) {
  switch (type) {
    case DType::kF32: return {.quantized = false, .float_type = 0};
    case DType::kF16: return {.quantized = false, .float_type = 1};
    case DType::kBF16: return {.quantized = false, .float_type = 2};
    case DType::kQ4_0: return {true, 0, 4, 32, 8, 0};
    case DType::kQ4_1: return {true, 0, 4, 32, 0, 1};
    case DType::kQ5_0: return {true, 0, 6, 32, 16, 0};
    case DType::kQ5_1: return {true, 0, 6, 32, 0, 1};
    case DType::kQ8_0:
    case DType::kIQ4_NL: return {true, 0, 8, 32, 0, 0};
    case DType::kIQ4_XS: return {true, 0, 8, 32, 0, 2};
    case DType::kQ2_K: return {true, 0, 4, 16, 0, 3};
    case DType::kQ3_K: return {true, 0, 4, 16, 4, 2};
    case DType::kQ4_K: return {true, 0, 4, 32, 0, 3};
    case DType::kQ5_K: return {true, 0, 6, 32, 0, 3};
    case DType::kQ6_K: return {true, 0, 6, 16, 32, 2};
  }
  return {};
}

RowSizes RowSizesOf(DType type, int64_t cols) {
  const Layout layout = LayoutOf(type);
  const auto count = static_cast<uint64_t>(cols);
  const auto rounded = [](uint64_t bytes, uint64_t to) { return (bytes + to - 1) / to * to; };
  RowSizes sizes;
  if (!layout.quantized) {
    sizes.codes = rounded(count * (layout.float_type == 0 ? 4 : 2), 16);
    return sizes;
  }
  sizes.codes = count / 32 * (layout.bits == 8 ? 32 : 16);
  sizes.high = layout.bits == 6 ? count / 32 * 8 : 0;
  constexpr uint64_t kGroupBytes[] = {2, 4, 1, 2};
  sizes.scales = rounded(count / layout.group * kGroupBytes[layout.scales], 4);
  sizes.supers = layout.scales >= 2 ? count / 256 * 4 : 0;
  return sizes;
}

void PackRow(const WeightView& w, int64_t row, const PackedRow& to) {
  const std::byte* source = w.Row(row);
  const Layout layout = LayoutOf(w.type);
  const RowSizes sizes = RowSizesOf(w.type, w.cols);
  if (!layout.quantized) {
    const size_t bytes = w.RowDataBytes();
    std::memcpy(to.codes, source, bytes);
    std::memset(to.codes + bytes, 0, sizes.codes - bytes);
    return;
  }
  Writer out(layout, to);
  const int64_t blocks = w.cols / BlockElements(w.type);
  switch (w.type) {
    case DType::kQ4_0: PackBlocks<quant::Q4_0Block>(source, blocks, out); break;
    case DType::kQ4_1: PackBlocks<quant::Q4_1Block>(source, blocks, out); break;
    case DType::kQ5_0: PackBlocks<quant::Q5_0Block>(source, blocks, out); break;
    case DType::kQ5_1: PackBlocks<quant::Q5_1Block>(source, blocks, out); break;
    case DType::kQ8_0: PackBlocks<quant::Q8_0Block>(source, blocks, out); break;
    case DType::kIQ4_NL: PackBlocks<quant::Iq4NlBlock>(source, blocks, out); break;
    case DType::kIQ4_XS: PackBlocks<quant::Iq4XsBlock>(source, blocks, out); break;
    case DType::kQ2_K: PackBlocks<quant::Q2KBlock>(source, blocks, out); break;
    case DType::kQ3_K: PackBlocks<quant::Q3KBlock>(source, blocks, out); break;
    case DType::kQ4_K: PackBlocks<quant::Q4KBlock>(source, blocks, out); break;
    case DType::kQ5_K: PackBlocks<quant::Q5KBlock>(source, blocks, out); break;
    case DType::kQ6_K: PackBlocks<quant::Q6KBlock>(source, blocks, out); break;
    default: break;
  }
  constexpr uint64_t kGroupBytes[] = {2, 4, 1, 2};
  const auto groups = static_cast<uint64_t>(w.cols) / layout.group;
  out.Pad(sizes.scales - groups * kGroupBytes[layout.scales]);
}

}  // namespace tandem::vulkan
