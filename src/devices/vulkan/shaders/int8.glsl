// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of quantised weights (weights.glsl) with activations in 8 bits: a matrix's planes, dot
// products of four bytes, codes and scales of 32 columns of a row.
#include "weights.glsl"

// Where the planes of a matrix begin in their bindings, in units of these.
#ifndef CODES_AT
#define CODES_AT 0u
#define HIGH_AT 0u
#define SCALES_AT 0u
#define SUPERS_AT 0u
#endif

#ifdef INTEGER_DOT
#extension GL_EXT_spirv_intrinsics : require
// OpSDot of four bytes packed into a word each.
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6019, 6018],
                  id = 4450)
int PackedDot(uint a, uint b, spirv_literal int packed_format);
int Dot4(uint a, uint b) { return PackedDot(a, b, 0); }
#else
int Dot4(uint a, uint b) {
  const ivec4 shift = ivec4(24, 16, 8, 0);
  const ivec4 x = (ivec4(int(a)) << shift) >> 24;
  const ivec4 y = (ivec4(int(b)) << shift) >> 24;
  return x.x * y.x + x.y * y.y + x.z * y.z + x.w * y.w;
}
#endif

layout(binding = 0) readonly buffer Codes { uvec4 codes[]; };
layout(binding = 1) readonly buffer High { uvec2 high[]; };
layout(binding = 2) readonly buffer Scales { uint scales[]; };
layout(binding = 3) readonly buffer Supers { uint supers[]; };
vec2 ScaleAndMin(uint row, uint group, uint blocks, uint scale_stride) {
  const uint base = SCALES_AT + row * scale_stride;
  if (kScales == 0) {
    const vec2 pair = unpackHalf2x16(scales[base + group / 2]);
    return vec2((group & 1u) == 0 ? pair.x : pair.y, 0.0);
  }
  if (kScales == 1) return unpackHalf2x16(scales[base + group]);
  const vec2 d = unpackHalf2x16(supers[SUPERS_AT + row * (blocks / 8) + group * kGroup / 256]);
  if (kScales == 2) {
    const int byte = bitfieldExtract(int(scales[base + group / 4]), int(8 * (group & 3u)), 8);
    return vec2(d.x * float(byte), 0.0);
  }
  const uint both = bitfieldExtract(scales[base + group / 2], int(16 * (group & 1u)), 16);
  return vec2(d.x * float(both & 255u), -(d.y * float(both >> 8)));
}

// Eight words of four codes each: columns of a block in order.
void LoadCodes(uint row, uint block, uint blocks, out uint words[8]) {
  const uint at = row * blocks + block;
  if (kBits == 8) {
    const uvec4 a = codes[CODES_AT + 2 * at], b = codes[CODES_AT + 2 * at + 1];
    for (uint i = 0; i < 4; ++i) {
      words[i] = a[i];
      words[4 + i] = b[i];
    }
    return;
  }
  const uvec4 packed = codes[CODES_AT + at];
  for (uint i = 0; i < 4; ++i) {
    words[i] = packed[i] & 0x0f0f0f0fu;
    words[4 + i] = (packed[i] >> 4) & 0x0f0f0f0fu;
  }
  if (kBits == 6) {
    const uvec2 upper = high[HIGH_AT + at];
    for (uint i = 0; i < 4; ++i) {
      words[i] |= ((upper.x >> (2 * i)) & 0x03030303u) << 4;
      words[4 + i] |= ((upper.y >> (2 * i)) & 0x03030303u) << 4;
    }
  }
}
