#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The weights of each block of logits added up, a subgroup each, as peaks.comp has the blocks.
#include "common.glsl"
#include "keys.glsl"
#include "token_weights.glsl"
#include "drawing.glsl"

shared uint mosts[kMaxSubgroups];

void main() {
  uint most = 0;
  for (uint i = gl_LocalInvocationID.x; i < blocks; i += kThreads) most = max(most, peaks[i]);
  most = subgroupMax(most);
  if (subgroupElect()) mosts[gl_SubgroupID] = most;
  barrier();
  for (uint i = 0; i < gl_NumSubgroups; ++i) most = max(most, mosts[i]);
  const uint number = WorkgroupNumber() * gl_NumSubgroups + gl_SubgroupID;
  if (number >= blocks) return;
  const uint end = min((number + 1) * block, count);
  uvec2 sum = kNothing;
  for (uint i = number * block + gl_SubgroupInvocationID; i < end; i += gl_SubgroupSize) {
    sum = Plus(sum, Weight(KeyOf(i, first), most, sum_shift, sum_factor));
  }
  sum = SubgroupSum(sum);
  if (subgroupElect()) {
    peaks[kMaxBlocks + 2 * number] = sum.x;
    peaks[kMaxBlocks + 2 * number + 1] = sum.y;
  }
}
