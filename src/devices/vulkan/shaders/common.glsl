// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What all kernels share. The workgroup's size is specialisation constant 0; subgroups are full and
// have the size that the pipeline was made for, 8 to 64 lanes.
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#extension GL_GOOGLE_include_directive : require

layout(local_size_x_id = 0, local_size_y = 1, local_size_z = 1) in;

const uint kMaxSubgroups = 64;
shared float subgroup_results[kMaxSubgroups];

// Of all threads, for all threads: every one of them must come here.
float WorkgroupSum(float value) {
  value = subgroupAdd(value);
  barrier();
  if (subgroupElect()) subgroup_results[gl_SubgroupID] = value;
  barrier();
  float sum = 0.0;
  for (uint i = 0; i < gl_NumSubgroups; ++i) sum += subgroup_results[i];
  return sum;
}

float WorkgroupMax(float value) {
  value = subgroupMax(value);
  barrier();
  if (subgroupElect()) subgroup_results[gl_SubgroupID] = value;
  barrier();
  float most = subgroup_results[0];
  for (uint i = 1; i < gl_NumSubgroups; ++i) most = max(most, subgroup_results[i]);
  return most;
}

// Some drivers make tanh of large exponentials, which overflow. Beyond 10 it rounds to 1.
float SafeTanh(float x) { return x > 10.0 ? 1.0 : x < -10.0 ? -1.0 : tanh(x); }

// x (1 + tanh(y)) / 2 = x / (1 + exp(-2 y)): shorter, and nothing cancels where it is nearly none.
float Gelu(float x) {
  return x / (1.0 + exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
}
vec4 Gelu(vec4 x) {
  return x / (1.0 + exp(-1.5957691216057308 * (x + 0.044715 * x * x * x)));
}

// A grid of more workgroups than one dimension takes lies in two.
uint WorkgroupNumber() { return gl_WorkGroupID.z * gl_NumWorkGroups.x + gl_WorkGroupID.x; }
uint Workgroups() { return gl_NumWorkGroups.z * gl_NumWorkGroups.x; }
