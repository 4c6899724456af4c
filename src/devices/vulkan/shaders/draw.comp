#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The k likeliest tokens by the peaks of blocks (peaks.comp), in order, and one drawn from them as
// engine/sampler.h does it. Without a top-k top-p and min-p look at the weights of all (weigh.comp).
// One workgroup.
#include "common.glsl"
#include "keys.glsl"
#include "token_weights.glsl"
#include "drawing.glsl"
#include "drawn.glsl"

layout(constant_id = 1) const bool kHasTopK = true;

const uint kMaxListed = 512;
const uint kMaxFound = 1024;

shared uint tallies[2][kMaxSubgroups];
shared uint listed, found;
shared uint lists[kMaxListed];
shared uint found_keys[kMaxFound];
shared uint found_ids[kMaxFound];
shared uint best_ids[kMaxDrawn];
shared uint best_keys[kMaxDrawn];
shared uvec2 weights[kMaxDrawn];
shared uvec2 tempered[kMaxDrawn];

// Of all threads, for all threads. Calls take turns with `turn`: one barrier is enough then.
uint WorkgroupCount(uint value, uint turn) {
  value = subgroupAdd(value);
  if (subgroupElect()) tallies[turn][gl_SubgroupID] = value;
  barrier();
  uint sum = 0;
  for (uint i = 0; i < gl_NumSubgroups; ++i) sum += tallies[turn][i];
  return sum;
}

// The token at the fraction of the weights of what top-p and min-p leave. `total`: of all that is
// allowed. `sure`: nothing but candidates is left.
uint Pick(uint candidates, uvec2 total, out bool sure) {
  sure = true;
  if (greedy != 0) return 0;
  if (kHasTopK) {
    for (uint i = 0; i < candidates; ++i) total = Plus(total, weights[i]);
  }
  const bool cuts = top_p != kWholeShare;
  const uvec2 enough = PartOf(top_p, total);
  uvec2 sum = kNothing, rest = kNothing;
  uint left = 0;
  for (; left < candidates; ++left) {
    if (left > 0 && ((cuts && !Less(sum, enough)) || Less(weights[left], least))) break;
    sum = Plus(sum, weights[left]);
    rest = Plus(rest, tempered[left]);
  }
  if (!kHasTopK) sure = left < kMaxDrawn || (cuts && !Less(sum, enough));
  uvec2 target = PartOf(fraction, rest);
  for (uint i = 0; i + 1 < left; ++i) {
    if (Less(target, tempered[i])) return i;
    target = Minus(target, tempered[i]);
  }
  return left - 1;
}

void main() {
  const uint thread = gl_LocalInvocationID.x;
  uint own[kOwn];
  uint bad = 0;
  uvec2 sum = kNothing, total = kNothing;
  for (uint j = 0; j < kOwn; ++j) {
    const uint i = j * kThreads + thread;
    own[j] = i < blocks ? peaks[i] : 0;
    bad += own[j] == kNanKey ? 1 : 0;
    if (!kHasTopK) sum = Plus(sum, SumOf(i));
  }
  if (!kHasTopK) WorkgroupBefore(sum, total);
  if (thread == 0) listed = found = 0;
  if (WorkgroupCount(bad, 0) > 0) {
    if (thread == 0) Answer(0, 0, false, kNothing);
    return;
  }
  // The k-th greatest peak, bit by bit.
  const uint wanted = kHasTopK ? min(top_k, kMaxDrawn) : kMaxDrawn;
  uint least = 0;
  for (uint b = 0; b < 32; ++b) {
    const uint trial = least | (0x80000000u >> b);
    uint reach = 0;
    for (uint j = 0; j < kOwn; ++j) reach += own[j] >= trial ? 1 : 0;
    if (WorkgroupCount(reach, (b + 1) & 1u) >= wanted) least = trial;
  }
  least = max(least, 1u);
  for (uint j = 0; j < kOwn; ++j) {
    if (own[j] < least) continue;
    const uint at = atomicAdd(listed, 1u);
    if (at < kMaxListed) lists[at] = j * kThreads + thread;
  }
  barrier();
  const uint elements = min(listed, kMaxListed) * block;
  for (uint e = thread; e < elements; e += kThreads) {
    const uint i = lists[e / block] * block + e % block;
    if (i >= count) continue;
    const uint key = KeyOf(i, first);
    if (key < least) continue;
    const uint at = atomicAdd(found, 1u);
    if (at >= kMaxFound) continue;
    found_keys[at] = key;
    found_ids[at] = i;
  }
  barrier();
  const bool fits = listed <= kMaxListed && found <= kMaxFound;
  const uint candidates = min(found, kMaxFound);
  for (uint c = thread; c < candidates; c += kThreads) {
    const uint key = found_keys[c], id = found_ids[c];
    uint rank = 0;
    for (uint o = 0; o < candidates; ++o) {
      const uint other = found_keys[o];
      rank += other > key || (other == key && found_ids[o] < id) ? 1 : 0;
    }
    if (rank >= wanted) continue;
    best_ids[rank] = id;
    best_keys[rank] = key;
    ids[rank] = id;
    values[rank] = LogitOf(key);
  }
  barrier();
  const uint most = min(candidates, wanted);
  if (thread < most && greedy == 0) {
    weights[thread] = Weight(best_keys[thread], best_keys[0], cut_shift, cut_factor);
    tempered[thread] = Weight(best_keys[thread], best_keys[0], shift, factor);
  }
  barrier();
  if (thread != 0) return;
  if (!fits || most == 0) {
    Answer(0, 0, false, kNothing);
    return;
  }
  bool sure;
  const uint place = Pick(most, total, sure);
  Answer(best_ids[place], most, sure, total);
}
