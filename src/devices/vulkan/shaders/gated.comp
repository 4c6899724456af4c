#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// y = gelu(a) * b, element by element.
#include "common.glsl"

layout(binding = 0) readonly buffer A { float a[]; };
layout(binding = 1) readonly buffer B { float b[]; };
layout(binding = 2) writeonly buffer Y { float y[]; };

layout(push_constant) uniform Push {
  uint count;
  uint b_first;
};

void main() {
  const uint i = WorkgroupNumber() * gl_WorkGroupSize.x + gl_LocalInvocationID.x;
  if (i < count) y[i] = Gelu(a[i]) * b[b_first + i];
}
