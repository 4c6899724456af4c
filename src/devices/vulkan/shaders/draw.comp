#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The k likeliest tokens by the peaks of blocks (peaks.comp), in order, and one drawn from them as
// engine/sampler.h does it, but in float. One workgroup.
#include "common.glsl"
#include "keys.glsl"

// As vulkan/drawing.h has them.
const uint kThreads = 256;
const uint kMaxBlocks = 2048;
const uint kMaxDrawn = 256;

const uint kOwn = kMaxBlocks / kThreads;
const uint kMaxListed = 512;
const uint kMaxFound = 1024;

layout(binding = 2) readonly buffer Peaks { uint peaks[]; };
layout(binding = 3) readonly buffer Params {
  uint top_k;
  float temperature;
  float top_p;
  float min_p;
  float fraction;
};
layout(binding = 4) writeonly buffer Result {
  uint token;
  uint kept;
  uint whole;
  uint unused;
  uint ids[kMaxDrawn];
  float values[kMaxDrawn];
};
layout(binding = 5) writeonly buffer Next { uint next; };

layout(push_constant) uniform Push {
  uint first;
  uint count;
  uint block;
  uint blocks;
};

shared uint tallies[2][kMaxSubgroups];
shared uint listed, found;
shared uint lists[kMaxListed];
shared uint found_keys[kMaxFound];
shared uint found_ids[kMaxFound];
shared uint best_ids[kMaxDrawn];
shared float best[kMaxDrawn];
shared float weights[kMaxDrawn];
shared float tempered[kMaxDrawn];

// Of all threads, for all threads. Calls take turns with `turn`: one barrier is enough then.
uint WorkgroupCount(uint value, uint turn) {
  value = subgroupAdd(value);
  if (subgroupElect()) tallies[turn][gl_SubgroupID] = value;
  barrier();
  uint sum = 0;
  for (uint i = 0; i < gl_NumSubgroups; ++i) sum += tallies[turn][i];
  return sum;
}

void Answer(uint drawn, uint count_kept, bool is_whole) {
  token = drawn;
  kept = count_kept;
  whole = is_whole ? 1 : 0;
  unused = 0;
  next = drawn;
}

// The token at the fraction of the weights of what top-p and min-p leave.
uint Pick(uint candidates) {
  if (temperature == 0.0) return 0;
  float total = 0.0;
  for (uint i = 0; i < candidates; ++i) total += weights[i];
  float sum = 0.0, rest = 0.0;
  uint left = 0;
  for (; left < candidates; ++left) {
    if (left > 0 && ((top_p < 1.0 && sum >= top_p * total) || weights[left] < min_p)) break;
    sum += weights[left];
    rest += tempered[left];
  }
  float target = fraction * rest;
  for (uint i = 0; i + 1 < left; ++i) {
    if (target < tempered[i]) return i;
    target -= tempered[i];
  }
  return left - 1;
}

void main() {
  const uint thread = gl_LocalInvocationID.x;
  uint own[kOwn];
  uint bad = 0;
  for (uint j = 0; j < kOwn; ++j) {
    const uint i = j * kThreads + thread;
    own[j] = i < blocks ? peaks[i] : 0;
    bad += own[j] == kNanKey ? 1 : 0;
  }
  if (thread == 0) listed = found = 0;
  if (WorkgroupCount(bad, 0) > 0) {
    if (thread == 0) Answer(0, 0, false);
    return;
  }
  // The k-th greatest peak, bit by bit.
  const uint wanted = min(top_k, kMaxDrawn);
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
    const float logit = LogitOf(key);
    best_ids[rank] = id;
    best[rank] = logit;
    ids[rank] = id;
    values[rank] = logit;
  }
  barrier();
  const uint most = min(candidates, wanted);
  if (thread < most) {
    const float below = best[thread] - best[0];
    weights[thread] = exp(below);
    tempered[thread] = temperature > 0.0 ? exp(below / temperature) : 0.0;
  }
  barrier();
  if (thread != 0) return;
  if (!fits || most == 0) {
    Answer(0, 0, false);
  } else {
    Answer(best_ids[Pick(most)], most, true);
  }
}
