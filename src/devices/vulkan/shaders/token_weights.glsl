// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Weights of tokens as devices/token_weights.h has them, bit for bit: what is done in floats here is
// exact, or of no account. Integers of 64 bits are two words, the lower first.
const uint kHalf = 1u << 24;
const uint kNone = 40 * kHalf + 1;
const uvec2 kNothing = uvec2(0, 0);
const uvec2 kFullWeight = uvec2(0, 1u << 8);
const uvec2 kWholeShare = uvec2(0xffffffffu, 0xffffffffu);
const uint kInfinityKey = 0xff800000u;

bool Less(uvec2 a, uvec2 b) { return a.y < b.y || (a.y == b.y && a.x < b.x); }

uvec2 Plus(uvec2 a, uvec2 b) {
  uint carry;
  const uint low = uaddCarry(a.x, b.x, carry);
  return uvec2(low, a.y + b.y + carry);
}

uvec2 Minus(uvec2 a, uvec2 b) {
  uint borrow;
  const uint low = usubBorrow(a.x, b.x, borrow);
  return uvec2(low, a.y - b.y - borrow);
}

uint High(uint a, uint b) {
  uint high, low;
  umulExtended(a, b, high, low);
  return high;
}

// The upper half of share * total.
uvec2 PartOf(uvec2 share, uvec2 total) {
  uvec2 a, b, c;  // the products of words but for the upper ones'
  umulExtended(share.x, total.x, a.y, a.x);
  umulExtended(share.x, total.y, b.y, b.x);
  umulExtended(share.y, total.x, c.y, c.x);
  uvec2 upper;
  umulExtended(share.y, total.y, upper.y, upper.x);
  const uvec2 middle = Plus(Plus(uvec2(a.y, 0), uvec2(b.x, 0)), uvec2(c.x, 0));
  return Plus(Plus(upper, uvec2(b.y, 0)), Plus(uvec2(c.y, 0), uvec2(middle.y, 0)));
}

// In units of 2^-shift, rounded towards 0, modulo 2^32.
uint FixedOf(uint key, int shift) {
  const bool negative = (key & 0x80000000u) == 0;
  const uint bits = (negative ? ~key : key) & 0x7fffffffu;
  const uint mantissa = (bits & 0x7fffffu) | 0x800000u;
  const int left = int(bits >> 23) - 150 + shift;
  uint fixed_point = 0;
  if (bits >= 0x800000u && left >= 0 && left < 32) fixed_point = mantissa << left;
  if (bits >= 0x800000u && left < 0 && left > -32) fixed_point = mantissa >> -left;
  return negative ? 0u - fixed_point : fixed_point;
}

uvec2 WeightOf(uint halvings) {
  if (halvings >= kNone) return kNothing;
  const uint fraction = halvings << 8;
  uint p = 0x0007251bu;
  p = 0x00538abau - High(fraction, p);
  p = 0x0273c7f8u - High(fraction, p);
  p = 0x0e34a46bu - High(fraction, p);
  p = 0x3d7f581cu - High(fraction, p);
  p = 0xb1721605u - High(fraction, p);
  const uint mantissa = 0x80000000u - (High(fraction, p) >> 1);
  const uint high = mantissa >> 23, low = mantissa << 9, right = halvings >> 24;
  if (right == 0) return uvec2(low, high);
  if (right >= 32) return uvec2(high >> (right - 32), 0);
  return uvec2((low >> right) | (high << (32 - right)), high >> right);
}

// Of a token where `most` is the likeliest one's key (keys.glsl).
uvec2 Weight(uint key, uint most, int shift, uint factor) {
  if (key == 0) return kNothing;
  if (key == most) return kFullWeight;
  if (most == kInfinityKey) return kNothing;
  const float half_reach = uintBitsToFloat(uint(31 - shift + 126) << 23);
  if (!(0.5 * LogitOf(most) - 0.5 * LogitOf(key) < half_reach)) return kNothing;
  return WeightOf(High(FixedOf(most, shift) - FixedOf(key, shift), factor));
}

// Sums over lanes go by 16 bits of the lower words, which do not overflow.
uvec2 Joined(uint lowest, uint low, uint high) {
  return Plus(uvec2(lowest, high), uvec2(low << 16, low >> 16));
}
uvec2 SubgroupSum(uvec2 value) {
  return Joined(subgroupAdd(value.x & 0xffffu), subgroupAdd(value.x >> 16), subgroupAdd(value.y));
}
// Of the lanes before this one.
uvec2 SubgroupBefore(uvec2 value) {
  return Joined(subgroupExclusiveAdd(value.x & 0xffffu), subgroupExclusiveAdd(value.x >> 16),
                subgroupExclusiveAdd(value.y));
}

shared uvec2 subgroup_sums[kMaxSubgroups];

// Of the threads before this one, and of all: every one of them must come here.
uvec2 WorkgroupBefore(uvec2 value, out uvec2 total) {
  const uvec2 sum = SubgroupSum(value);
  uvec2 before = SubgroupBefore(value);
  barrier();
  if (subgroupElect()) subgroup_sums[gl_SubgroupID] = sum;
  barrier();
  total = kNothing;
  for (uint i = 0; i < gl_NumSubgroups; ++i) {
    if (i < gl_SubgroupID) before = Plus(before, subgroup_sums[i]);
    total = Plus(total, subgroup_sums[i]);
  }
  return before;
}
