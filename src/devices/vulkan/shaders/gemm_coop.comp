#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Products of many rows with cooperative matrices of signed bytes (VK_KHR_cooperative_matrix). A
// fragment of 32-bit sums is made for each group of columns with a scale, so sums are as exact as
// those of the plain kernel; then it is scaled into a fragment of floats. Subgroups share the tile
// by rows, by tokens and by blocks of columns (the third, when a tile is small, is summed at last).
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#include "common.glsl"
#include "gemm.glsl"

layout(constant_id = 9) const uint kRowSubgroups = 2;
layout(constant_id = 10) const uint kTokenSubgroups = 2;
layout(constant_id = 11) const uint kBlockSubgroups = 1;
layout(constant_id = 12) const uint kM = 16;  // a fragment's rows, tokens, columns
layout(constant_id = 13) const uint kN = 16;
layout(constant_id = 14) const uint kK = 16;

// What shared memory is made of: as wide as a fragment's row allows. Loads of single bytes are what
// drivers make of arrays of bytes.
#ifdef NARROW
#define WORD uvec2
const uint kWord = 8;
#else
#define WORD uvec4
const uint kWord = 16;
#endif

const uint kFragmentRows = kTileRows / (kRowSubgroups * kM);
const uint kFragmentTokens = kTileTokens / (kTokenSubgroups * kN);
// Fragments that a group of columns takes; with groups of 16 and fragments of 32 columns, the other
// half of the activations is zero.
const bool kPadded = kK > kGroup;
const uint kParts = kPadded ? 1 : kGroup / kK;
const uint kQBytes = kPadded ? 64 : 32;  // of a block of activations
const uint kWLine = (32 * kSteps + 16) / kWord;
const uint kQLine = (kQBytes * kSteps + 16) / kWord;
const uint kWWords = kTileRows * kWLine;
const uint kQWords = kTileTokens * kQLine;
const uint kWScales = kTileRows * kSteps * kGroups;
const uint kQScales = kTileTokens * kSteps * kGroups;
const uint kSubgroups = kRowSubgroups * kTokenSubgroups * kBlockSubgroups;

shared WORD w_tile[kBuffers * kWWords];
shared WORD q_tile[kBuffers * kQWords];
shared float w_scale[kBuffers * kWScales];  // [blocks, groups, rows]
shared float q_scale[kBuffers * kQScales];
shared float w_min[kMins ? kBuffers * kWScales : 1];
shared float q_sum[kMins ? kBuffers * kQScales : 1];
shared float results[kSubgroups * kM * kN];

void PutW(uint at, uvec4 value) {
#ifdef NARROW
  w_tile[at] = value.xy;
  w_tile[at + 1] = value.zw;
#else
  w_tile[at] = value;
#endif
}
void PutQ(uint at, uvec4 value) {
#ifdef NARROW
  q_tile[at] = value.xy;
  q_tile[at + 1] = value.zw;
#else
  q_tile[at] = value;
#endif
}

void Stash(uint step) {
  const uint buffer_ = step % kBuffers;
  [[unroll]] for (uint n = 0; n < kWEach; ++n) {
    const uint item = gl_LocalInvocationID.x + n * gl_WorkGroupSize.x;
    if (item >= kTileRows * kSteps) break;
    const uint row = item / kSteps, block = item % kSteps;
    const uint real = step * kSteps + block;
    uvec4 low, upper;
    Unpack(w_next[n], low, upper);
    const uint at = buffer_ * kWWords + row * kWLine + block * 32 / kWord;
    PutW(at, low);
    PutW(at + 16 / kWord, upper);
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
    const uint at = buffer_ * kQWords + token * kQLine + block * kQBytes / kWord;
    PutQ(at, q_next[n][0]);
    if (kPadded) {
      PutQ(at + 16 / kWord, uvec4(0));
      PutQ(at + 32 / kWord, uvec4(0));
      PutQ(at + 48 / kWord, q_next[n][1]);
    } else {
      PutQ(at + 16 / kWord, q_next[n][1]);
    }
    const bool real = step * kSteps + block < blocks;
    const float scale = real ? uintBitsToFloat(group_next[n].x) : 0.0;
    const int sum0 = int(group_next[n].y << 16) >> 16, sum1 = int(group_next[n].y) >> 16;
    [[unroll]] for (uint g = 0; g < kGroups; ++g) {
      const uint to = buffer_ * kQScales + (block * kGroups + g) * kTileTokens + token;
      q_scale[to] = scale;
      if (kMins) q_sum[to] = scale * float(kGroups == 1 ? sum0 + sum1 : g == 0 ? sum0 : sum1);
    }
  }
}

#define SUMS(type) coopmat<type, gl_ScopeSubgroup, kM, kN, gl_MatrixUseAccumulator>
#define ROWS_MAJOR gl_CooperativeMatrixLayoutRowMajor
#define COLUMNS_MAJOR gl_CooperativeMatrixLayoutColumnMajor

SUMS(float) sums[kFragmentRows][kFragmentTokens];

void Multiply(uint step) {
  const uint buffer_ = step % kBuffers;
  const uint at_row = gl_SubgroupID % kRowSubgroups * (kFragmentRows * kM);
  const uint at_token =
      gl_SubgroupID / kRowSubgroups % kTokenSubgroups * (kFragmentTokens * kN);
  const uint first_block = gl_SubgroupID / (kRowSubgroups * kTokenSubgroups);
  [[unroll]] for (uint b = 0; b < kSteps / kBlockSubgroups; ++b) {
    const uint block = first_block + b * kBlockSubgroups;
    [[unroll]] for (uint g = 0; g < kGroups; ++g) {
      coopmat<int8_t, gl_ScopeSubgroup, kM, kK, gl_MatrixUseA> w[kFragmentRows][kParts];
      SUMS(float) row_scale[kFragmentRows];
      SUMS(float) row_min[kFragmentRows];
      const uint w_scales = buffer_ * kWScales + (block * kGroups + g) * kTileRows + at_row;
      [[unroll]] for (uint r = 0; r < kFragmentRows; ++r) {
        const uint line = buffer_ * kWWords + (at_row + r * kM) * kWLine + block * 32 / kWord;
        [[unroll]] for (uint p = 0; p < kParts; ++p) {
          const uint byte = kPadded ? 0 : (g * kParts + p) * kK;
          coopMatLoad(w[r][p], w_tile, line + byte / kWord, kWLine, ROWS_MAJOR);
        }
        // The same for all tokens.
        coopMatLoad(row_scale[r], w_scale, w_scales + r * kM, 0, COLUMNS_MAJOR);
        if (kMins) coopMatLoad(row_min[r], w_min, w_scales + r * kM, 0, COLUMNS_MAJOR);
      }
      const uint q_scales = buffer_ * kQScales + (block * kGroups + g) * kTileTokens + at_token;
      [[unroll]] for (uint t = 0; t < kFragmentTokens; ++t) {
        coopmat<int8_t, gl_ScopeSubgroup, kK, kN, gl_MatrixUseB> x[kParts];
        const uint line =
            buffer_ * kQWords + (at_token + t * kN) * kQLine + block * kQBytes / kWord;
        [[unroll]] for (uint p = 0; p < kParts; ++p) {
          const uint byte = kPadded ? g * 32 : (g * kParts + p) * kK;
          coopMatLoad(x[p], q_tile, line + byte / kWord, kQLine, COLUMNS_MAJOR);
        }
        SUMS(float) token_scale;
        SUMS(float) token_sum;
        coopMatLoad(token_scale, q_scale, q_scales + t * kN, 0, ROWS_MAJOR);
        if (kMins) coopMatLoad(token_sum, q_sum, q_scales + t * kN, 0, ROWS_MAJOR);
        [[unroll]] for (uint r = 0; r < kFragmentRows; ++r) {
          SUMS(int) exact = SUMS(int)(0);
          [[unroll]] for (uint p = 0; p < kParts; ++p) exact = coopMatMulAdd(w[r][p], x[p], exact);
          sums[r][t] += SUMS(float)(exact) * row_scale[r] * token_scale;
          if (kMins) sums[r][t] += row_min[r] * token_sum;
        }
      }
    }
  }
}

void Write() {
  const uint thread = gl_LocalInvocationID.x;
  const uint slots = kRowSubgroups * kTokenSubgroups;
  [[unroll]] for (uint r = 0; r < kFragmentRows; ++r) {
    [[unroll]] for (uint t = 0; t < kFragmentTokens; ++t) {
      barrier();
      coopMatStore(sums[r][t], results, gl_SubgroupID * kM * kN, kM, COLUMNS_MAJOR);
      barrier();
      for (uint i = thread; i < slots * kM * kN; i += gl_WorkGroupSize.x) {
        const uint slot = i / (kM * kN);
        const uint row = first_row + (slot % kRowSubgroups * kFragmentRows + r) * kM + i % kM;
        const uint token =
            first_token + (slot / kRowSubgroups * kFragmentTokens + t) * kN + i / kM % kN;
        float sum = results[i];
        [[unroll]] for (uint b = 1; b < kBlockSubgroups; ++b) {
          sum += results[b * slots * kM * kN + i];
        }
        if (cap != 0.0) sum = cap * SafeTanh(sum / cap);
        if (row < rows && token < count) y[y_first + token * y_stride + row] = sum;
      }
    }
  }
}

void main() {
  first_token = gl_WorkGroupID.x * kTileTokens;
  first_row = gl_WorkGroupID.y * kTileRows;
  [[unroll]] for (uint r = 0; r < kFragmentRows; ++r) {
    [[unroll]] for (uint t = 0; t < kFragmentTokens; ++t) sums[r][t] = SUMS(float)(0.0);
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
  Write();
}
