#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// y[t, r] = dot(row r of w, row t of x): quantised weights with activations in 8 bits. A subgroup
// makes kRows rows of kColumns activation rows; its lanes walk the columns by 32. A group's products
// are summed in integers, exactly.
#include "common.glsl"
#include "int8.glsl"

layout(constant_id = 5) const uint kRows = 2;
layout(constant_id = 6) const uint kColumns = 1;

layout(binding = 4) readonly buffer Q { uvec4 q[]; };
layout(binding = 5) readonly buffer Groups { uvec2 groups[]; };
layout(binding = 6) writeonly buffer Y { float y[]; };

layout(push_constant) uniform Push {
  uint blocks;        // 32 columns each
  uint rows;          // of these weights
  uint scale_stride;  // words of a row
  uint count;         // activation rows
  uint y_first;
  uint y_stride;
  float cap;  // 0 for none
};

void main() {
  const uint first_row =
      (WorkgroupNumber() * gl_NumSubgroups + gl_SubgroupID) * kRows;
  const uint first_column = gl_WorkGroupID.y * kColumns;
  if (first_row >= rows) return;
  float sums[kRows][kColumns];
  for (uint r = 0; r < kRows; ++r) {
    for (uint c = 0; c < kColumns; ++c) sums[r][c] = 0.0;
  }
  for (uint block = gl_SubgroupInvocationID; block < blocks; block += gl_SubgroupSize) {
    uint w[kRows][8];
    vec2 scale[kRows][2];
    for (uint r = 0; r < kRows; ++r) {
      const uint row = min(first_row + r, rows - 1);
      LoadCodes(row, block, blocks, w[r]);
      if (kGroup == 32) {
        scale[r][0] = ScaleAndMin(row, block, blocks, scale_stride);
      } else {
        scale[r][0] = ScaleAndMin(row, 2 * block, blocks, scale_stride);
        scale[r][1] = ScaleAndMin(row, 2 * block + 1, blocks, scale_stride);
      }
    }
    for (uint c = 0; c < kColumns; ++c) {
      const uint at = min(first_column + c, count - 1) * blocks + block;
      const uvec4 low = q[2 * at], upper = q[2 * at + 1];
      const uvec2 group = groups[at];
      const float x_scale = uintBitsToFloat(group.x);
      const int sum0 = int(group.y << 16) >> 16, sum1 = int(group.y) >> 16;
      for (uint r = 0; r < kRows; ++r) {
        int dot0 = 0, dot1 = 0;
        for (uint i = 0; i < 4; ++i) {
          dot0 += Dot4(w[r][i], low[i]);
          dot1 += Dot4(w[r][4 + i], upper[i]);
        }
        if (kGroup == 32) {
          const int total = dot0 + dot1 - kMinus * (sum0 + sum1);
          sums[r][c] += float(total) * (scale[r][0].x * x_scale);
          if ((kScales & 1u) != 0) sums[r][c] += scale[r][0].y * (x_scale * float(sum0 + sum1));
        } else {
          sums[r][c] += float(dot0 - kMinus * sum0) * (scale[r][0].x * x_scale);
          sums[r][c] += float(dot1 - kMinus * sum1) * (scale[r][1].x * x_scale);
          if ((kScales & 1u) != 0) {
            sums[r][c] += scale[r][0].y * (x_scale * float(sum0));
            sums[r][c] += scale[r][1].y * (x_scale * float(sum1));
          }
        }
      }
    }
  }
  for (uint r = 0; r < kRows; ++r) {
    for (uint c = 0; c < kColumns; ++c) {
      float sum = subgroupAdd(sums[r][c]);
      if (cap != 0.0) sum = cap * SafeTanh(sum / cap);
      if (subgroupElect() && first_row + r < rows && first_column + c < count) {
        y[y_first + (first_column + c) * y_stride + first_row + r] = sum;
      }
    }
  }
}
