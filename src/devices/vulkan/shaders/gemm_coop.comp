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
// How sums are scaled: 0 as whole matrices, 1 element by element; 2 more: with minima of zero where
// there are none.
layout(constant_id = 15) const uint kScaling = 0;

const bool kWithMins = ((kScales | (kScaling >> 1)) & 1u) != 0;

// What shared memory is made of: as wide as a fragment's row allows. Loads of single bytes are what
// drivers make of arrays of bytes.
#ifdef NARROW
#define WORD uvec2
const uint kWord = 8;
#else
#define WORD uvec4
const uint kWord = 16;
#endif

// With groups of 16 and fragments of 32 columns, the other half of the activations is zero.
const bool kPadded = kK > kGroup;
#ifdef FRAGMENT_ROWS
// Numbers that the compiler of this file sees: it unrolls the loops over fragments, so that no
// driver can make arrays in memory of them. A group of columns takes one fragment (gemm.cc).
const uint kFragmentRows = FRAGMENT_ROWS;
const uint kFragmentTokens = FRAGMENT_TOKENS;
const uint kParts = 1;
#else
const uint kFragmentRows = kTileRows / (kRowSubgroups * kM);
const uint kFragmentTokens = kTileTokens / (kTokenSubgroups * kN);
const uint kParts = kPadded ? 1 : kGroup / kK;  // fragments that a group of columns takes
#endif
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
// Scales of weights, of activations, minima, sums, each [buffers, blocks, groups, rows or tokens];
// then the results. One array, since fragments want addresses by 16 bytes, which drivers give no
// array of floats: where those without a minimum had arrays of one float, an NVIDIA driver read
// beside the mark.
const uint kQScaleAt = kBuffers * kWScales;
const uint kMinAt = kQScaleAt + kBuffers * kQScales;
const uint kSumAt = kMinAt + (kWithMins ? kBuffers * kWScales : 0);
const uint kScaleFloats = kSumAt + (kWithMins ? kBuffers * kQScales : 0);
const uint kResultFloats = kSubgroups * kM * kN;
shared float floats[kScaleFloats > kResultFloats ? kScaleFloats : kResultFloats];

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
      floats[to] = scale.x;
      if (kWithMins) floats[kMinAt + to] = scale.y;
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
      floats[kQScaleAt + to] = scale;
      if (kWithMins) {
        floats[kSumAt + to] = scale * float(kGroups == 1 ? sum0 + sum1 : g == 0 ? sum0 : sum1);
      }
    }
  }
}

#define SUMS(type) coopmat<type, gl_ScopeSubgroup, kM, kN, gl_MatrixUseAccumulator>
#define ROWS_MAJOR gl_CooperativeMatrixLayoutRowMajor
#define COLUMNS_MAJOR gl_CooperativeMatrixLayoutColumnMajor

SUMS(float) sums[kFragmentRows][kFragmentTokens];
coopmat<int8_t, gl_ScopeSubgroup, kM, kK, gl_MatrixUseA> w[kFragmentRows][kParts];
SUMS(float) row_scale[kFragmentRows];
SUMS(float) row_min[kFragmentRows];

// Statements for every row and every token of fragments, written out where their numbers are known.
#ifndef FRAGMENT_ROWS
#define EACH_ROW(body) [[unroll]] for (uint n = 0; n < kFragmentRows; ++n) body(n)
#define EACH_TOKEN(body) [[unroll]] for (uint m = 0; m < kFragmentTokens; ++m) body(m)
#else
#if FRAGMENT_ROWS == 1
#define EACH_ROW(body) body(0)
#elif FRAGMENT_ROWS == 2
#define EACH_ROW(body) body(0) body(1)
#else
#define EACH_ROW(body) body(0) body(1) body(2) body(3)
#endif
#if FRAGMENT_TOKENS == 1
#define EACH_TOKEN(body) body(0)
#elif FRAGMENT_TOKENS == 2
#define EACH_TOKEN(body) body(0) body(1)
#else
#define EACH_TOKEN(body) body(0) body(1) body(2) body(3)
#endif
#endif

void Multiply(uint step) {
  const uint buffer_ = step % kBuffers;
  const uint at_row = gl_SubgroupID % kRowSubgroups * (kFragmentRows * kM);
  const uint at_token =
      gl_SubgroupID / kRowSubgroups % kTokenSubgroups * (kFragmentTokens * kN);
  const uint first_block = gl_SubgroupID / (kRowSubgroups * kTokenSubgroups);
  [[unroll]] for (uint b = 0; b < kSteps / kBlockSubgroups; ++b) {
    const uint block = first_block + b * kBlockSubgroups;
    [[unroll]] for (uint g = 0; g < kGroups; ++g) {
      const uint w_line = buffer_ * kWWords + at_row * kWLine + block * 32 / kWord;
      const uint w_scales = buffer_ * kWScales + (block * kGroups + g) * kTileRows + at_row;
      const uint q_line = buffer_ * kQWords + at_token * kQLine + block * kQBytes / kWord;
      const uint q_scales = buffer_ * kQScales + (block * kGroups + g) * kTileTokens + at_token;
#define LOAD_ROW(number)                                                                    \
  {                                                                                         \
    const uint r = number;                                                                  \
    [[unroll]] for (uint p = 0; p < kParts; ++p) {                                          \
      const uint byte = kPadded ? 0 : (g * kParts + p) * kK;                                \
      coopMatLoad(w[r][p], w_tile, w_line + r * kM * kWLine + byte / kWord, kWLine,         \
                  ROWS_MAJOR);                                                              \
    }                                                                                       \
    /* The same for all tokens. */                                                          \
    coopMatLoad(row_scale[r], floats, w_scales + r * kM, 0, COLUMNS_MAJOR);                 \
    if (kWithMins) coopMatLoad(row_min[r], floats, kMinAt + w_scales + r * kM, 0, COLUMNS_MAJOR); \
  }
#define SCALE_ELEMENT(i)                                                                  \
  fragment[i] = fma(float(exact[i]), row_scale[r][i] * token_scale[i], fragment[i]);      \
  if (kWithMins) fragment[i] = fma(row_min[r][i], token_sum[i], fragment[i]);
#ifdef FRAGMENT_ROWS
// Eight are what a lane has of a fragment: gemm.cc.
#define SCALE_ELEMENTS                                                            \
  SCALE_ELEMENT(0) SCALE_ELEMENT(1) SCALE_ELEMENT(2) SCALE_ELEMENT(3)             \
  SCALE_ELEMENT(4) SCALE_ELEMENT(5) SCALE_ELEMENT(6) SCALE_ELEMENT(7)
#else
#define SCALE_ELEMENTS \
  [[unroll]] for (uint i = 0; i < fragment.length(); ++i) { SCALE_ELEMENT(i) }
#endif
#define MULTIPLY_ONE(number)                                                                \
  {                                                                                         \
    const uint r = number;                                                                  \
    SUMS(int) exact = SUMS(int)(0);                                                         \
    [[unroll]] for (uint p = 0; p < kParts; ++p) exact = coopMatMulAdd(w[r][p], x[p], exact); \
    SUMS(float) fragment = sums[r][t];                                                      \
    if ((kScaling & 1u) == 0) {                                                                    \
      fragment += SUMS(float)(exact) * (row_scale[r] * token_scale);                        \
      if (kWithMins) fragment += row_min[r] * token_sum;                                        \
    } else {                                                                                \
      SCALE_ELEMENTS                                                                        \
    }                                                                                       \
    sums[r][t] = fragment;                                                                  \
  }
#define MULTIPLY_TOKEN(number)                                                              \
  {                                                                                         \
    const uint t = number;                                                                  \
    coopmat<int8_t, gl_ScopeSubgroup, kK, kN, gl_MatrixUseB> x[kParts];                     \
    [[unroll]] for (uint p = 0; p < kParts; ++p) {                                          \
      const uint byte = kPadded ? g * 32 : (g * kParts + p) * kK;                           \
      coopMatLoad(x[p], q_tile, q_line + t * kN * kQLine + byte / kWord, kQLine,            \
                  COLUMNS_MAJOR);                                                           \
    }                                                                                       \
    SUMS(float) token_scale;                                                                \
    SUMS(float) token_sum;                                                                  \
    coopMatLoad(token_scale, floats, kQScaleAt + q_scales + t * kN, 0, ROWS_MAJOR);         \
    if (kWithMins) coopMatLoad(token_sum, floats, kSumAt + q_scales + t * kN, 0, ROWS_MAJOR);   \
    EACH_ROW(MULTIPLY_ONE)                                                                  \
  }
      EACH_ROW(LOAD_ROW)
      EACH_TOKEN(MULTIPLY_TOKEN)
    }
  }
}

// A fragment of every subgroup at a time goes through shared memory.
void WriteShared(uint write_row, uint write_token) {
  const uint slots = kRowSubgroups * kTokenSubgroups;
  barrier();
  for (uint i = gl_LocalInvocationID.x; i < slots * kM * kN; i += gl_WorkGroupSize.x) {
    const uint slot = i / (kM * kN);
    const uint row =
        first_row + (slot % kRowSubgroups * kFragmentRows + write_row) * kM + i % kM;
    const uint token = first_token +
                       (slot / kRowSubgroups * kFragmentTokens + write_token) * kN + i / kM % kN;
    float sum = floats[i];
    [[unroll]] for (uint b = 1; b < kBlockSubgroups; ++b) sum += floats[b * slots * kM * kN + i];
    if (cap != 0.0) sum = cap * SafeTanh(sum / cap);
    if (row < rows && token < count) y[y_first + token * y_stride + row] = sum;
  }
  barrier();
}

#define WRITE_ONE(number)                                                             \
  {                                                                                   \
    const uint r = number;                                                            \
    coopMatStore(sums[r][t], floats, gl_SubgroupID * kM * kN, kM, COLUMNS_MAJOR);     \
    WriteShared(r, t);                                                                  \
  }
#define WRITE_TOKEN(number)   \
  {                           \
    const uint t = number;    \
    EACH_ROW(WRITE_ONE)       \
  }
#define CLEAR_ONE(number) sums[number][t] = SUMS(float)(0.0);
#define CLEAR_TOKEN(number)   \
  {                           \
    const uint t = number;    \
    EACH_ROW(CLEAR_ONE)       \
  }

void main() {
  first_token = gl_WorkGroupID.x * kTileTokens;
  first_row = gl_WorkGroupID.y * kTileRows;
  EACH_TOKEN(CLEAR_TOKEN)
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
  EACH_TOKEN(WRITE_TOKEN)
}
