#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// x = max(0, x - (mean + multiplier * deviation)) of a row per workgroup, with its own mean and
// population standard deviation: first the mean, then the deviation around it.
#include "common.glsl"

layout(binding = 0) buffer X { float x[]; };

layout(push_constant) uniform Push {
  uint width;
  float multiplier;
};

void main() {
  const uint row = WorkgroupNumber() * width;
  const uint thread = gl_LocalInvocationID.x;
  float sum = 0.0;
  for (uint i = thread; i < width; i += gl_WorkGroupSize.x) sum += x[row + i];
  const float mean = WorkgroupSum(sum) / float(width);
  float squares = 0.0;
  for (uint i = thread; i < width; i += gl_WorkGroupSize.x) {
    squares += (x[row + i] - mean) * (x[row + i] - mean);
  }
  const float threshold = mean + multiplier * sqrt(WorkgroupSum(squares) / float(width));
  for (uint i = thread; i < width; i += gl_WorkGroupSize.x) {
    const float above = x[row + i] - threshold;
    x[row + i] = above <= 0.0 ? 0.0 : above;  // NaN stays NaN
  }
}
