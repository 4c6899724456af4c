// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the fused kernels share: their bindings, activations in 8 bits, and the end of a dispatch
// that its last workgroup alone does.
//
// All fused kernels of a step bind the same buffers, so that a recording binds them once: on an H200
// a dispatch that finds other descriptors than the one before takes 4 us longer.
//
// All activations lie in one workspace, which is bound three times: as what was there before the
// dispatch, as what it leaves, and as what its workgroups hand to its last one. Only the last is
// coherent: such loads wait for each other on some GPUs (an H200: 0.5 us each).
#extension GL_KHR_shader_subgroup_shuffle : require
#extension GL_EXT_control_flow_attributes : require

layout(binding = 4) readonly buffer Before { uvec4 before[]; };
layout(binding = 5) writeonly buffer After { vec4 after[]; };
layout(binding = 6) readonly buffer Vectors { vec4 vectors[]; };
layout(binding = 7) coherent buffer Counters { uint counters[]; };
layout(binding = 8) coherent buffer Handed { vec4 handed[]; };
layout(binding = 9) readonly buffer Upload { uvec4 uploaded[]; };  // what the host writes for a step

layout(constant_id = 26) const uint kSubgroup = 32;  // lanes

// Sums and maxima over a subgroup, in all its lanes. Several are taken together by exchanges that do
// not wait for one another: some drivers make subgroupAdd() one after the other of them (an H200:
// 0.15 us each).
#define ADD_ACROSS(values, count)                                                     \
  [[unroll]] for (uint d = kSubgroup / 2; d > 0; d /= 2) {                            \
    [[unroll]] for (uint n = 0; n < (count); ++n) {                                   \
      values[n] += subgroupShuffleXor(values[n], d);                                  \
    }                                                                                 \
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

// Of this thread in its workgroup: neighbours in a subgroup have neighbouring numbers.
uint Thread() { return gl_SubgroupID * gl_SubgroupSize + gl_SubgroupInvocationID; }

// A float, and a word, of the workspace.
float Float(uint at) { return uintBitsToFloat(before[at >> 2][at & 3u]); }
vec4 Quad(uint at) { return uintBitsToFloat(before[at]); }
void PutFloat(uint at, float value) { after[at >> 2][at & 3u] = value; }
void PutWord(uint at, uint word) { after[at >> 2][at & 3u] = uintBitsToFloat(word); }

// Four of 32 values in 8 bits, the others in the seven neighbouring threads: quantize.comp says how.
// `group` is the same in all eight.
uint QuantizeQuad(vec4 v, out uvec2 group) {
  const uvec4 bits = floatBitsToUint(v) & 0x7fffffffu;
  uint most = max(max(bits.x, bits.y), max(bits.z, bits.w));
  most = max(most, subgroupShuffleXor(most, 1u));
  most = max(most, subgroupShuffleXor(most, 2u));
  most = max(most, subgroupShuffleXor(most, 4u));
  const bool finite = most < 0x7f800000u;
  const float highest = uintBitsToFloat(most);
  const bool zeros = !finite || highest < 1e-30;
  const float inverse = zeros ? 0.0 : 127.0 / highest;
  const ivec4 q = zeros ? ivec4(0) : clamp(ivec4(roundEven(v * inverse)), -127, 127);
  int sum = q.x + q.y + q.z + q.w;
  sum += subgroupShuffleXor(sum, 1u);
  sum += subgroupShuffleXor(sum, 2u);
  const int other = subgroupShuffleXor(sum, 4u);
  const bool first = (gl_SubgroupInvocationID & 4u) == 0;
  const int low = first ? sum : other, high = first ? other : sum;
  group = uvec2(finite ? floatBitsToUint(highest / 127.0) : 0x7fc00000u,
                (uint(low) & 0xffffu) | uint(high) << 16);
  const uvec4 bytes = uvec4(q) & 255u;
  return bytes.x | bytes.y << 8 | bytes.z << 16 | bytes.w << 24;
}

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

// As long as what else is shared is aligned to: RADV then reads that in one piece.
shared uvec4 is_last;

// True in the workgroup that comes here last of `arrivals`, for all its threads, which then see what
// the others have written. Every thread of every workgroup must come here.
bool LastOf(uint arrivals, uint counter) {
  memoryBarrierBuffer();
  barrier();
  if (Thread() == 0) {
    is_last.x = atomicAdd(counters[counter], 1u) + 1;
    if (is_last.x == arrivals) counters[counter] = 0;  // for the next run of the recording
  }
  barrier();
  memoryBarrierBuffer();
  return is_last.x == arrivals;
}
