#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Streams brought to the magnitude of the first: u * rms(x) / sqrt(max(mean(u^2), floor)), a row per
// workgroup. Expanding: u are planes 1 and up of y, where they stay, and x becomes plane 0.
// Collapsing: y = (x + sum of them) / streams.
#include "common.glsl"

layout(constant_id = 1) const bool kCollapse = false;

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) buffer U { float u[]; };
layout(binding = 2) writeonly buffer Y { float y[]; };

layout(push_constant) uniform Push {
  uint width;
  uint rows;
  uint streams;
  uint u_first;  // of the first u
  float least;
};

void main() {
  const uint row = WorkgroupNumber() * width;
  const uint thread = gl_LocalInvocationID.x;
  float squares = 0.0;
  for (uint i = thread; i < width; i += gl_WorkGroupSize.x) squares += x[row + i] * x[row + i];
  const float size = sqrt(WorkgroupSum(squares) / float(width));
  for (uint i = thread; i < width; i += gl_WorkGroupSize.x) y[row + i] = x[row + i];
  for (uint k = 1; k < streams; ++k) {
    const uint first = u_first + ((k - 1) * rows) * width + row;
    float own = 0.0;
    for (uint i = thread; i < width; i += gl_WorkGroupSize.x) own += u[first + i] * u[first + i];
    const float factor = size / sqrt(max(WorkgroupSum(own) / float(width), least));
    for (uint i = thread; i < width; i += gl_WorkGroupSize.x) u[first + i] *= factor;
  }
  if (!kCollapse) return;
  for (uint i = thread; i < width; i += gl_WorkGroupSize.x) {
    float sum = x[row + i];
    for (uint k = 1; k < streams; ++k) sum += u[u_first + ((k - 1) * rows) * width + row + i];
    y[row + i] = sum / float(streams);
  }
}
