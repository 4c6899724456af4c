#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// One head of one row per workgroup: softmax(scale q K^T) V over the positions it may look back at,
// by tiles, with the largest score and the sum carried along.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#include "common.glsl"
#include "step.glsl"

layout(constant_id = 1) const bool kHalf = false;

const uint kMaxDims = 512;
const uint kTile = 128;
const uint kMostPairs = 4;  // of dimensions that a thread owns: 64 threads at least
shared float query[kMaxDims];
shared float scores[kTile];

layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Words { uint word[]; };

layout(binding = 0) readonly buffer Q { float q[]; };
layout(binding = 1) readonly buffer Rows { Row rows[]; };
layout(binding = 2) readonly buffer Caches { uvec4 caches[]; };
layout(binding = 3) writeonly buffer Context { float context[]; };

layout(push_constant) uniform Push {
  uint heads;
  uint kv_heads;
  uint dims;
  uint window;  // 0 for all
  uint first_row;
  uint cache;
  uint cache_count;
  float scale;
};

vec2 Pair(Words base, uint at) {
  if (kHalf) return unpackHalf2x16(base.word[at]);
  return vec2(uintBitsToFloat(base.word[2 * at]), uintBitsToFloat(base.word[2 * at + 1]));
}

void main() {
  const uint t = gl_WorkGroupID.x, head = gl_WorkGroupID.y, thread = gl_LocalInvocationID.x;
  const Row row = rows[first_row + t];
  const uint entry = 2 * (row.sequence * cache_count + cache);
  const uvec4 bases = caches[entry];
  Words keys = Words(bases.xy);
  Words values = Words(bases.zw);
  const uint capacity = caches[entry + 1].x;
  const uint last = row.position;
  const uint first = window > 0 && last + 1 > window ? last + 1 - window : 0;
  const uint pairs = dims / 2;
  const uint head_at = head / (heads / kv_heads) * pairs;
  const uint stride = kv_heads * pairs;  // pairs of a position
  const uint at = (t * heads + head) * dims;
  for (uint i = thread; i < dims; i += gl_WorkGroupSize.x) query[i] = q[at + i];
  barrier();

  float most = uintBitsToFloat(0xff800000u);  // minus infinity
  float total = 0.0;
  vec2 sums[kMostPairs];
  for (uint j = 0; j < kMostPairs; ++j) sums[j] = vec2(0.0);
  for (uint base = first; base <= last; base += kTile) {
    const uint count = min(kTile, last + 1 - base);
    for (uint p = gl_SubgroupID; p < count; p += gl_NumSubgroups) {
      const uint key = (base + p) % capacity * stride + head_at;
      float dot_product = 0.0;
      for (uint i = gl_SubgroupInvocationID; i < pairs; i += gl_SubgroupSize) {
        dot_product += dot(vec2(query[2 * i], query[2 * i + 1]), Pair(keys, key + i));
      }
      dot_product = subgroupAdd(dot_product);
      if (subgroupElect()) scores[p] = dot_product * scale;
    }
    barrier();
    float highest = most;
    for (uint p = thread; p < count; p += gl_WorkGroupSize.x) highest = max(highest, scores[p]);
    highest = WorkgroupMax(highest);
    float sum = 0.0;
    for (uint p = thread; p < count; p += gl_WorkGroupSize.x) {
      const float weight = exp(scores[p] - highest);
      scores[p] = weight;
      sum += weight;
    }
    sum = WorkgroupSum(sum);
    const float shrink = exp(most - highest);
    total = total * shrink + sum;
    most = highest;
    for (uint j = 0; j < kMostPairs; ++j) sums[j] *= shrink;
    for (uint p = 0; p < count; ++p) {
      const float weight = scores[p];
      const uint value = (base + p) % capacity * stride + head_at;
      for (uint j = 0, i = thread; i < pairs; ++j, i += gl_WorkGroupSize.x) {
        sums[j] += weight * Pair(values, value + i);
      }
    }
    barrier();
  }
  for (uint j = 0, i = thread; i < pairs; ++j, i += gl_WorkGroupSize.x) {
    context[at + 2 * i] = sums[j].x / total;
    context[at + 2 * i + 1] = sums[j].y / total;
  }
}
