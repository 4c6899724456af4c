#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of a matrix times one token's activations, and what the ops do with the results. A subgroup
// makes kRows rows; kLanes of its lanes share a row, so that short rows keep all lanes busy. What is
// done with a result r:
//
//   0  y[row] = r
//   1  y[row] = gelu(gate) * up, both products of this dispatch        32 neurons a workgroup
//   2  y[row] = gelu(gate) * up of a sparse layer: gates made before, less their cut; the rows of up
//      whose gates are not above it are not read
//   3  y[row] = gelu(r) * other[row]
//
// 1 and 2 may bring their results to 8 bits (kCodes). With a TAIL the last workgroup then does that.
// With a HEAD every workgroup first makes the activations for itself, and then walks through the
// rows with the others: so there are only as many as the device runs at a time. So it is with end 2,
// where each finds the cut for itself, from what the workgroups that made the gates have left
// (kSpread).
#extension GL_GOOGLE_include_directive : require
#include "common.glsl"
#include "fused_push.glsl"
#include "fused.glsl"

layout(constant_id = 5) const uint kRows = 1;
layout(constant_id = 6) const uint kLanes = 32;
// 0: x is in 8 bits (or floats, for float weights); 1: floats to be brought to 8 bits here; 2: the
// head makes it
layout(constant_id = 7) const uint kInput = 0;
layout(constant_id = 8) const uint kEnd = 0;
layout(constant_id = 23) const bool kCodes = false;
layout(constant_id = 24) const uint kBlocks = 64;  // of a row: 32 columns, or 16 bytes of floats
layout(constant_id = 25) const uint kUnroll = 1;
layout(constant_id = 30) const uint kKept = 1;  // quads of x, for float weights with a head
layout(constant_id = 32) const bool kSpread = false;  // of end 0: also how the results are spread
layout(constant_id = 33) const uint kSlices = 1;      // subgroups that share a row, by its columns
#extension GL_KHR_shader_subgroup_vote : require

// Activations that this workgroup has made for itself, by blocks of 32 columns: as loads want them.
#ifdef FLOAT_WEIGHTS
shared vec4 kept[kInput == 2 ? kKept : 1];
void Keep(vec4 v, uint quad) { kept[quad] = v; }
#else
shared uvec4 kept_low[kInput != 0 ? kBlocks : 1], kept_high[kInput != 0 ? kBlocks : 1];
shared uvec2 kept_groups[kInput != 0 ? kBlocks : 1];
void Keep(vec4 v, uint quad) {
  uvec2 group;
  const uint packed = QuantizeQuad(v, group);
  if ((quad & 4u) == 0) {
    kept_low[quad / 8][quad & 3u] = packed;
  } else {
    kept_high[quad / 8][quad & 3u] = packed;
  }
  if ((quad & 7u) == 0) kept_groups[quad / 8] = group;
}
#endif

#if defined(TAIL) || defined(HEAD)
#include "tail.glsl"
#endif

#ifdef FLOAT_WEIGHTS

layout(constant_id = 1) const uint kType = 0;  // 0 float, 1 half, 2 bfloat16
layout(binding = 0) readonly buffer Weights { uvec4 w[]; };

struct Activations {
  vec4 low, high;
};
Activations Load(uint block) {
  Activations x;
  const uint quad = kType == 0 ? block : 2 * block;
  x.low = kInput == 2 ? kept[quad] : Quad(push.x + quad);
  x.high = kType == 0 ? vec4(0.0) : kInput == 2 ? kept[quad + 1] : Quad(push.x + quad + 1);
  return x;
}

float Product(uint row, uint block, Activations x) {
  const uvec4 packed = w[push.codes_at + row * kBlocks + block];
  if (kType == 0) return dot(uintBitsToFloat(packed), x.low);
  vec4 low, high;
  if (kType == 1) {
    low = vec4(unpackHalf2x16(packed.x), unpackHalf2x16(packed.y));
    high = vec4(unpackHalf2x16(packed.z), unpackHalf2x16(packed.w));
  } else {
    low = uintBitsToFloat(uvec4(packed.x << 16, packed.x & 0xffff0000u, packed.y << 16,
                                packed.y & 0xffff0000u));
    high = uintBitsToFloat(uvec4(packed.z << 16, packed.z & 0xffff0000u, packed.w << 16,
                                 packed.w & 0xffff0000u));
  }
  return dot(low, x.low) + dot(high, x.high);
}

void Prepare() {}

#else

#define CODES_AT push.codes_at
#define HIGH_AT push.high_at
#define SCALES_AT push.scales_at
#define SUPERS_AT push.supers_at
#include "int8.glsl"

// Brings x to 8 bits where it comes in floats.
void Prepare() {
  if (kInput != 1) return;
  for (uint quad = Thread(); quad < kBlocks * 8; quad += gl_WorkGroupSize.x) {
    Keep(Quad(push.x + quad), quad);
  }
  barrier();
}

struct Activations {
  uvec4 low, high;
  float scale;
  int sum0, sum1;
};
Activations Load(uint block) {
  Activations x;
  uvec2 group;
  if (kInput == 0) {
    x.low = before[push.x + 2 * block];
    x.high = before[push.x + 2 * block + 1];
    const uvec4 both = before[push.x_groups + block / 2];
    group = (block & 1u) == 0 ? both.xy : both.zw;
  } else {
    x.low = kept_low[block];
    x.high = kept_high[block];
    group = kept_groups[block];
  }
  x.scale = uintBitsToFloat(group.x);
  x.sum0 = int(group.y << 16) >> 16;
  x.sum1 = int(group.y) >> 16;
  return x;
}

float Product(uint row, uint block, Activations x) {
  uint words[8];
  LoadCodes(row, block, kBlocks, words);
  int dot0 = 0, dot1 = 0;
  [[unroll]] for (uint i = 0; i < 4; ++i) {
    dot0 += Dot4(words[i], x.low[i]);
    dot1 += Dot4(words[4 + i], x.high[i]);
  }
  if (kGroup == 32) {
    const vec2 scale = ScaleAndMin(row, block, kBlocks, push.scale_stride);
    const int sum = x.sum0 + x.sum1;
    float product = float(dot0 + dot1 - kMinus * sum) * (scale.x * x.scale);
    if ((kScales & 1u) != 0) product += scale.y * (x.scale * float(sum));
    return product;
  }
  const vec2 first = ScaleAndMin(row, 2 * block, kBlocks, push.scale_stride);
  const vec2 second = ScaleAndMin(row, 2 * block + 1, kBlocks, push.scale_stride);
  float product = float(dot0 - kMinus * x.sum0) * (first.x * x.scale) +
                  float(dot1 - kMinus * x.sum1) * (second.x * x.scale);
  if ((kScales & 1u) != 0) {
    product += first.y * (x.scale * float(x.sum0)) + second.y * (x.scale * float(x.sum1));
  }
  return product;
}

#endif

const uint kSteps = (kBlocks / kSlices + kLanes - 1) / kLanes;
const bool kExact = kBlocks % (kSlices * kLanes * kUnroll) == 0;

// Sums over their columns of `count` rows, of those that `live` has a bit for: first + i * stride,
// and from kRows on the rows `pair` further. In all lanes that share a row. Of a slice its columns,
// which end with its steps: what follows are the next slice's.
#define MULTIPLY(count, first, stride, live, sums)                                              \
  {                                                                                             \
    [[unroll]] for (uint r = 0; r < (count); ++r) sums[r] = 0.0;                                \
    const uint lane = gl_SubgroupInvocationID % kLanes +                                        \
                      (kSlices > 1 ? gl_SubgroupID % kSlices * kSteps * kLanes : 0);            \
    [[dont_unroll]] for (uint step_ = 0; step_ < kSteps; step_ += kUnroll) {                    \
      [[unroll]] for (uint u = 0; u < kUnroll; ++u) {                                           \
        const uint block = lane + (step_ + u) * kLanes;                                         \
        if (kExact || (kSlices > 1 ? step_ + u < kSteps : block < kBlocks)) {                   \
          const Activations x = Load(block);                                                    \
          [[unroll]] for (uint r = 0; r < (count); ++r) {                                       \
            const uint row = r < kRows ? (first) + r * (stride)                                 \
                                       : (first) + push.pair + (r - kRows) * (stride);          \
            if (((live) & (1u << r)) != 0) sums[r] += Product(row, block, x);                   \
          }                                                                                     \
        }                                                                                       \
      }                                                                                         \
    }                                                                                           \
    [[unroll]] for (uint d = kLanes / 2; d > 0; d /= 2) {                                       \
      [[unroll]] for (uint r = 0; r < (count); ++r) sums[r] += subgroupShuffleXor(sums[r], d);  \
    }                                                                                           \
  }

// How a thread's results are spread: how many, and sums of what they are beyond the first of them
// and of its squares, so that nothing cancels where they are all alike.
float met = 0.0, first_met = 0.0, beyond = 0.0, squares_beyond = 0.0;
void Meet(float result) {
  if (met == 0.0) first_met = result;
  const float more = result - first_met;
  beyond += more;
  squares_beyond += more * more;
  met += 1.0;
}

// Those of `count` spreads (number, mean, sum of squares about it) together, sums across a subgroup:
// number, sum beyond `near` and of squares of that.
const uint kSpreads = kSpread ? gl_WorkGroupSize.x / kLanes : 1;
shared vec4 spreads[kSpreads];
void AddSpread(vec4 spread, float near, inout float sums[3]) {
  const float more = spread.y - near;
  sums[0] += spread.x;
  sums[1] += spread.x * more;
  sums[2] += spread.z + spread.x * more * more;
}
vec4 SpreadOf(float sums[3], float near) {
  const float mean = sums[1] / sums[0];
  return vec4(sums[0], near + mean, max(sums[2] - sums[1] * mean, 0.0), 0.0);
}

// The workgroup's, where those with the cut find it. Every thread must come here.
void PutSpread() {
  if (gl_SubgroupInvocationID % kLanes == 0) {
    float sums[3] = {met, beyond, squares_beyond};
    spreads[gl_SubgroupID * (gl_SubgroupSize / kLanes) + gl_SubgroupInvocationID / kLanes] =
        met > 0.0 ? SpreadOf(sums, first_met) : vec4(0.0);
  }
  barrier();
  if (gl_SubgroupID > 0) return;
  const float near = spreads[0].y;  // of rows that there are
  float sums[3] = {0.0, 0.0, 0.0};
  for (uint i = gl_SubgroupInvocationID; i < kSpreads; i += gl_SubgroupSize) {
    AddSpread(spreads[i], near, sums);
  }
  ADD_ACROSS(sums, 3, kSubgroup)
  if (subgroupElect()) after[push.counter + WorkgroupNumber()] = SpreadOf(sums, near);
}

// mean + mix * deviation of all gates, by the spreads of push.pair workgroups.
shared float cut_sums[kEnd == 2 ? 3 * kSubgroups : 1];
float Cut() {
  const float near = Quad(push.counter).y;
  float sums[3] = {0.0, 0.0, 0.0};
  for (uint i = Thread(); i < push.pair; i += gl_WorkGroupSize.x) {
    AddSpread(Quad(push.counter + i), near, sums);
  }
  SUMS(cut_sums, sums, 3)
  const vec4 spread = SpreadOf(sums, near);
  return spread.y + push.mix_ * sqrt(spread.z / spread.x);
}

void PutResult(uint row, float sum) {
  const float result = kEnd == 3 ? Gelu(sum) * Float(push.other + row) : sum;
  const uint at = push.y + row;
#ifdef TAIL
  handed[at >> 2][at & 3u] = result;
#else
  PutFloat(at, result);
#endif
  if (kSpread) Meet(result);
}

// Ends 0 and 3: rows side by side.
void MultiplyRows(uint workgroup) {
  const uint together = gl_SubgroupSize / kLanes;  // rows that a subgroup walks at a time
  const uint first = (workgroup * gl_NumSubgroups + gl_SubgroupID) * (together * kRows) +
                     gl_SubgroupInvocationID / kLanes;
  uint live = 0;
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    live |= first + r * together < push.rows ? 1u << r : 0u;
  }
  if (subgroupAll(live == 0)) return;
  float sums[kRows];
  MULTIPLY(kRows, first, together, live, sums)
  if (gl_SubgroupInvocationID % kLanes != 0) return;
  [[unroll]] for (uint r = 0; r < kRows; ++r) {
    if ((live & (1u << r)) != 0) PutResult(first + r * together, sums[r]);
  }
}

// The same, a row by kSlices subgroups, of its columns a slice each: so a short matrix of long rows
// keeps more of the device waiting for memory.
shared float sliced[kSubgroups];
void MultiplySlices(uint workgroup) {
  const uint rows = kSubgroups / kSlices;
  const uint row = workgroup * rows + gl_SubgroupID / kSlices;
  const uint live = row < push.rows ? 1u : 0u;
  float sums[1];
  MULTIPLY(1, row, 1, live, sums)
  if (subgroupElect()) sliced[gl_SubgroupID] = sums[0];
  barrier();
  if (Thread() >= rows || workgroup * rows + Thread() >= push.rows) return;
  float sum = 0.0;
  [[unroll]] for (uint i = 0; i < kSlices; ++i) sum += sliced[Thread() * kSlices + i];
  PutResult(workgroup * rows + Thread(), sum);
}

// Ends 1 and 2: the neurons of a group of 32. They are shared in two places in turn, so that nobody
// waits for those who read the last ones, but goes on to ask for weights.
shared float neurons[64];
void MultiplyNeurons(uint workgroup, uint turn, float cut) {
  const uint base = 32 * workgroup, place = 32 * (turn & 1u);
  for (uint at = gl_SubgroupID * kRows; at < 32; at += gl_NumSubgroups * kRows) {
    const uint first = base + at;
    if (kEnd == 1) {
      const uint live = (1u << (2 * kRows)) - 1;
      float sums[2 * kRows];
      MULTIPLY(2 * kRows, first, 1, live, sums)
      if (!subgroupElect()) continue;
      [[unroll]] for (uint r = 0; r < kRows; ++r) {
        neurons[place + at + r] = Gelu(sums[r]) * sums[kRows + r];
      }
      continue;
    }
    uint live = 0;
    float gates[kRows], ups[kRows];
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      gates[r] = Float(push.other + first + r) - cut;
      // A gate that is not a number shows in the result.
      live |= gates[r] <= 0.0 ? 0u : 1u << r;
    }
    if (live != 0) MULTIPLY(kRows, first, 1, live, ups)
    if (!subgroupElect()) continue;
    [[unroll]] for (uint r = 0; r < kRows; ++r) {
      neurons[place + at + r] = (live & (1u << r)) == 0 ? 0.0 : Gelu(gates[r]) * ups[r];
    }
  }
  barrier();
  if (Thread() >= 8) return;
  const uint at = place + 4 * Thread();
  const vec4 quad = vec4(neurons[at], neurons[at + 1], neurons[at + 2], neurons[at + 3]);
  const uint number = base / 4 + Thread();
  if (kCodes) {
    PutQuantized(quad, number, push.codes, push.groups);
  } else {
    after[push.y / 4 + number] = quad;
  }
}

void Multiply(uint workgroup, uint turn, float cut) {
  if (kEnd == 1 || kEnd == 2) {
    MultiplyNeurons(workgroup, turn, cut);
  } else if (kSlices > 1) {
    MultiplySlices(workgroup);
  } else {
    MultiplyRows(workgroup);
  }
}

// Their share of the rows, of workgroups that are fewer than the rows' own.
void Walk(float cut) {
  for (uint i = WorkgroupNumber(), turn = 0; i < push.arrivals; i += Workgroups(), ++turn) {
    Multiply(i, turn, cut);
  }
}

void main() {
#ifdef HEAD
  Tail();
  barrier();  // the head's results are there
  Walk(0.0);
#else
#ifdef TAIL
  const uint touched = Touch(WorkgroupNumber());
#endif
  Prepare();
  if (kEnd == 2) {
    Walk(Cut());
    return;
  }
  Multiply(WorkgroupNumber(), 0, 0.0);
#ifdef TAIL
  // Never so: but the load has to be made to know.
  if (touched == 0x7fc12345u) counters[push.counter] = 0;
  if (LastOf(push.arrivals, push.counter)) Tail();
#endif
#endif
  if (kSpread) PutSpread();
}
