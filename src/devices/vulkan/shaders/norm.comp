#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// y = (RMS_w(x * in_scale) + a + b) * mix for a row per workgroup, where the norm, its weight, a and
// b may be left out; or added to several planes of y.
#include "common.glsl"

layout(constant_id = 1) const bool kNorm = true;
layout(constant_id = 2) const bool kWeight = true;
layout(constant_id = 3) const bool kA = false;
layout(constant_id = 4) const bool kB = false;
layout(constant_id = 5) const bool kAddTo = false;

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer W { float w[]; };
layout(binding = 2) readonly buffer A { float a[]; };
layout(binding = 3) readonly buffer B { float b[]; };
layout(binding = 4) buffer Y { float y[]; };

layout(push_constant) uniform Push {
  uint width;
  uint x_first;
  uint a_first;
  uint b_first;
  uint y_first;
  uint planes;  // of y, for kAddTo
  uint plane_stride;
  float eps;
  float in_scale;
  float mix_;
};

void main() {
  const uint row = WorkgroupNumber() * width;
  float factor = in_scale;
  if (kNorm) {
    float squares = 0.0;
    for (uint i = gl_LocalInvocationID.x; i < width; i += gl_WorkGroupSize.x) {
      const float v = x[x_first + row + i] * in_scale;
      squares += v * v;
    }
    factor = in_scale / sqrt(WorkgroupSum(squares) / float(width) + eps);
  }
  for (uint i = gl_LocalInvocationID.x; i < width; i += gl_WorkGroupSize.x) {
    float v = x[x_first + row + i] * factor;
    if (kWeight) v *= w[i];
    if (kA) v += a[a_first + row + i];
    if (kB) v += b[b_first + row + i];
    v *= mix_;
    if (kAddTo) {
      for (uint p = 0; p < planes; ++p) y[y_first + p * plane_stride + row + i] += v;
    } else {
      y[y_first + row + i] = v;
    }
  }
}
