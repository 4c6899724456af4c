// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the products of many rows share: a workgroup makes kTileRows rows for kTileTokens rows of
// activations. Weights and activations go through shared memory by kSteps blocks of 32 columns, what
// comes next being fetched while what is there is multiplied. Codes become signed bytes on the way,
// with the offset of their type taken off. For each block, rows lie apart by an odd number of 16
// bytes, so that neighbours are in other banks.
#extension GL_EXT_control_flow_attributes : require
#include "int8.glsl"

layout(constant_id = 5) const uint kTileRows = 64;
layout(constant_id = 6) const uint kTileTokens = 64;
layout(constant_id = 7) const uint kSteps = 2;    // blocks of 32 columns at a time
layout(constant_id = 8) const uint kBuffers = 1;  // of shared memory: 1 or 2

layout(binding = 4) readonly buffer Q { uvec4 q[]; };
layout(binding = 5) readonly buffer Groups { uvec2 groups[]; };
layout(binding = 6) writeonly buffer Y { float y[]; };

layout(push_constant) uniform Push {
  uint blocks;        // 32 columns each
  uint rows;          // of these weights
  uint scale_stride;  // words of a row
  uint count;         // activation rows
  uint y_first;
  uint y_stride;
  float cap;  // 0 for none
};

const uint kGroups = 32 / kGroup;  // of a block
const bool kMins = (kScales & 1u) != 0;

// Of one block of one row: what is fetched, before anything is made of it.
struct Weights {
  uvec4 codes[2];
  uvec2 high;
  uint scale;
  uint super;
};

Weights FetchWeights(uint row, uint block) {
  Weights w;
  const uint at = row * blocks + block;
  if (kBits == 8) {
    w.codes[0] = codes[2 * at];
    w.codes[1] = codes[2 * at + 1];
  } else {
    w.codes[0] = codes[at];
    w.codes[1] = uvec4(0);
  }
  w.high = kBits == 6 ? high[at] : uvec2(0);
  const uint group = block * kGroups;
  const uint word = kScales == 1 ? group : kScales == 2 ? group / 4 : group / 2;
  w.scale = scales[row * scale_stride + word];
  w.super = kScales >= 2 ? supers[row * (blocks / 8) + block / 8] : 0;
  return w;
}

uvec4 Signed(uvec4 words) {
  if (kMinus == 0) return words;
  return ((words | 0x80808080u) - uint(kMinus) * 0x01010101u) ^ 0x80808080u;
}

// The block's 32 codes, in order.
void Unpack(Weights w, out uvec4 low, out uvec4 upper) {
  if (kBits == 8) {
    low = w.codes[0];
    upper = w.codes[1];
    return;
  }
  low = w.codes[0] & 0x0f0f0f0fu;
  upper = (w.codes[0] >> 4) & 0x0f0f0f0fu;
  if (kBits == 6) {
    const uvec4 shift = uvec4(0, 2, 4, 6);
    low |= ((uvec4(w.high.x) >> shift) & 0x03030303u) << 4;
    upper |= ((uvec4(w.high.y) >> shift) & 0x03030303u) << 4;
  }
  low = Signed(low);
  upper = Signed(upper);
}

// Scale and minimum of group `g` of block `block`.
vec2 ScaleAndMin(Weights w, uint block, uint g) {
  if (kScales == 0) {
    const vec2 pair = unpackHalf2x16(w.scale);
    return vec2((block & 1u) == 0 ? pair.x : pair.y, 0.0);
  }
  if (kScales == 1) return unpackHalf2x16(w.scale);
  const uint group = block * kGroups + g;
  const vec2 d = unpackHalf2x16(w.super);
  if (kScales == 2) {
    return vec2(d.x * float(bitfieldExtract(int(w.scale), int(8 * (group & 3u)), 8)), 0.0);
  }
  const uint both = bitfieldExtract(w.scale, int(16 * (group & 1u)), 16);
  return vec2(d.x * float(both & 255u), -(d.y * float(both >> 8)));
}

// What the tile needs next: a thread's share of the weights, and of the activations.
#ifdef FRAGMENT_ROWS
const uint kWEach = 1;  // no more than a thread takes: gemm.cc
const uint kQEach = 1;
#else
const uint kWEach = (kTileRows * kSteps + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;
const uint kQEach = (kTileTokens * kSteps + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;
#endif
uint first_row, first_token;
Weights w_next[kWEach];
uvec4 q_next[kQEach][2];
uvec2 group_next[kQEach];

void Fetch(uint step) {
  [[unroll]] for (uint n = 0; n < kWEach; ++n) {
    const uint item = gl_LocalInvocationID.x + n * gl_WorkGroupSize.x;
    const uint row = min(first_row + item / kSteps, rows - 1);
    w_next[n] = FetchWeights(row, min(step * kSteps + item % kSteps, blocks - 1));
  }
  [[unroll]] for (uint n = 0; n < kQEach; ++n) {
    const uint item = gl_LocalInvocationID.x + n * gl_WorkGroupSize.x;
    const uint token = min(first_token + item / kSteps, count - 1);
    const uint at = token * blocks + min(step * kSteps + item % kSteps, blocks - 1);
    q_next[n][0] = q[2 * at];
    q_next[n][1] = q[2 * at + 1];
    group_next[n] = groups[at];
  }
}
