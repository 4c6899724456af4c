// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the fused kernels share: their bindings, activations in 8 bits, and the end of a dispatch
// that its last workgroup alone does.
//
// All fused kernels of a step bind the same buffers, so that a recording binds them once.
//
// All activations lie in one workspace, which is bound three times: as what was there before the
// dispatch, as what it leaves, and as what its workgroups hand to its last one. Only the last is
// coherent, since only it has to be.
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require
#include "codes.glsl"

layout(binding = 4) readonly buffer Before { uvec4 before[]; };
layout(binding = 5) writeonly buffer After { vec4 after[]; };
layout(binding = 6) readonly buffer Vectors { vec4 vectors[]; };
#include "last.glsl"
layout(binding = 8) coherent buffer Handed { vec4 handed[]; };
layout(binding = 9) readonly buffer Upload { uvec4 uploaded[]; };  // what the host writes for a step

layout(constant_id = 26) const uint kSubgroup = 32;  // lanes

// Sums and maxima over a subgroup, in all its lanes. Several are taken together by exchanges that do
// not wait for one another: with subgroupAdd() a tail with AltUp took 1.2 of 6.6 us more (an H200).
#define ADD_ACROSS(values, count, lanes)                                            \
  [[unroll]] for (uint d = (lanes) / 2; d > 0; d /= 2) {                            \
    [[unroll]] for (uint n = 0; n < (count); ++n) {                                 \
      values[n] += subgroupShuffleXor(values[n], d);                                \
    }                                                                               \
  }
float AddAcross(float value) {
  [[unroll]] for (uint d = kSubgroup / 2; d > 0; d /= 2) value += subgroupShuffleXor(value, d);
  return value;
}
float MaxAcross(float value) {
  [[unroll]] for (uint d = kSubgroup / 2; d > 0; d /= 2) {
    value = max(value, subgroupShuffleXor(value, d));
  }
  return value;
}

// A subgroup adds what subgroups have left in shared memory, a lane one of them, or every so many;
// sums across as many lanes as there are subgroups are then in all of them. Their number is a
// constant, so this is a load: as a loop it took an H200 0.6 us for five values.
const uint kSubgroups = gl_WorkGroupSize.x / kSubgroup;
const uint kFew = kSubgroups < kSubgroup ? kSubgroups : kSubgroup;
#define ADD_OWN(place, from, stride, sum)                                               \
  [[unroll]] for (uint j_ = 0; j_ < kSubgroups / kFew; ++j_) {                          \
    sum += place[(from) + (gl_SubgroupInvocationID % kFew + j_ * kFew) * (stride)];     \
  }

// Sums over a workgroup of `count` values, in all its threads; `place` has room for them of each
// subgroup.
#define SUMS(place, values, count)                                                           \
  {                                                                                          \
    ADD_ACROSS(values, count, kSubgroup)                                                     \
    if (subgroupElect()) {                                                                   \
      [[unroll]] for (uint n_ = 0; n_ < (count); ++n_) {                                     \
        place[gl_SubgroupID * (count) + n_] = values[n_];                                    \
      }                                                                                      \
    }                                                                                        \
    barrier();                                                                               \
    [[unroll]] for (uint n_ = 0; n_ < (count); ++n_) {                                       \
      values[n_] = 0.0;                                                                      \
      ADD_OWN(place, n_, count, values[n_])                                                  \
    }                                                                                        \
    ADD_ACROSS(values, count, kFew)                                                          \
  }

// Off by some 1e-7, and short.
float Tanh(float x) { return 1.0 - 2.0 / (1.0 + exp(2.0 * x)); }

// A float, and a word, of the workspace.
float Float(uint at) { return uintBitsToFloat(before[at >> 2][at & 3u]); }
vec4 Quad(uint at) { return uintBitsToFloat(before[at]); }
void PutFloat(uint at, float value) { after[at >> 2][at & 3u] = value; }
void PutWord(uint at, uint word) { after[at >> 2][at & 3u] = uintBitsToFloat(word); }

// Quad number `quad` of a vector, to the codes at word `codes` and the groups at word `groups`.
void PutQuantized(vec4 v, uint quad, uint codes, uint groups) {
  uvec2 group;
  const uint packed = QuantizeQuad(v, group);
  PutWord(codes + quad, packed);
  if ((quad & 7u) == 0) {
    const uint at = groups + quad / 4;
    PutWord(at, group.x);
    PutWord(at + 1, group.y);
  }
}
