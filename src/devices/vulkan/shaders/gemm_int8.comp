#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of many rows with integer dot products, for any device: a thread makes kRows rows for
// kTokens rows of activations. A group's products are summed in integers, exactly.
#include "common.glsl"
#include "gemm.glsl"

layout(constant_id = 9) const uint kRows = 4;
layout(constant_id = 10) const uint kTokens = 4;

const uint kLine = 2 * kSteps + 1;
const uint kWWords = kTileRows * kLine;
const uint kQWords = kTileTokens * kLine;
const uint kWScales = kTileRows * kSteps * kGroups;
const uint kQScales = kTileTokens * kSteps;

shared uvec4 w_tile[kBuffers * kWWords];
shared uvec4 q_tile[kBuffers * kQWords];
shared float w_scale[kBuffers * kWScales];  // [blocks, groups, rows]
shared float w_min[kMins ? kBuffers * kWScales : 1];
shared uvec2 q_group[kBuffers * kQScales];  // [blocks, tokens]

// A thread's rows and tokens lie this far apart.
const uint kRowThreads = kTileRows / kRows;
const uint kTokenThreads = kTileTokens / kTokens;

void Stash(uint step) {
  const uint buffer_ = step % kBuffers;
  [[unroll]] for (uint n = 0; n < kWEach; ++n) {
    const uint item = gl_LocalInvocationID.x + n * gl_WorkGroupSize.x;
    if (item >= kTileRows * kSteps) break;
    const uint row = item / kSteps, block = item % kSteps;
    const uint real = step * kSteps + block;
    uvec4 low, upper;
    Unpack(w_next[n], low, upper);
    const uint at = buffer_ * kWWords + row * kLine + 2 * block;
    w_tile[at] = low;
    w_tile[at + 1] = upper;
    [[unroll]] for (uint g = 0; g < kGroups; ++g) {
      // Beyond the last column there is nothing.
      const vec2 scale = real < blocks ? ScaleAndMin(w_next[n], real, g) : vec2(0.0);
      const uint to = buffer_ * kWScales + (block * kGroups + g) * kTileRows + row;
      w_scale[to] = scale.x;
      if (kMins) w_min[to] = scale.y;
    }
  }
  [[unroll]] for (uint n = 0; n < kQEach; ++n) {
    const uint item = gl_LocalInvocationID.x + n * gl_WorkGroupSize.x;
    if (item >= kTileTokens * kSteps) break;
    const uint token = item / kSteps, block = item % kSteps;
    const uint at = buffer_ * kQWords + token * kLine + 2 * block;
    q_tile[at] = q_next[n][0];
    q_tile[at + 1] = q_next[n][1];
    const bool real = step * kSteps + block < blocks;
    q_group[buffer_ * kQScales + block * kTileTokens + token] = real ? group_next[n] : uvec2(0);
  }
}

float sums[kRows][kTokens];

void Multiply(uint step) {
  const uint buffer_ = step % kBuffers;
  const uint row = gl_LocalInvocationID.x % kRowThreads;
  const uint token = gl_LocalInvocationID.x / kRowThreads;
  const uint w_at = buffer_ * kWWords + row * kLine;
  const uint q_at = buffer_ * kQWords + token * kLine;
  const uint w_scales = buffer_ * kWScales + row;
  const uint q_scales = buffer_ * kQScales + token;
  for (uint block = 0; block < kSteps; ++block) {
    int exact[kRows][kTokens];
    [[unroll]] for (uint part = 0; part < 2; ++part) {
      uvec4 w[kRows];
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        w[r] = w_tile[w_at + r * kRowThreads * kLine + 2 * block + part];
      }
      [[unroll]] for (uint t = 0; t < kTokens; ++t) {
        const uvec4 x = q_tile[q_at + t * kTokenThreads * kLine + 2 * block + part];
        [[unroll]] for (uint r = 0; r < kRows; ++r) {
          if (part == 0 || kGroups == 2) exact[r][t] = 0;
          [[unroll]] for (uint i = 0; i < 4; ++i) exact[r][t] += Dot4(w[r][i], x[i]);
        }
      }
      if (part == 0 && kGroups == 1) continue;
      float row_scale[kRows], row_min[kRows];
      const uint g = kGroups == 1 ? 0 : part;
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        const uint at = w_scales + (block * kGroups + g) * kTileRows + r * kRowThreads;
        row_scale[r] = w_scale[at];
        if (kMins) row_min[r] = w_min[at];
      }
      [[unroll]] for (uint t = 0; t < kTokens; ++t) {
        const uvec2 group = q_group[q_scales + block * kTileTokens + t * kTokenThreads];
        const float scale = uintBitsToFloat(group.x);
        const int sum0 = int(group.y << 16) >> 16, sum1 = int(group.y) >> 16;
        const float sum = scale * float(kGroups == 1 ? sum0 + sum1 : part == 0 ? sum0 : sum1);
        [[unroll]] for (uint r = 0; r < kRows; ++r) {
          sums[r][t] += float(exact[r][t]) * (row_scale[r] * scale);
          if (kMins) sums[r][t] += row_min[r] * sum;
        }
      }
    }
  }
}

void main() {
  first_token = gl_WorkGroupID.x * kTileTokens;
  first_row = gl_WorkGroupID.y * kTileRows;
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    [[unroll]] for (uint t = 0; t < kTokens; ++t) sums[r][t] = 0.0;
  }
  const uint steps = (blocks + kSteps - 1) / kSteps;
  Fetch(0);
  Stash(0);
  barrier();
  for (uint step = 0; step < steps; ++step) {
    const bool more = step + 1 < steps;
    if (more) Fetch(step + 1);
    Multiply(step);
    if (kBuffers == 1) barrier();
    if (more) Stash(step + 1);
    barrier();
  }
  const uint row = first_row + gl_LocalInvocationID.x % kRowThreads;
  const uint token = first_token + gl_LocalInvocationID.x / kRowThreads;
  [[unroll]] for (uint t = 0; t < kTokens; ++t) {
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      const uint to_row = row + r * kRowThreads, to_token = token + t * kTokenThreads;
      float sum = sums[r][t];
      if (cap != 0.0) sum = cap * SafeTanh(sum / cap);
      if (to_row < rows && to_token < count) y[y_first + to_token * y_stride + to_row] = sum;
    }
  }
}
