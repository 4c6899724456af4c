#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// gelu(a) * b in 8 bits (codes.glsl), four elements a thread.
#include "codes.glsl"
#include "common.glsl"

layout(binding = 0) readonly buffer A { vec4 a[]; };
layout(binding = 1) readonly buffer B { vec4 b[]; };
layout(binding = 2) writeonly buffer Q { uint q[]; };
layout(binding = 3) writeonly buffer Groups { uvec2 groups[]; };

layout(push_constant) uniform Push {
  uint count;  // of quads, by eight
  uint b_first;
};

void main() {
  const uint quad = WorkgroupNumber() * gl_WorkGroupSize.x + gl_SubgroupID * gl_SubgroupSize +
                    gl_SubgroupInvocationID;
  if (quad >= count) return;
  const vec4 gate = a[quad];
  const vec4 gelu = vec4(Gelu(gate.x), Gelu(gate.y), Gelu(gate.z), Gelu(gate.w));
  uvec2 group;
  q[quad] = QuantizeQuad(gelu * b[b_first + quad], group);
  if ((quad & 7u) == 0) groups[quad / 8] = group;
}
