#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// y[p][t] = scale * columns [first_col + p * plane, ... + plane) of row rows[t].token of a table in
// any layout of weights.h, by address: a table may be larger than what a binding reaches.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#include "common.glsl"
#include "step.glsl"
#include "weights.glsl"

layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Words { uint word[]; };

layout(constant_id = 5) const uint kFloatType = 0;  // 1 float, 2 half, 3 bfloat16; 0: quantised

layout(binding = 0) readonly buffer Rows { Row rows[]; };
layout(binding = 1) writeonly buffer Y { float y[]; };
layout(binding = 2) readonly buffer Drawn { uint drawn; };

layout(push_constant) uniform Push {
  uvec2 codes;
  uvec2 high;
  uvec2 scales;
  uvec2 supers;
  uint cols;
  uint stride;        // uvec4 of a row of float weights
  uint scale_stride;  // words of a row
  uint first_row;     // of the row set
  uint y_first;
  float factor;
  uint vocab;  // tokens beyond it read row 0
  uint first_col;
  uint count;  // columns
  uint plane;
};

// Of a row whose token the step before has drawn.
const uint kDrawnToken = 0xffffffffu;

// Columns of a workgroup.
const uint kSpan = 1024;

// The address of a word, where a table has more of them than 32 bits count.
Words At(uvec2 base, uint row, uint row_words) {
  uint upper, lower;
  umulExtended(row, row_words * 4, upper, lower);
  uint carry;
  const uint low = uaddCarry(base.x, lower, carry);
  return Words(uvec2(low, base.y + upper + carry));
}

float FloatAt(uint row, uint column) {
  Words words = At(codes, row, stride * 4);
  if (kFloatType == 1) return uintBitsToFloat(words.word[column]);
  const uint word = words.word[column / 2];
  if (kFloatType == 2) {
    const vec2 pair = unpackHalf2x16(word);
    return (column & 1u) == 0 ? pair.x : pair.y;
  }
  return uintBitsToFloat((column & 1u) == 0 ? word << 16 : word & 0xffff0000u);
}

float QuantizedAt(uint row, uint column) {
  const uint blocks = cols / 32, block = column / 32, i = column % 32;
  int code;
  if (kBits == 8) {
    const uint word = At(codes, row, blocks * 8).word[block * 8 + i / 4];
    code = bitfieldExtract(int(word), int(8 * (i & 3u)), 8);
  } else {
    const uint word = At(codes, row, blocks * 4).word[block * 4 + (i & 15u) / 4];
    code = int((word >> (8 * (i & 3u) + (i < 16 ? 0 : 4))) & 15u);
    if (kBits == 6) {
      const uint upper = At(high, row, blocks * 2).word[block * 2 + i / 16];
      code |= int((upper >> (8 * (i & 3u) + 2 * ((i & 15u) / 4))) & 3u) << 4;
    }
  }
  const uint group = column / kGroup;
  Words scale = At(scales, row, scale_stride);
  const float value = float(code - kMinus);
  if (kScales == 0) {
    const vec2 pair = unpackHalf2x16(scale.word[group / 2]);
    return value * ((group & 1u) == 0 ? pair.x : pair.y);
  }
  if (kScales == 1) {
    const vec2 pair = unpackHalf2x16(scale.word[group]);
    return value * pair.x + pair.y;
  }
  const vec2 d = unpackHalf2x16(At(supers, row, blocks / 8).word[column / 256]);
  if (kScales == 2) {
    const int byte = bitfieldExtract(int(scale.word[group / 4]), int(8 * (group & 3u)), 8);
    return value * (d.x * float(byte));
  }
  const uint both = bitfieldExtract(scale.word[group / 2], int(16 * (group & 1u)), 16);
  return value * (d.x * float(both & 255u)) - d.y * float(both >> 8);
}

void main() {
  const uint t = gl_WorkGroupID.x, tokens = gl_NumWorkGroups.x;
  uint row = rows[first_row + t].token;
  if (row == kDrawnToken) row = drawn;
  if (row >= vocab) row = 0;
  const uint end = min((gl_WorkGroupID.y + 1) * kSpan, count);
  for (uint i = gl_WorkGroupID.y * kSpan + gl_LocalInvocationID.x; i < end;
       i += gl_WorkGroupSize.x) {
    const uint column = first_col + i;
    const float value = kFloatType != 0 ? FloatAt(row, column) : QuantizedAt(row, column);
    y[y_first + ((i / plane) * tokens + t) * plane + i % plane] = value * factor;
  }
}
