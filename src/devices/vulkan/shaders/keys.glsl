// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Logits as unsigned keys of the same order. 0: never, banned or -infinity; kNanKey: not a number.
layout(binding = 0) readonly buffer Logits { float logits[]; };
layout(binding = 1) readonly buffer Banned { uint banned[]; };

const uint kNanKey = 0xffffffffu;

uint KeyOf(uint id, uint first) {
  uint bits = floatBitsToUint(logits[first + id]);
  // Compared as integers: a driver may assume that floats are numbers. Of a banned token too: the
  // host refuses such logits.
  if ((bits & 0x7fffffffu) > 0x7f800000u) return kNanKey;
  if (((banned[id / 32] >> (id % 32)) & 1u) != 0) return 0;
  if (bits == 0xff800000u) return 0;
  if (bits == 0x80000000u) bits = 0;  // zeros are equal
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

float LogitOf(uint key) {
  return uintBitsToFloat((key & 0x80000000u) != 0 ? key & 0x7fffffffu : ~key);
}
