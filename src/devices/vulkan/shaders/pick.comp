#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The token at a fraction of the weights of the whole vocabulary, in the order of ids, by the sums
// of blocks (weigh.comp): the block first, then the token in it. One workgroup.
#include "common.glsl"
#include "keys.glsl"
#include "token_weights.glsl"
#include "drawing.glsl"
#include "drawn.glsl"

shared uint most_of[kMaxSubgroups];
shared uint found_block;
shared uvec2 rest;

void main() {
  const uint thread = gl_LocalInvocationID.x;
  uint most = 0;
  uvec2 own = kNothing;
  for (uint j = 0; j < kOwn; ++j) {
    const uint number = thread * kOwn + j;
    if (number < blocks) most = max(most, peaks[number]);
    own = Plus(own, SumOf(number));
  }
  most = subgroupMax(most);
  if (subgroupElect()) most_of[gl_SubgroupID] = most;
  uvec2 total;
  uvec2 before = WorkgroupBefore(own, total);
  for (uint i = 0; i < gl_NumSubgroups; ++i) most = max(most, most_of[i]);
  if (most == kNanKey || most == 0) {
    if (thread == 0) Answer(0, 0, false, kNothing);
    return;
  }
  uvec2 target = PartOf(fraction, total);
  if (!Less(target, before) && Less(target, Plus(before, own))) {
    target = Minus(target, before);
    uint number = thread * kOwn;
    for (uint j = 0; j + 1 < kOwn; ++j, ++number) {
      const uvec2 sum = SumOf(number);
      if (Less(target, sum)) break;
      target = Minus(target, sum);
    }
    found_block = number;
    rest = target;
  }
  barrier();
  target = rest;
  const uint begin = found_block * block, end = min(begin + block, count);
  for (uint base = begin; base < end; base += kThreads) {
    const uint id = base + thread;
    const uvec2 own_weight =
        id < end ? Weight(KeyOf(id, first), most, sum_shift, sum_factor) : kNothing;
    uvec2 chunk;
    before = WorkgroupBefore(own_weight, chunk);
    if (Less(target, chunk)) {
      if (!Less(target, before) && Less(target, Plus(before, own_weight))) {
        Answer(id, 0, true, total);
      }
      return;
    }
    target = Minus(target, chunk);
  }
}
