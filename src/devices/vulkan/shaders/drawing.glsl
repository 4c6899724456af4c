// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the kernels that draw share (vulkan/drawing.h, .cc).
const uint kThreads = 256;
const uint kMaxBlocks = 2048;
const uint kMaxDrawn = 256;
const uint kOwn = kMaxBlocks / kThreads;

// The blocks' greatest keys, and from kMaxBlocks on the sums of their weights, two words each.
layout(binding = 2) buffer Peaks { uint peaks[]; };
layout(binding = 3) readonly buffer Params {
  uint top_k;
  uint greedy;
  int sum_shift;  // of the weights that blocks have sums of
  uint sum_factor;
  int cut_shift;  // of those that top-p and min-p look at
  uint cut_factor;
  int shift;  // of those that a token is drawn from
  uint factor;
  uvec2 top_p;
  uvec2 least;
  uvec2 fraction;
};

layout(push_constant) uniform Push {
  uint first;
  uint count;
  uint block;
  uint blocks;
};

uvec2 SumOf(uint number) {
  const uint at = kMaxBlocks + 2 * number;
  return number < blocks ? uvec2(peaks[at], peaks[at + 1]) : uvec2(0, 0);
}
