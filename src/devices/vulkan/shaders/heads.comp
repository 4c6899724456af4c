#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Norm and RoPE of one head of one row per workgroup, to y, or to the cache and to what the host
// copies back.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#include "common.glsl"
#include "step.glsl"

layout(constant_id = 1) const bool kWeight = true;
layout(constant_id = 2) const bool kRotate = true;
// 0: y in float; 1: the cache in float; 2: the cache in half
layout(constant_id = 3) const uint kTarget = 0;
layout(constant_id = 4) const bool kNorm = true;

const uint kMaxDims = 512;
shared float head[kMaxDims];

layout(buffer_reference, std430, buffer_reference_align = 4) writeonly buffer Words { uint word[]; };

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { float w[]; };
layout(binding = 2) readonly buffer Rope { float rope[]; };  // [rows, cosines then sines]
layout(binding = 3) readonly buffer Rows { Row rows[]; };
layout(binding = 4) writeonly buffer Y { uint y[]; };
layout(binding = 5) readonly buffer Caches { uvec4 caches[]; };

layout(push_constant) uniform Push {
  uint heads;
  uint dims;
  uint first_row;  // of the row set
  uint cache;
  uint cache_count;
  uint is_value;
  float eps;
};

void main() {
  const uint t = gl_WorkGroupID.x;
  const uint at = (t * heads + gl_WorkGroupID.y) * dims;
  float factor = 1.0;
  if (kNorm) {
    float squares = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < dims; i += gl_WorkGroupSize.x) {
      squares += x[at + i] * x[at + i];
    }
    factor = 1.0 / sqrt(WorkgroupSum(squares) / float(dims) + eps);
  }
  for (uint i = gl_LocalInvocationID.x; i < dims; i += gl_WorkGroupSize.x) {
    head[i] = x[at + i] * factor * (kWeight ? w[i] : 1.0);
  }
  barrier();
  if (kRotate) {
    const uint half_dims = dims / 2;
    for (uint i = gl_LocalInvocationID.x; i < half_dims; i += gl_WorkGroupSize.x) {
      const float c = rope[t * dims + i], s = rope[t * dims + half_dims + i];
      const float low = head[i], high = head[i + half_dims];
      head[i] = low * c - high * s;
      head[i + half_dims] = high * c + low * s;
    }
    barrier();
  }
  if (kTarget == 0) {
    for (uint i = gl_LocalInvocationID.x; i < dims; i += gl_WorkGroupSize.x) {
      y[at + i] = floatBitsToUint(head[i]);
    }
    return;
  }
  const Row row = rows[first_row + t];
  const uint entry = 2 * (row.sequence * cache_count + cache);
  const uvec4 bases = caches[entry];
  Words target = Words(is_value != 0 ? bases.zw : bases.xy);
  const uint words = kTarget == 2 ? dims / 2 : dims;
  const uint slot = row.position % caches[entry + 1].x;
  const uint out_at = (t * heads + gl_WorkGroupID.y) * words;
  const uint cache_at = (slot * heads + gl_WorkGroupID.y) * words;
  for (uint i = gl_LocalInvocationID.x; i < words; i += gl_WorkGroupSize.x) {
    const uint word = kTarget == 2 ? packHalf2x16(vec2(head[2 * i], head[2 * i + 1]))
                                   : floatBitsToUint(head[i]);
    target.word[cache_at + i] = word;
    y[out_at + i] = word;
  }
}
