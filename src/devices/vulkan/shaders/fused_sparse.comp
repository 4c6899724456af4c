#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A matrix by columns (weights.h: ByColumns) times one token's activations in 8 bits, most of which
// are zero: only the columns of the others are read, and the scales of groups that have some. A
// workgroup makes a tile of rows from a share of the groups, a subgroup a group at a time, kLanes
// of its lanes a column. Shares lie one after another in y: the tail adds them.
#extension GL_GOOGLE_include_directive : require
#define TAIL
#include "common.glsl"
#include "fused.glsl"
#include "fused_push.glsl"

layout(constant_id = 1) const uint kBits = 4;
layout(constant_id = 2) const int kMinus = 8;
layout(constant_id = 3) const uint kLanes = 16;
#include "tail.glsl"

layout(binding = 0) readonly buffer Codes { uint codes[]; };
layout(binding = 2) readonly buffer Scales { uvec4 scales[]; };

const uint kEachLane = 8;  // rows of a lane
const uint kTileRows = kEachLane * kLanes;
const uint kColumns = kSubgroup / kLanes;  // that a subgroup walks at a time
const uint kTogether = 512 / kSubgroup;    // subgroups of a workgroup, at most

shared float made[kTogether * kTileRows];

// A bit for each of four bytes that is not zero.
uint NotZero(uint word) {
  const uint high = (word | ((word & 0x7f7f7f7fu) + 0x7f7f7f7fu)) & 0x80808080u;
  return (high >> 7 & 1u) | (high >> 14 & 2u) | (high >> 21 & 4u) | (high >> 28 & 8u);
}

void Multiply(uint tile, uint first, uint end, out float sums[kEachLane]) {
  const uint lane = gl_SubgroupInvocationID % kLanes, own = gl_SubgroupInvocationID / kLanes;
  [[unroll]] for (uint i = 0; i < kEachLane; ++i) sums[i] = 0.0;
  for (uint g = first + gl_SubgroupID; g < end; g += gl_NumSubgroups) {
    const uvec4 low = before[push.x + 2 * g], high = before[push.x + 2 * g + 1];
    const uvec4 pair = before[push.x_groups + g / 2];
    const uvec2 group = (g & 1u) == 0 ? pair.xy : pair.zw;
    const float scale = uintBitsToFloat(group.x);
    const int sum = (int(group.y << 16) >> 16) + (int(group.y) >> 16);
    uint alive = 0;
    [[unroll]] for (uint i = 0; i < 4; ++i) {
      alive |= NotZero(low[i]) << (4 * i) | NotZero(high[i]) << (16 + 4 * i);
    }
    // A group that is no number has no codes, and shows in the result.
    if (alive == 0 && (group.x & 0x7fffffffu) <= 0x7f800000u) continue;
    const uvec4 halves = scales[push.scales_at + (tile * push.rows + g) * kLanes + lane];
    int dots[kEachLane];
    [[unroll]] for (uint i = 0; i < kEachLane; ++i) dots[i] = 0;
    while (alive != 0) {
      uint column = 32;
      [[unroll]] for (uint c = 0; c < kColumns; ++c) {
        if (c == own && alive != 0) column = findLSB(alive);
        alive &= alive - 1;
      }
      if (column == 32) continue;
      const uvec4 words = before[push.x + 2 * g + column / 16];
      const int x = int(words[column / 4 & 3u] << (24 - 8 * (column & 3u))) >> 24;
      const uint at = push.codes_at +
                      ((tile * push.rows + g) * 32 + column) * (kLanes * kBits / 4) +
                      lane * (kBits / 4);
      if (kBits == 4) {
        const uint word = codes[at];
        [[unroll]] for (uint i = 0; i < kEachLane; ++i) dots[i] += x * int(word >> (4 * i) & 15u);
      } else {
        const uvec2 both = uvec2(codes[at], codes[at + 1]);
        [[unroll]] for (uint i = 0; i < kEachLane; ++i) {
          dots[i] += x * (int(both[i / 4] << (24 - 8 * (i % 4))) >> 24);
        }
      }
    }
    [[unroll]] for (uint d = kLanes; d < kSubgroup; d *= 2) {
      [[unroll]] for (uint i = 0; i < kEachLane; ++i) dots[i] += subgroupShuffleXor(dots[i], d);
    }
    [[unroll]] for (uint i = 0; i < kEachLane; ++i) {
      const vec2 pair_ = unpackHalf2x16(halves[i / 2]);
      const float w = (i & 1u) == 0 ? pair_.x : pair_.y;
      sums[i] += float(dots[i] - kMinus * sum) * (w * scale);
    }
  }
}

void main() {
  const uint touched = Touch(WorkgroupNumber());
  const uint tiles = 4 * kWidth4 / kTileRows;
  const uint tile = WorkgroupNumber() % tiles, share = WorkgroupNumber() / tiles;
  if (share < kParts) {
    float sums[kEachLane];
    const uint first = share * push.scale_stride;
    Multiply(tile, first, min(first + push.scale_stride, push.rows), sums);
    if (gl_SubgroupInvocationID < kLanes) {
      [[unroll]] for (uint i = 0; i < kEachLane; ++i) {
        made[gl_SubgroupID * kTileRows + kEachLane * gl_SubgroupInvocationID + i] = sums[i];
      }
    }
    barrier();
    if (Thread() < kTileRows / 4) {
      vec4 quad = vec4(0.0);
      for (uint s = 0; s < gl_NumSubgroups; ++s) {
        const uint at = s * kTileRows + 4 * Thread();
        quad += vec4(made[at], made[at + 1], made[at + 2], made[at + 3]);
      }
      handed[push.y4 + share * kWidth4 + tile * (kTileRows / 4) + Thread()] = quad;
    }
  }
  // Never so: but the load has to be made to know.
  if (touched == 0x7fc12345u) counters[push.counter] = 0;
  if (LastOf(push.arrivals, push.counter)) Tail();
}
