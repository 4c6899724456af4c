#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Activations in 8 bits (codes.glsl), four of them a thread.
#include "codes.glsl"
#include "common.glsl"

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) writeonly buffer Q { uint q[]; };
layout(binding = 2) writeonly buffer Groups { uvec2 groups[]; };

layout(push_constant) uniform Push {
  uint x_first;
  uint count;  // of quads, by eight
};

void main() {
  const uint quad = WorkgroupNumber() * gl_WorkGroupSize.x + gl_SubgroupID * gl_SubgroupSize +
                    gl_SubgroupInvocationID;
  if (quad >= count) return;
  const uint at = x_first + 4 * quad;
  uvec2 group;
  q[quad] = QuantizeQuad(vec4(x[at], x[at + 1], x[at + 2], x[at + 3]), group);
  if ((quad & 7u) == 0) groups[quad / 8] = group;
}
