#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The greatest key of each block of logits, a subgroup each: at least k logits are no less than the
// k-th greatest of these, so only blocks that reach it have to be looked at again (draw.comp).
#include "common.glsl"
#include "keys.glsl"

layout(binding = 2) writeonly buffer Peaks { uint peaks[]; };

layout(push_constant) uniform Push {
  uint first;
  uint count;
  uint block;
  uint blocks;
};

void main() {
  const uint number = WorkgroupNumber() * gl_NumSubgroups + gl_SubgroupID;
  if (number >= blocks) return;
  const uint end = min((number + 1) * block, count);
  uint most = 0;
  for (uint i = number * block + gl_SubgroupInvocationID; i < end; i += gl_SubgroupSize) {
    most = max(most, KeyOf(i, first));
  }
  most = subgroupMax(most);
  if (subgroupElect()) peaks[number] = most;
}
