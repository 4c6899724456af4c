#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention of one token, from what the projections have made: norms and RoPE of its queries, and of
// its key and value where the layer has its own, which go to the cache and to the host's copy; then
// softmax(scale q K^T) V, heads that share keys together. The positions are split among workgroups
// (x; the groups of heads are y); the last one to finish joins their parts.
//
// Written for short code: a token runs some ten kernels in turn, each a few microseconds long, and
// one that comes in its turn takes longer than one that has just run (docs/vulkan.md).
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#include "common.glsl"
#include "fused.glsl"

layout(constant_id = 1) const bool kHalf = false;      // keys and values in half
layout(constant_id = 2) const bool kOwnKeys = false;   // the step's key and value are made here
layout(constant_id = 3) const bool kNormValue = true;
layout(constant_id = 4) const uint kHeads = 1;         // that share keys
layout(constant_id = 5) const uint kQuads = 16;        // of a head: a quarter of its dimensions
layout(constant_id = 6) const bool kCodes = false;     // the result in 8 bits, else in floats
layout(constant_id = 7) const uint kSplits = 1;        // at most, along x
layout(constant_id = 8) const uint kLeast = 64;        // positions that are worth a workgroup
layout(constant_id = 9) const uint kTogether = 1;      // heads whose parts are summed at a time

const uint kThreads = gl_WorkGroupSize.x;
const uint kSplitTurns = (kSplits + kSubgroup - 1) / kSubgroup;
#define MINUS_INFINITY uintBitsToFloat(0xff800000u)

const uint kKeyLanes = kQuads % 16 == 0 && kSubgroup >= 16 ? 16 : 8;  // that read a key
const uint kTile = kThreads / kKeyLanes;                               // positions at a time
const uint kLanes = kThreads / kQuads;               // that read values, a quad each
const uint kKeyQuads = kQuads / kKeyLanes;           // of a lane
const uint kValues = (kTile + kLanes - 1) / kLanes;  // of a lane
const uint kPairs = (kQuads / 2 + kSubgroup - 1) / kSubgroup;  // of quads that RoPE turns together

layout(buffer_reference, std430, buffer_reference_align = 8) buffer Halves { uvec2 quad[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Floats { vec4 quad[]; };


layout(push_constant) uniform Push {
  uint rope;   // places in what the host uploads, by 16 bytes: cosines, then sines
  uint solo;   // StepPlan::SoloTable
  uint query4;  // places in the workspace by four floats
  uint keys4;
  uint values4;
  uint context4;
  uint codes;  // by words
  uint groups;
  uint partial4;
  uint statistics4;
  uint query_norm;    // vectors by 16 bytes
  uint key_norm;
  uint host_keys;     // where the host finds them, by words
  uint host_values;
  uint cache;
  uint window;  // 0 for all
  uint counter;
  float scale;
  float eps;
} push;

// Every `step`th number from `first` on, `count` of them shared out among `step`: a number of turns
// that is known, often one. Numbers go beyond `count`.
#define FOR_OWN(i, first, step, count)                                           \
  for (uint i = (first), turn_##i = 0; turn_##i < ((count) + (step)-1) / (step); \
       ++turn_##i, i += (step))

// Queries, then the new key and the new value.
shared vec4 heads[(kHeads + 2) * kQuads];
shared float scores[kHeads * kTile];
shared float most[kHeads], total[kHeads], shrink[kHeads];
shared vec4 parts[kTogether * kThreads];
shared float joined[kHeads * kSplits];

// A quad as it lies in the cache.
uvec4 Raw(uvec2 base, uint at) {
  if (kHalf) return uvec4(Halves(base).quad[at], 0, 0);
  return floatBitsToUint(Floats(base).quad[at]);
}
vec4 Unpacked(uvec4 raw) {
  if (!kHalf) return uintBitsToFloat(raw);
  return vec4(unpackHalf2x16(raw.x), unpackHalf2x16(raw.y));
}

// To the cache and to the host's copy; returns it as the cache will give it back.
vec4 Store(uvec2 base, uint at, uint host_at, vec4 v) {
  if (kHalf) {
    const uvec2 words = uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
    Halves(base).quad[at] = words;
    PutWord(host_at, words.x);
    PutWord(host_at + 1, words.y);
    return Unpacked(uvec4(words, 0, 0));
  }
  Floats(base).quad[at] = v;
  [[unroll]] for (uint i = 0; i < 4; ++i) PutWord(host_at + i, floatBitsToUint(v[i]));
  return v;
}

// A head on its way through its norm and RoPE, one a subgroup: pairs of quads that RoPE turns
// together, the norm's weights, cosines and sines.
vec4 low[kPairs], high[kPairs], low_norm[kPairs], high_norm[kPairs], cosine[kPairs], sine[kPairs];
const uint kHalfQuads = kQuads / 2;
const uint kLoaded = kHeads + (kOwnKeys ? 2 : 0);

void Fetch(uint group, uint h) {
  const uint from = h < kHeads    ? push.query4 + (group * kHeads + h) * kQuads
                    : h == kHeads ? push.keys4 + group * kQuads
                                  : push.values4 + group * kQuads;
  const uint norm = h < kHeads ? push.query_norm : push.key_norm;
  [[unroll]] for (uint j = 0; j < kPairs; ++j) {
    const uint i = gl_SubgroupInvocationID + j * kSubgroup;
    const bool inside = i < kHalfQuads && h < kLoaded;
    low[j] = inside ? uintBitsToFloat(before[from + i]) : vec4(0.0);
    high[j] = inside ? uintBitsToFloat(before[from + kHalfQuads + i]) : vec4(0.0);
    low_norm[j] = inside ? vectors[norm + i] : vec4(0.0);
    high_norm[j] = inside ? vectors[norm + kHalfQuads + i] : vec4(0.0);
    cosine[j] = inside ? uintBitsToFloat(uploaded[push.rope + i]) : vec4(0.0);
    sine[j] = inside ? uintBitsToFloat(uploaded[push.rope + kHalfQuads + i]) : vec4(0.0);
  }
}

// To shared memory; a new key and value also to the cache, slot `slot`, where they are rounded.
void Bring(uint h, bool newest, uvec4 bases, uint slot, uint own) {
  float squares = 0.0;
  [[unroll]] for (uint j = 0; j < kPairs; ++j) {
    squares += dot(low[j], low[j]) + dot(high[j], high[j]);
  }
  const float factor = inversesqrt(AddAcross(squares) / float(4 * kQuads) + push.eps);
  const uvec2 base = h == kHeads ? bases.xy : bases.zw;
  const uint host = h == kHeads ? push.host_keys : push.host_values;
  const uint words = kHalf ? 2 : 4;
  [[unroll]] for (uint j = 0; j < kPairs; ++j) {
    const uint i = gl_SubgroupInvocationID + j * kSubgroup;
    if (i >= kHalfQuads) continue;
    vec4 first, second;
    if (h > kHeads) {
      const float own_factor = kNormValue ? factor : 1.0;
      first = low[j] * own_factor;
      second = high[j] * own_factor;
    } else {
      const vec4 l = low[j] * factor * low_norm[j];
      const vec4 u = high[j] * factor * high_norm[j];
      first = l * cosine[j] - u * sine[j];
      second = u * cosine[j] + l * sine[j];
    }
    if (kOwnKeys && h >= kHeads && newest) {
      const uint to = own + i;
      first = Store(base, slot + to, host + to * words, first);
      second = Store(base, slot + to + kHalfQuads, host + (to + kHalfQuads) * words, second);
    }
    heads[h * kQuads + i] = first;
    heads[h * kQuads + kHalfQuads + i] = second;
  }
}

void Finish(vec4 result, uint quad) {
  if (kCodes) {
    PutQuantized(result, quad, push.codes, push.groups);
  } else {
    after[push.context4 + quad] = result;
  }
}

void main() {
  const uint split = gl_WorkGroupID.x, group = gl_WorkGroupID.y, groups = gl_NumWorkGroups.y;
  // All that is known by now is asked for before anything waits.
  Fetch(group, gl_SubgroupID);
  const uint last = uploaded[push.solo].x;
  const uvec4 bases = uploaded[push.solo + 1 + 2 * push.cache];
  const uvec2 ring = uploaded[push.solo + 2 + 2 * push.cache].xy;  // its capacity, and last's slot
  const uint first = push.window > 0 && last + 1 > push.window ? last + 1 - push.window : 0;
  const uint chunk = max(kLeast, (last + 1 - first + kSplits - 1) / kSplits);
  const uint begin = first + split * chunk, end = min(begin + chunk, last + 1);
  if (begin >= end) return;
  const bool newest = kOwnKeys && end == last + 1;
  // What is in the cache: all but the new one.
  const uint there = newest ? last : end;
  const uint stride = groups * kQuads;  // of a position
  const uint own = group * kQuads;

  const uint key_lane = Thread() % kKeyLanes, key_at = Thread() / kKeyLanes;
  const uint quad = Thread() % kQuads, lane = Thread() / kQuads;
  uvec4 keys[kKeyQuads], values[kValues];
  [[unroll]] for (uint j = 0; j < kKeyQuads; ++j) keys[j] = uvec4(0);
  [[unroll]] for (uint j = 0; j < kValues; ++j) values[j] = uvec4(0);
  // Keys and values of a tile are asked for together, before anything waits.
#define SLOT(position) (ring.y - (last - (position)) + (last - (position) > ring.y ? ring.x : 0))
#define LOAD_KEYS(base)                                                                       \
  if ((base) + key_at < there) {                                                              \
    const uint key = SLOT((base) + key_at) * stride + own + key_lane;                         \
    [[unroll]] for (uint j = 0; j < kKeyQuads; ++j) {                                         \
      keys[j] = Raw(bases.xy, key + kKeyLanes * j);                                           \
    }                                                                                         \
  }
#define LOAD_VALUES(base)                                                                     \
  {                                                                                           \
    [[unroll]] for (uint j = 0; j < kValues; ++j) {                                           \
      const uint p = lane + j * kLanes;                                                       \
      if (p >= kTile || (base) + p >= there) continue;                                        \
      values[j] = Raw(bases.zw, SLOT((base) + p) * stride + own + quad);                      \
    }                                                                                         \
  }
  if (Thread() < kHeads) {
    most[Thread()] = MINUS_INFINITY;
    total[Thread()] = 0.0;
  }
  vec4 sums[kHeads];
  [[unroll]] for (uint h = 0; h < kHeads; ++h) sums[h] = vec4(0.0);
  [[dont_unroll]] for (uint base = begin; base < end; base += kTile) {
    const uint count = min(kTile, end - base);
    LOAD_KEYS(base)
    LOAD_VALUES(base)
    if (base == begin) {
      [[dont_unroll]] for (uint j = 0; j < (kLoaded + kSubgroups - 1) / kSubgroups; ++j) {
        const uint h = gl_SubgroupID + j * kSubgroups;
        if (j > 0) Fetch(group, h);
        if (h < kLoaded) Bring(h, newest, bases, ring.y * stride, own);
      }
      barrier();
    }
    if (key_at < count) {
      const bool is_new = newest && base + key_at == last;
      vec4 key[kKeyQuads];
      [[unroll]] for (uint j = 0; j < kKeyQuads; ++j) {
        key[j] = is_new ? heads[kHeads * kQuads + key_lane + kKeyLanes * j] : Unpacked(keys[j]);
      }
      [[dont_unroll]] for (uint h = 0; h < kHeads; ++h) {
        float sum = 0.0;
        [[unroll]] for (uint j = 0; j < kKeyQuads; ++j) {
          sum += dot(heads[h * kQuads + key_lane + kKeyLanes * j], key[j]);
        }
        [[unroll]] for (uint d = kKeyLanes / 2; d > 0; d /= 2) sum += subgroupShuffleXor(sum, d);
        if (key_lane == 0) scores[h * kTile + key_at] = sum * push.scale;
      }
    }
    barrier();
    [[dont_unroll]] FOR_OWN(h, gl_SubgroupID, kSubgroups, kHeads) {
      if (h >= kHeads) continue;
      float highest = most[h];
      [[dont_unroll]] FOR_OWN(p, gl_SubgroupInvocationID, kSubgroup, kTile) {
        if (p < count) highest = max(highest, scores[h * kTile + p]);
      }
      highest = MaxAcross(highest);
      float sum = 0.0;
      [[dont_unroll]] FOR_OWN(p, gl_SubgroupInvocationID, kSubgroup, kTile) {
        if (p >= count) continue;
        const float weight = exp(scores[h * kTile + p] - highest);
        scores[h * kTile + p] = weight;
        sum += weight;
      }
      sum = AddAcross(sum);
      if (subgroupElect()) {
        shrink[h] = exp(most[h] - highest);
        total[h] = total[h] * shrink[h] + sum;
        most[h] = highest;
      }
    }
    barrier();
    [[unroll]] for (uint h = 0; h < kHeads; ++h) sums[h] *= shrink[h];
    [[unroll]] for (uint j = 0; j < kValues; ++j) {
      const uint p = lane + j * kLanes;
      if (lane < kLanes && p < count) {
        const bool is_new = newest && base + p == last;
        const vec4 value = is_new ? heads[(kHeads + 1) * kQuads + quad] : Unpacked(values[j]);
        [[unroll]] for (uint h = 0; h < kHeads; ++h) sums[h] += scores[h * kTile + p] * value;
      }
    }
    barrier();
  }

  const uint slot = (group * kSplits + split) * kHeads;
  [[unroll]] for (uint done = 0; done < kHeads; done += kTogether) {
    if (done > 0) barrier();
    [[unroll]] for (uint h = 0; h < kTogether; ++h) {
      if (done + h < kHeads) parts[h * kThreads + Thread()] = sums[done + h];
    }
    barrier();
    const uint items = min(kTogether, kHeads - done) * kQuads;
    [[dont_unroll]] for (uint item = Thread(); item < items; item += kThreads) {
      const uint at = item / kQuads * kThreads + item % kQuads;
      vec4 sum = vec4(0.0);
      [[unroll]] for (uint l = 0; l < kLanes; ++l) sum += parts[at + l * kQuads];
      handed[push.partial4 + (slot + done) * kQuads + item] = sum;
    }
  }
  if (Thread() < kHeads) {
    handed[push.statistics4 + slot + Thread()] = vec4(most[Thread()], total[Thread()], 0.0, 0.0);
  }
  const uint active_ = (last - first) / chunk + 1;
  if (!LastOf(active_, push.counter + group)) return;

  // Weights of the parts of each head, none for those that are not there; then their sum.
  [[dont_unroll]] FOR_OWN(h, gl_SubgroupID, kSubgroups, kHeads) {
    if (h >= kHeads) continue;
    vec2 part[kSplitTurns];
    float highest = MINUS_INFINITY;
    [[unroll]] FOR_OWN(s, gl_SubgroupInvocationID, kSubgroup, kSplits) {
      const uint at = push.statistics4 + (group * kSplits + s) * kHeads + h;
      part[turn_s] = s < active_ ? handed[at].xy : vec2(MINUS_INFINITY, 0.0);
      highest = max(highest, part[turn_s].x);
    }
    highest = MaxAcross(highest);
    float sum = 0.0;
    [[unroll]] for (uint t = 0; t < kSplitTurns; ++t) {
      part[t].x = exp(part[t].x - highest);
      sum += part[t].x * part[t].y;
    }
    sum = AddAcross(sum);
    [[unroll]] FOR_OWN(s, gl_SubgroupInvocationID, kSubgroup, kSplits) {
      if (s < kSplits) joined[h * kSplits + s] = part[turn_s].x / sum;
    }
  }
  barrier();
  [[dont_unroll]] for (uint item = Thread(); item < kHeads * kQuads; item += kThreads) {
    const uint h = item / kQuads;
    const uint from = push.partial4 + (group * kSplits * kHeads + h) * kQuads + item % kQuads;
    vec4 sum = vec4(0.0);
    [[dont_unroll]] for (uint s = 0; s < active_; s += 4) {
      vec4 part[4];  // asked for together
      [[unroll]] for (uint i = 0; i < 4; ++i) {
        part[i] = s + i < active_ ? handed[from + (s + i) * kHeads * kQuads] : vec4(0.0);
      }
      [[unroll]] for (uint i = 0; i < 4; ++i) {
        if (s + i < kSplits) sum += joined[h * kSplits + s + i] * part[i];
      }
    }
    Finish(sum, group * kHeads * kQuads + item);
  }
}
