#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// AltUp's prediction, or its correction, of one row per workgroup. The router reads x: the active
// stream, or h.
#include "common.glsl"

layout(constant_id = 1) const bool kCorrect = false;

const uint kMaxStreams = 16;
shared float routed[kMaxStreams];
shared float mixing[kMaxStreams * kMaxStreams];

layout(binding = 0) readonly buffer X { float x[]; };
layout(binding = 1) readonly buffer Norm { float norm[]; };
layout(binding = 2) readonly buffer Router { float router[]; };              // [streams, width]
layout(binding = 3) readonly buffer Coefficients { float coefficients[]; };  // [.., streams]
layout(binding = 4) readonly buffer In { float streams_in[]; };
layout(binding = 5) writeonly buffer Out { float streams_out[]; };

layout(push_constant) uniform Push {
  uint width;
  uint rows;
  uint streams;
  uint active_stream;
  uint x_first;
  float scale;
  float eps;
};

void main() {
  const uint row = WorkgroupNumber() * width;
  const uint thread = gl_LocalInvocationID.x;
  const uint plane = rows * width;
  float squares = 0.0;
  for (uint i = thread; i < width; i += gl_WorkGroupSize.x) {
    squares += x[x_first + row + i] * x[x_first + row + i];
  }
  const float factor = scale / sqrt(WorkgroupSum(squares) / float(width) + eps);
  for (uint k = 0; k < streams; ++k) {
    float sum = 0.0;
    for (uint i = thread; i < width; i += gl_WorkGroupSize.x) {
      sum += router[k * width + i] * (x[x_first + row + i] * factor * norm[i]);
    }
    sum = WorkgroupSum(sum);
    if (thread == 0) routed[k] = SafeTanh(sum);
  }
  barrier();
  const uint count = kCorrect ? streams : streams * streams;
  for (uint i = thread; i < count; i += gl_WorkGroupSize.x) {
    float c = kCorrect ? 1.0 : 0.0;
    for (uint k = 0; k < streams; ++k) c += coefficients[i * streams + k] * routed[k];
    mixing[i] = c;
  }
  barrier();
  for (uint i = thread; i < width; i += gl_WorkGroupSize.x) {
    if (kCorrect) {
      const float error = x[x_first + row + i] - streams_in[active_stream * plane + row + i];
      for (uint j = 0; j < streams; ++j) {
        const uint at = j * plane + row + i;
        streams_out[at] = streams_in[at] + mixing[j] * error;
      }
    } else {
      for (uint j = 0; j < streams; ++j) {
        float sum = streams_in[j * plane + row + i];
        for (uint k = 0; k < streams; ++k) {
          sum += mixing[j * streams + k] * streams_in[k * plane + row + i];
        }
        streams_out[j * plane + row + i] = sum;
      }
    }
  }
}
