#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations in 8 bits, 32 of them a thread, as the fast levels of the CPU do it: x = scale * q.
// Of each 32: the scale, and the sums of the first and of the last 16 q, in 16 bits each. A value
// that is not finite makes the scale NaN, and so the results.
#include "common.glsl"

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) writeonly buffer Q { uint q[]; };
layout(binding = 2) writeonly buffer Groups { uvec2 groups[]; };

layout(push_constant) uniform Push {
  uint x_first;
  uint count;  // of groups of 32
};

void main() {
  const uint group = WorkgroupNumber() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
  if (group >= count) return;
  float v[32];
  uint most = 0;  // Bits of numbers without their sign are ordered as the numbers are.
  for (uint i = 0; i < 32; ++i) {
    v[i] = x[x_first + 32 * group + i];
    most = max(most, floatBitsToUint(v[i]) & 0x7fffffffu);
  }
  const bool finite = most < 0x7f800000u;
  const float highest = uintBitsToFloat(most);
  const bool zeros = !finite || highest < 1e-30;
  const float inverse = zeros ? 0.0 : 127.0 / highest;
  int sums[2] = int[2](0, 0);
  for (uint word = 0; word < 8; ++word) {
    uint packed = 0;
    for (uint i = 0; i < 4; ++i) {
      const int value = zeros ? 0 : clamp(int(roundEven(v[4 * word + i] * inverse)), -127, 127);
      sums[word / 4] += value;
      packed |= (uint(value) & 255u) << (8 * i);
    }
    q[8 * group + word] = packed;
  }
  const uint scale = finite ? floatBitsToUint(highest / 127.0) : 0x7fc00000u;
  groups[group] = uvec2(scale, (uint(sums[0]) & 0xffffu) | uint(sums[1]) << 16);
}
