#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// y[t, r] = dot(row r of w, row t of x) for weights in float, half or bfloat16 and everything else
// in float. Rows of weights are padded with zeros to 16 bytes.
#include "common.glsl"

layout(constant_id = 1) const uint kType = 0;  // 0 float, 1 half, 2 bfloat16
layout(constant_id = 5) const uint kRows = 2;
layout(constant_id = 6) const uint kColumns = 1;

layout(binding = 0) readonly buffer Weights { uvec4 w[]; };
layout(binding = 1) readonly buffer X { float x[]; };
layout(binding = 2) writeonly buffer Y { float y[]; };

layout(push_constant) uniform Push {
  uint cols;
  uint rows;    // of these weights
  uint stride;  // uvec4 of a row
  uint count;   // activation rows
  uint x_first;
  uint y_first;
  uint y_stride;
  float cap;  // 0 for none
};

const uint kEach = kType == 0 ? 4 : 8;

void Unpack(uvec4 packed, out float values[8]) {
  for (uint i = 0; i < 4; ++i) {
    if (kType == 0) {
      values[i] = uintBitsToFloat(packed[i]);
    } else if (kType == 1) {
      const vec2 pair = unpackHalf2x16(packed[i]);
      values[2 * i] = pair.x;
      values[2 * i + 1] = pair.y;
    } else {
      values[2 * i] = uintBitsToFloat(packed[i] << 16);
      values[2 * i + 1] = uintBitsToFloat(packed[i] & 0xffff0000u);
    }
  }
}

void main() {
  const uint first_row = (WorkgroupNumber() * gl_NumSubgroups + gl_SubgroupID) * kRows;
  const uint first_column = gl_WorkGroupID.y * kColumns;
  if (first_row >= rows) return;
  float sums[kRows][kColumns];
  for (uint r = 0; r < kRows; ++r) {
    for (uint c = 0; c < kColumns; ++c) sums[r][c] = 0.0;
  }
  for (uint at = gl_SubgroupInvocationID; at < stride; at += gl_SubgroupSize) {
    float weights[kRows][8];
    for (uint r = 0; r < kRows; ++r) {
      Unpack(w[min(first_row + r, rows - 1) * stride + at], weights[r]);
    }
    const uint column = at * kEach;
    const uint left = min(cols - column, kEach);
    for (uint c = 0; c < kColumns; ++c) {
      const uint base = x_first + min(first_column + c, count - 1) * cols + column;
      for (uint i = 0; i < left; ++i) {
        const float value = x[base + i];
        for (uint r = 0; r < kRows; ++r) sums[r][c] += weights[r][i] * value;
      }
    }
  }
  for (uint r = 0; r < kRows; ++r) {
    for (uint c = 0; c < kColumns; ++c) {
      float sum = subgroupAdd(sums[r][c]);
      if (cap != 0.0) sum = cap * SafeTanh(sum / cap);
      if (subgroupElect() && first_row + r < rows && first_column + c < count) {
        y[y_first + (first_column + c) * y_stride + first_row + r] = sum;
      }
    }
  }
}
