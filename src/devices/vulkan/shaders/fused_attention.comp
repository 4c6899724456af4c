#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention of one token, from what the projections have made: norms and RoPE of its queries, and of
// its key and value where the layer has its own, which go to the cache and to the host's copy; then
// softmax(scale q K^T) V, heads that share keys together. The positions are split among workgroups
// (x; the groups of heads are y); the last one to finish joins their parts.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#include "common.glsl"
#include "fused.glsl"
#include "step.glsl"

layout(constant_id = 1) const bool kHalf = false;      // keys and values in half
layout(constant_id = 2) const bool kOwnKeys = false;   // the step's key and value are made here
layout(constant_id = 3) const bool kNormValue = true;
layout(constant_id = 4) const uint kHeads = 1;         // that share keys
layout(constant_id = 5) const uint kQuads = 16;        // of a head: a quarter of its dimensions
layout(constant_id = 6) const bool kCodes = false;     // the result in 8 bits, else in floats
layout(constant_id = 7) const uint kSplits = 1;        // at most, along x

const uint kLeast = 32;  // positions that are worth a workgroup
const uint kTile = 64;

layout(buffer_reference, std430, buffer_reference_align = 8) buffer Halves { uvec2 quad[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) buffer Floats { vec4 quad[]; };

layout(binding = 0) readonly buffer Rope { vec4 rope[]; };  // cosines, then sines
layout(binding = 1) readonly buffer Rows { Row rows[]; };
layout(binding = 2) readonly buffer Caches { uvec4 caches[]; };
layout(binding = 3) writeonly buffer Host { uint host[]; };

layout(push_constant) uniform Push {
  uint query4;  // places in the workspace by four floats
  uint keys4;
  uint values4;
  uint context4;
  uint codes;  // by words
  uint groups;
  uint partial4;
  uint statistics;    // by floats
  uint query_norm;    // vectors by 16 bytes
  uint key_norm;
  uint host_keys;     // in words
  uint host_values;
  uint row;
  uint cache;
  uint cache_count;
  uint window;  // 0 for all
  uint counter;
  float scale;
  float eps;
} push;

// Queries, then the new key and the new value.
shared vec4 heads[(kHeads + 2) * kQuads];
shared float scores[kHeads * kTile];
shared float most[kHeads], total[kHeads], shrink[kHeads];
shared vec4 parts[gl_WorkGroupSize.x];
shared float joined[kHeads * kSplits];

vec4 Key(uvec2 base, uint at) {
  if (!kHalf) return Floats(base).quad[at];
  const uvec2 words = Halves(base).quad[at];
  return vec4(unpackHalf2x16(words.x), unpackHalf2x16(words.y));
}

// As the cache will give it back.
vec4 Rounded(vec4 v) {
  if (!kHalf) return v;
  return vec4(unpackHalf2x16(packHalf2x16(v.xy)), unpackHalf2x16(packHalf2x16(v.zw)));
}

void Store(uvec2 base, uint at, uint host_at, vec4 v) {
  if (kHalf) {
    const uvec2 words = uvec2(packHalf2x16(v.xy), packHalf2x16(v.zw));
    Halves(base).quad[at] = words;
    host[host_at] = words.x;
    host[host_at + 1] = words.y;
  } else {
    Floats(base).quad[at] = v;
    [[unroll]] for (uint i = 0; i < 4; ++i) host[host_at + i] = floatBitsToUint(v[i]);
  }
}

// Brings heads of this workgroup through their norms and RoPE into shared memory.
void Load(uint group, bool newest) {
  const uint count = kHeads + (newest ? 2 : 0);
  for (uint h = gl_SubgroupID; h < count; h += gl_NumSubgroups) {
    const uint from = h < kHeads    ? push.query4 + (group * kHeads + h) * kQuads
                      : h == kHeads ? push.keys4 + group * kQuads
                                    : push.values4 + group * kQuads;
    float squares = 0.0;
    for (uint i = gl_SubgroupInvocationID; i < kQuads; i += gl_SubgroupSize) {
      const vec4 v = uintBitsToFloat(before[from + i]);
      squares += dot(v, v);
    }
    squares = subgroupAdd(squares);
    const bool norm = h <= kHeads || kNormValue;
    const float factor = norm ? 1.0 / sqrt(squares / float(4 * kQuads) + push.eps) : 1.0;
    for (uint i = gl_SubgroupInvocationID; i < kQuads; i += gl_SubgroupSize) {
      vec4 v = uintBitsToFloat(before[from + i]) * factor;
      if (h <= kHeads) v *= vectors[(h < kHeads ? push.query_norm : push.key_norm) + i];
      heads[h * kQuads + i] = v;
    }
  }
  barrier();
  const uint half_quads = kQuads / 2;
  const uint rotated = (kHeads + (newest ? 1 : 0)) * half_quads;
  for (uint i = Thread(); i < rotated; i += gl_WorkGroupSize.x) {
    const uint h = i / half_quads, j = i % half_quads;
    const vec4 c = rope[j], s = rope[half_quads + j];
    const vec4 low = heads[h * kQuads + j], high = heads[h * kQuads + half_quads + j];
    heads[h * kQuads + j] = low * c - high * s;
    heads[h * kQuads + half_quads + j] = high * c + low * s;
  }
  barrier();
}

void Finish(vec4 result, uint quad) {
  if (kCodes) {
    PutQuantized(result, quad, push.codes, push.groups);
  } else {
    work[push.context4 + quad] = result;
  }
}

void main() {
  const uint split = gl_WorkGroupID.x, group = gl_WorkGroupID.y, groups = gl_NumWorkGroups.y;
  const Row row = rows[push.row];
  const uint last = row.position;
  const uint first = push.window > 0 && last + 1 > push.window ? last + 1 - push.window : 0;
  const uint chunk = max(kLeast, (last + 1 - first + kSplits - 1) / kSplits);
  const uint active_ = (last + 1 - first + chunk - 1) / chunk;
  if (split >= active_) return;
  const uint begin = first + split * chunk, end = min(begin + chunk, last + 1);
  const bool newest = kOwnKeys && split + 1 == active_;
  const uint entry = 2 * (row.sequence * push.cache_count + push.cache);
  const uvec4 bases = caches[entry];
  const uint capacity = caches[entry + 1].x;
  const uint stride = groups * kQuads;  // of a position
  const uint own = group * kQuads;

  Load(group, newest);
  if (newest) {
    const uint words = kHalf ? 2 : 4;
    const uint at = last % capacity * stride + own;
    for (uint i = Thread(); i < kQuads; i += gl_WorkGroupSize.x) {
      const vec4 key = heads[kHeads * kQuads + i], value = heads[(kHeads + 1) * kQuads + i];
      Store(bases.xy, at + i, push.host_keys + (own + i) * words, key);
      Store(bases.zw, at + i, push.host_values + (own + i) * words, value);
      heads[kHeads * kQuads + i] = Rounded(key);
      heads[(kHeads + 1) * kQuads + i] = Rounded(value);
    }
  }
  if (Thread() < kHeads) {
    most[Thread()] = uintBitsToFloat(0xff800000u);  // minus infinity
    total[Thread()] = 0.0;
  }
  barrier();

  // For the values: a thread has one quad, of every so many positions.
  const uint quad = Thread() % kQuads;
  const uint lanes = gl_WorkGroupSize.x / kQuads;
  const uint lane = Thread() / kQuads;
  vec4 sums[kHeads];
  [[unroll]] for (uint h = 0; h < kHeads; ++h) sums[h] = vec4(0.0);
  for (uint base = begin; base < end; base += kTile) {
    const uint count = min(kTile, end - base);
    // Eight lanes a position.
    const uint together = gl_SubgroupSize / 8;
    for (uint p = gl_SubgroupID * together + gl_SubgroupInvocationID / 8; p < count;
         p += gl_NumSubgroups * together) {
      const bool is_new = newest && base + p == last;
      const uint at = (base + p) % capacity * stride + own;
      float dots[kHeads];
      [[unroll]] for (uint h = 0; h < kHeads; ++h) dots[h] = 0.0;
      [[unroll]] for (uint j = 0; j < kQuads / 8; ++j) {
        const uint i = (gl_SubgroupInvocationID & 7u) + 8 * j;
        vec4 key;
        if (is_new) {
          key = heads[kHeads * kQuads + i];
        } else {
          key = Key(bases.xy, at + i);
        }
        [[unroll]] for (uint h = 0; h < kHeads; ++h) dots[h] += dot(heads[h * kQuads + i], key);
      }
      [[unroll]] for (uint h = 0; h < kHeads; ++h) {
        dots[h] += subgroupShuffleXor(dots[h], 1u);
        dots[h] += subgroupShuffleXor(dots[h], 2u);
        dots[h] += subgroupShuffleXor(dots[h], 4u);
        if ((gl_SubgroupInvocationID & 7u) == 0) scores[h * kTile + p] = dots[h] * push.scale;
      }
    }
    barrier();
    for (uint h = gl_SubgroupID; h < kHeads; h += gl_NumSubgroups) {
      float highest = most[h];
      for (uint p = gl_SubgroupInvocationID; p < count; p += gl_SubgroupSize) {
        highest = max(highest, scores[h * kTile + p]);
      }
      highest = subgroupMax(highest);
      float sum = 0.0;
      for (uint p = gl_SubgroupInvocationID; p < count; p += gl_SubgroupSize) {
        const float weight = exp(scores[h * kTile + p] - highest);
        scores[h * kTile + p] = weight;
        sum += weight;
      }
      sum = subgroupAdd(sum);
      if (subgroupElect()) {
        shrink[h] = exp(most[h] - highest);
        total[h] = total[h] * shrink[h] + sum;
        most[h] = highest;
      }
    }
    barrier();
    [[unroll]] for (uint h = 0; h < kHeads; ++h) sums[h] *= shrink[h];
    if (lane < lanes) {
      for (uint p = lane; p < count; p += lanes) {
        vec4 value;
        if (newest && base + p == last) {
          value = heads[(kHeads + 1) * kQuads + quad];
        } else {
          value = Key(bases.zw, (base + p) % capacity * stride + own + quad);
        }
        [[unroll]] for (uint h = 0; h < kHeads; ++h) sums[h] += scores[h * kTile + p] * value;
      }
    }
    barrier();
  }

  const uint slot = (group * kSplits + split) * kHeads;
  [[unroll]] for (uint h = 0; h < kHeads; ++h) {
    barrier();
    parts[Thread()] = sums[h];
    barrier();
    if (Thread() < kQuads) {
      vec4 sum = vec4(0.0);
      for (uint l = 0; l < lanes; ++l) sum += parts[l * kQuads + quad];
      if (active_ > 1) {
        work[push.partial4 + (slot + h) * kQuads + quad] = sum;
      } else {
        Finish(sum / total[h], (group * kHeads + h) * kQuads + quad);
      }
    }
  }
  if (active_ == 1) return;
  if (Thread() < kHeads) {
    PutFloat(push.statistics + 2 * (slot + Thread()), most[Thread()]);
    PutFloat(push.statistics + 2 * (slot + Thread()) + 1, total[Thread()]);
  }
  if (!LastOf(active_, push.counter + group)) return;

  // Weights of the parts of each head, then their sum.
  for (uint h = gl_SubgroupID; h < kHeads; h += gl_NumSubgroups) {
    float highest = uintBitsToFloat(0xff800000u);
    for (uint s = gl_SubgroupInvocationID; s < active_; s += gl_SubgroupSize) {
      const uint at = push.statistics + 2 * ((group * kSplits + s) * kHeads + h);
      joined[h * kSplits + s] = Float(at);
      highest = max(highest, joined[h * kSplits + s]);
    }
    highest = subgroupMax(highest);
    float sum = 0.0;
    for (uint s = gl_SubgroupInvocationID; s < active_; s += gl_SubgroupSize) {
      const uint at = push.statistics + 2 * ((group * kSplits + s) * kHeads + h);
      const float weight = exp(joined[h * kSplits + s] - highest);
      joined[h * kSplits + s] = weight;
      sum += weight * Float(at + 1);
    }
    sum = subgroupAdd(sum);
    if (subgroupElect()) total[h] = sum;
  }
  barrier();
  for (uint item = Thread(); item < kHeads * kQuads; item += gl_WorkGroupSize.x) {
    const uint h = item / kQuads, own_quad = item % kQuads;
    vec4 sum = vec4(0.0);
    for (uint s = 0; s < active_; ++s) {
      const uint at = ((group * kSplits + s) * kHeads + h) * kQuads + own_quad;
      sum += joined[h * kSplits + s] * work[push.partial4 + at];
    }
    Finish(sum / total[h], group * kHeads * kQuads + item);
  }
}
