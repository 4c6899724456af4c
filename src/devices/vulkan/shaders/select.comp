#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The wanted rows of a plane per workgroup row: y[p, t] = x[p, source of t].
#include "common.glsl"
#include "step.glsl"

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer Rows { Row rows[]; };
layout(binding = 2) writeonly buffer Y { float y[]; };

layout(push_constant) uniform Push {
  uint width;
  uint x_rows;
  uint y_rows;
  uint first_row;  // of the row set of y
};

void main() {
  const uint t = gl_WorkGroupID.x, plane = gl_WorkGroupID.y;
  const uint from = (plane * x_rows + rows[first_row + t].source) * width;
  const uint to = (plane * y_rows + t) * width;
  for (uint i = gl_LocalInvocationID.x; i < width; i += gl_WorkGroupSize.x) y[to + i] = x[from + i];
}
