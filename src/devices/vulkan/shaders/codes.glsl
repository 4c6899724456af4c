// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations in 8 bits, 32 at a time, as the fast levels of the CPU do it: x = scale * q. Of each
// 32: the scale, and the sums of the first and of the last 16 q, in 16 bits each. A value that is
// not finite makes the scale NaN, and so the results.
#extension GL_KHR_shader_subgroup_shuffle : require

// 127 / highest, rounded as on the CPU, where a device's own reciprocal may be off by 2.5 in the
// last place: values half way between two codes would go the other way. What is left over is made
// exact by halves of the factors' digits, which need no fused multiply-add.
const float kDown = 1.0 / 1048576.0;
float Inverse(float highest) {
  // Beyond this the halves' factor would overflow, and a reciprocal would not be normal.
  const bool huge = highest > 1e34;
  precise const float r = 1.0 / (huge ? highest * kDown : highest);
  precise const float q = 127.0 * r;
  precise const float p = q * highest;
  precise const float a = 4097.0 * q, b = 4097.0 * highest;
  precise const float q_high = a - (a - q), h_high = b - (b - highest);
  precise const float q_low = q - q_high, h_low = highest - h_high;
  precise const float lost =
      ((q_high * h_high - p) + q_high * h_low + q_low * h_high) + q_low * h_low;
  precise const float rest = (127.0 - p) - lost;
  precise const float made = q + rest * r;
  return huge ? q * kDown : made;
}

// highest / 127, rounded as on the CPU likewise: the differences are exact.
float Scale(float highest) {
  const float kInverse = 1.0 / 127.0;
  precise const float q = highest * kInverse;
  precise const float rest = ((highest - 64.0 * q) - 64.0 * q) + q;
  precise const float made = q + rest * kInverse;
  return made;
}

// Four of 32 values, the others in the seven neighbouring threads; `group` is the same in all
// eight. Bits of numbers without their sign are ordered as the numbers are.
uint QuantizeQuad(vec4 v, out uvec2 group) {
  const uvec4 bits = floatBitsToUint(v) & 0x7fffffffu;
  uint most = max(max(bits.x, bits.y), max(bits.z, bits.w));
  most = max(most, subgroupShuffleXor(most, 1u));
  most = max(most, subgroupShuffleXor(most, 2u));
  most = max(most, subgroupShuffleXor(most, 4u));
  const bool finite = most < 0x7f800000u;
  const float highest = uintBitsToFloat(most);
  const bool zeros = !finite || highest < 1e-30;
  const float inverse = zeros ? 0.0 : Inverse(highest);
  const ivec4 q = zeros ? ivec4(0) : ivec4(roundEven(v * inverse));  // 127 at most
  int sum = q.x + q.y + q.z + q.w;
  sum += subgroupShuffleXor(sum, 1u);
  sum += subgroupShuffleXor(sum, 2u);
  const int other = subgroupShuffleXor(sum, 4u);
  const bool first = (gl_SubgroupInvocationID & 4u) == 0;
  const int low = first ? sum : other, high = first ? other : sum;
  group = uvec2(finite ? floatBitsToUint(Scale(highest)) : 0x7fc00000u,
                (uint(low) & 0xffffu) | uint(high) << 16);
  const uvec4 bytes = uvec4(q) & 255u;
  return bytes.x | bytes.y << 8 | bytes.z << 16 | bytes.w << 24;
}
