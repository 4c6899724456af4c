#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of many rows in float, weights as they are stored: a workgroup makes kTileRows rows for
// kTileTokens rows of activations, by kDepth columns, through shared memory; a thread kRows by
// kTokens of them. What comes next is fetched while what is there is multiplied.
#extension GL_EXT_control_flow_attributes : require
#include "common.glsl"

layout(constant_id = 1) const uint kType = 0;  // 0 float, 1 half, 2 bfloat16
layout(constant_id = 2) const uint kTileRows = 64;
layout(constant_id = 3) const uint kTileTokens = 64;
layout(constant_id = 4) const uint kDepth = 16;
layout(constant_id = 5) const uint kRows = 4;  // multiples of four
layout(constant_id = 6) const uint kTokens = 4;

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

const uint kEach = kType == 0 ? 4 : 8;  // values of a uvec4
const uint kPieces = kDepth / kEach;    // of a row
const uint kWPieces = (kTileRows * kPieces + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;
const uint kXValues = kTileTokens * kDepth / gl_WorkGroupSize.x;
// A column of the tile is a line, so that a thread reads four rows at once.
const uint kWLine = kTileRows + 4;
const uint kXLine = kTileTokens + 4;
shared vec4 w_tile[kDepth * kWLine / 4];
shared vec4 x_tile[kDepth * kXLine / 4];

const uint kRowThreads = kTileRows / kRows;

uint first_row, first_token;
uvec4 w_next[kWPieces];
float x_next[kXValues];

void Fetch(uint column) {
  [[unroll]] for (uint n = 0; n < kWPieces; ++n) {
    const uint item = gl_LocalInvocationID.x + n * gl_WorkGroupSize.x;
    const uint row = min(first_row + item / kPieces, rows - 1);
    const uint piece = column / kEach + item % kPieces;
    w_next[n] = piece < stride ? w[row * stride + piece] : uvec4(0);
  }
  [[unroll]] for (uint n = 0; n < kXValues; ++n) {
    const uint item = gl_LocalInvocationID.x + n * gl_WorkGroupSize.x;
    const uint token = min(first_token + item / kDepth, count - 1);
    const uint at = column + item % kDepth;
    x_next[n] = at < cols ? x[x_first + token * cols + at] : 0.0;
  }
}

float ValueOf(uvec4 packed, uint i) {
  if (kType == 0) return uintBitsToFloat(packed[i]);
  const uint word = packed[i / 2];
  if (kType == 1) {
    const vec2 pair = unpackHalf2x16(word);
    return (i & 1u) == 0 ? pair.x : pair.y;
  }
  return uintBitsToFloat((i & 1u) == 0 ? word << 16 : word & 0xffff0000u);
}

void Stash() {
  [[unroll]] for (uint n = 0; n < kWPieces; ++n) {
    const uint item = gl_LocalInvocationID.x + n * gl_WorkGroupSize.x;
    if (item >= kTileRows * kPieces) break;
    const uint row = item / kPieces, column = item % kPieces * kEach;
    [[unroll]] for (uint i = 0; i < kEach; ++i) {
      w_tile[((column + i) * kWLine + row) / 4][row & 3u] = ValueOf(w_next[n], i);
    }
  }
  [[unroll]] for (uint n = 0; n < kXValues; ++n) {
    const uint item = gl_LocalInvocationID.x + n * gl_WorkGroupSize.x;
    const uint token = item / kDepth, column = item % kDepth;
    x_tile[(column * kXLine + token) / 4][token & 3u] = x_next[n];
  }
}

float sums[kRows][kTokens];

void Multiply() {
  const uint row = gl_LocalInvocationID.x % kRowThreads;
  const uint token = gl_LocalInvocationID.x / kRowThreads;
  for (uint column = 0; column < kDepth; ++column) {
    vec4 a[kRows / 4], b[kTokens / 4];
    [[unroll]] for (uint r = 0; r < kRows / 4; ++r) {
      a[r] = w_tile[column * kWLine / 4 + row + r * kRowThreads];
    }
    [[unroll]] for (uint t = 0; t < kTokens / 4; ++t) {
      b[t] = x_tile[column * kXLine / 4 + token + t * (kTileTokens / kTokens)];
    }
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      [[unroll]] for (uint t = 0; t < kTokens; ++t) {
        sums[r][t] = fma(a[r / 4][r & 3u], b[t / 4][t & 3u], sums[r][t]);
      }
    }
  }
}

void main() {
  first_token = gl_WorkGroupID.x * kTileTokens;
  first_row = gl_WorkGroupID.y * kTileRows;
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    [[unroll]] for (uint t = 0; t < kTokens; ++t) sums[r][t] = 0.0;
  }
  Fetch(0);
  for (uint column = 0; column < cols; column += kDepth) {
    Stash();
    barrier();
    if (column + kDepth < cols) Fetch(column + kDepth);
    Multiply();
    barrier();
  }
  // A thread has runs of four neighbours.
  const uint row_at = gl_LocalInvocationID.x % kRowThreads;
  const uint token_at = gl_LocalInvocationID.x / kRowThreads;
  [[unroll]] for (uint t = 0; t < kTokens; ++t) {
    const uint token =
        first_token + (token_at + t / 4 * (kTileTokens / kTokens)) * 4 + (t & 3u);
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      const uint row = first_row + (row_at + r / 4 * kRowThreads) * 4 + (r & 3u);
      float sum = sums[r][t];
      if (cap != 0.0) sum = cap * SafeTanh(sum / cap);
      if (row < rows && token < count) y[y_first + token * y_stride + row] = sum;
    }
  }
}
