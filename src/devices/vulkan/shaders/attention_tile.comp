#version 450
// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention of many rows: a workgroup takes some rows, all heads of one head of keys, and walks the
// positions that any of them looks back at, by tiles: scores through shared memory, softmax with
// the largest score and the sum carried along, then values straight from the cache. A "line" is one
// head of one row.
#extension GL_EXT_buffer_reference : require
#extension GL_EXT_buffer_reference_uvec2 : require
#extension GL_EXT_control_flow_attributes : require
#include "common.glsl"
#include "last.glsl"
#include "step.glsl"

layout(constant_id = 1) const bool kHalf = false;
layout(constant_id = 2) const uint kDims = 256;  // of a head, by 64
layout(constant_id = 3) const uint kGroup = 4;   // heads that share keys
// Workgroups (z) that may share the positions of a tile of rows; the last of them joins their
// parts.
layout(constant_id = 4) const uint kSplits = 1;
layout(constant_id = 5) const uint kLines = 32;  // of a workgroup: 16 or 32
// Whether what is next is asked for while what is there is multiplied: more registers.
layout(constant_id = 6) const bool kAhead = false;

const uint kThreads = 128;  // the workgroup's size
const uint kKeys = 64;
const uint kTokens = kLines / kGroup;
const uint kPiece = 32;  // dimensions that shared memory has at a time
const uint kStride = kPiece / 4 + 1;
const uint kItems = kThreads / (kPiece / 4);  // lines or keys that the threads bring at a time
const uint kQuads = kLines / kItems;          // quads of queries that a thread brings
const uint kKeyQuads = kKeys / kItems;
const uint kParts = kThreads / kLines;  // threads of a line, for its softmax
const uint kScoreLines = kLines / 8;    // lines of a thread, for scores
const uint kOwnLines = kLines / 4;      // and for values
const uint kOwnDims = kDims / (kThreads / 4);
// Keys whose values are loaded at once.
const uint kTogether = (kHalf ? 128 : 64) / kLines;
#define kNothing uintBitsToFloat(0xff800000u)  // minus infinity

layout(buffer_reference, std430, buffer_reference_align = 4) readonly buffer Words { uint word[]; };
layout(buffer_reference, std430, buffer_reference_align = 16) readonly buffer Quads {
  uvec4 quad[];
};

layout(binding = 0) readonly buffer Q { vec4 q[]; };
layout(binding = 1) readonly buffer Rows { Row rows[]; };
layout(binding = 2) readonly buffer Caches { uvec4 caches[]; };
layout(binding = 3) writeonly buffer Context { float context[]; };

layout(push_constant) uniform Push {
  uint heads;
  uint kv_heads;
  uint dims;
  uint window;  // 0 for all
  uint first_row;
  uint cache;
  uint cache_count;
  float scale;
  uint count;  // of rows
  uint counter;
};

// Sums of each split, [tiles, splits, lines, dims], then of each of their lines the largest score
// and the sum of weights.
layout(binding = 4) coherent buffer Parts { float parts[]; };

shared vec4 q_tile[kLines * kStride];
shared vec4 k_tile[kKeys * kStride];
shared vec4 score_tile[kKeys * (kLines / 4 + 1)];  // [keys, lines]
shared float part_of[kParts * kLines];
shared float most[kLines];
shared float total[kLines];
shared float shrink[kLines];
shared uvec3 line[kLines];  // its sequence, and the positions that it looks at: [y, z)

const uint kScoreStride = kLines + 4;
float Score(uint key, uint at) { return score_tile[(key * kScoreStride + at) / 4][at & 3u]; }
void SetScore(uint key, uint at, float value) {
  score_tile[(key * kScoreStride + at) / 4][at & 3u] = value;
}

vec4 FourKeys(uvec2 base, uint at) {
  if (kHalf) {
    const uvec4 packed = Quads(base).quad[at / 2];
    const uvec2 half_ = (at & 1u) == 0 ? packed.xy : packed.zw;
    return vec4(unpackHalf2x16(half_.x), unpackHalf2x16(half_.y));
  }
  return uintBitsToFloat(Quads(base).quad[at]);
}

// This thread's dimensions of a position's value.
void OwnValues(uvec2 base, uint at, out float v[kOwnDims]) {
  const uint words = kHalf ? kOwnDims / 2 : kOwnDims;
  uint packed[kOwnDims];
  if (words % 4 == 0) {
    [[unroll]] for (uint i = 0; i < words / 4; ++i) {
      const uvec4 quad = Quads(base).quad[at / 4 + i];
      [[unroll]] for (uint j = 0; j < 4; ++j) packed[4 * i + j] = quad[j];
    }
  } else {
    [[unroll]] for (uint i = 0; i < words; ++i) packed[i] = Words(base).word[at + i];
  }
  [[unroll]] for (uint i = 0; i < kOwnDims; ++i) {
    if (kHalf) {
      const vec2 pair = unpackHalf2x16(packed[i / 2]);
      v[i] = (i & 1u) == 0 ? pair.x : pair.y;
    } else {
      v[i] = uintBitsToFloat(packed[i]);
    }
  }
}

// Queries and keys of kPiece dimensions from `piece` on, to registers.
#define FETCH(piece)                                                            \
  {                                                                             \
    [[unroll]] for (uint n = 0; n < kQuads; ++n) {                              \
      const uint l = item_at + n * kItems;                                      \
      const uint token = first_token + min(l / kGroup, tokens - 1);             \
      const uint head = kv_head * kGroup + l % kGroup;                          \
      q_next[n] = q[((token * heads + head) * kDims + (piece)) / 4 + quad_at];  \
    }                                                                           \
    [[unroll]] for (uint n = 0; n < kKeyQuads; ++n) {                           \
      const uint slot = min(base + item_at + n * kItems, end - 1) % capacity;   \
      const uint at = (slot * pitch + kv_head * kDims + (piece)) / 4 + quad_at; \
      k_next[n] = FourKeys(bases.xy, at);                                       \
    }                                                                           \
  }

void main() {
  const uint thread = gl_LocalInvocationID.x;
  // The last rows, which have most to look at, first.
  const uint first_token = (gl_NumWorkGroups.x - 1 - gl_WorkGroupID.x) * kTokens;
  const uint tokens = min(kTokens, count - first_token);
  const uint kv_head = gl_WorkGroupID.y;
  const uint bytes = kHalf ? 2 : 4;
  if (thread < kLines) {
    const Row row = rows[first_row + first_token + min(thread / kGroup, tokens - 1)];
    const uint last = row.position;
    line[thread] =
        uvec3(row.sequence, window > 0 && last + 1 > window ? last + 1 - window : 0, last + 1);
    // Lines that there are not look at nothing.
    if (thread / kGroup >= tokens) line[thread].z = 0;
    most[thread] = kNothing;
    total[thread] = 0.0;
  }
  barrier();

  // As many workgroups as there are tiles of keys.
  uint splits = 1;
  if (kSplits > 1) {
    uint begin = 0xffffffffu, end = 0;
    for (uint l = 0; l < tokens * kGroup; ++l) {
      begin = min(begin, line[l].y);
      end = max(end, line[l].z);
    }
    splits = clamp((end - begin + kKeys - 1) / kKeys, 1, kSplits);
    if (gl_WorkGroupID.z >= splits) return;
  }

  const uint own_line = thread / (kThreads / 4) * kOwnLines;
  const uint own_dim = thread % (kThreads / 4) * kOwnDims;
  float sums[kOwnLines][kOwnDims];
  [[unroll]] for (uint l = 0; l < kOwnLines; ++l) {
    [[unroll]] for (uint d = 0; d < kOwnDims; ++d) sums[l][d] = 0.0;
  }
  const uint pitch = kv_heads * kDims;  // values of a position

  // Rows of one sequence are together; nearly always all of them are.
  for (uint run = 0; run < tokens;) {
    const uint sequence = line[run * kGroup].x;
    uint begin = line[run * kGroup].y, end = line[run * kGroup].z;
    uint next = run + 1;
    for (; next < tokens && line[next * kGroup].x == sequence; ++next) {
      begin = min(begin, line[next * kGroup].y);
      end = max(end, line[next * kGroup].z);
    }
    if (splits > 1) {
      const uint tiles = (end - begin + kKeys - 1) / kKeys;
      const uint own = (tiles + splits - 1) / splits * kKeys;
      begin = min(begin + gl_WorkGroupID.z * own, end);
      end = min(begin + own, end);
    }
    const uint entry = 2 * (sequence * cache_count + cache);
    const uvec4 bases = caches[entry];
    const uint capacity = caches[entry + 1].x;

    for (uint base = begin; base < end; base += kKeys) {
      // Scores: a thread makes those of some lines with four keys.
      const uint key_at = thread % (kKeys / 4), line_at = thread / (kKeys / 4);
      float dots[kScoreLines][4];
      [[unroll]] for (uint l = 0; l < kScoreLines; ++l) {
        [[unroll]] for (uint k = 0; k < 4; ++k) dots[l][k] = 0.0;
      }
      vec4 q_next[kQuads], k_next[kKeyQuads];
      const uint quad_at = thread % (kPiece / 4), item_at = thread / (kPiece / 4);
      for (uint piece = 0; piece < kDims; piece += kPiece) {
        if (!kAhead || piece == 0) FETCH(piece)
        barrier();
        [[unroll]] for (uint n = 0; n < kQuads; ++n) {
          q_tile[(item_at + n * kItems) * kStride + quad_at] = q_next[n];
        }
        [[unroll]] for (uint n = 0; n < kKeyQuads; ++n) {
          k_tile[(item_at + n * kItems) * kStride + quad_at] = k_next[n];
        }
        barrier();
        if (kAhead && piece + kPiece < kDims) FETCH(piece + kPiece)
        for (uint d = 0; d < kPiece / 4; ++d) {
          vec4 a[kScoreLines], b[4];
          [[unroll]] for (uint i = 0; i < kScoreLines; ++i) {
            a[i] = q_tile[(line_at + i * 8) * kStride + d];
          }
          [[unroll]] for (uint i = 0; i < 4; ++i) {
            b[i] = k_tile[(key_at + i * (kKeys / 4)) * kStride + d];
          }
          [[unroll]] for (uint l = 0; l < kScoreLines; ++l) {
            [[unroll]] for (uint k = 0; k < 4; ++k) dots[l][k] += dot(a[l], b[k]);
          }
        }
      }
      [[unroll]] for (uint l = 0; l < kScoreLines; ++l) {
        const uint at = line_at + l * 8;
        const bool of_run = at / kGroup >= run && at / kGroup < next;
        [[unroll]] for (uint k = 0; k < 4; ++k) {
          const uint key = key_at + k * (kKeys / 4);
          const uint position = base + key;
          const bool seen = of_run && position >= line[at].y && position < line[at].z;
          SetScore(key, at, seen ? dots[l][k] * scale : kNothing);
        }
      }
      barrier();

      // Softmax: the threads of a line share its keys.
      const uint at = thread % kLines, part = thread / kLines;
      float highest = kNothing;
      for (uint k = part; k < kKeys; k += kParts) highest = max(highest, Score(k, at));
      part_of[part * kLines + at] = highest;
      barrier();
      highest = most[at];
      [[unroll]] for (uint p = 0; p < kParts; ++p) {
        highest = max(highest, part_of[p * kLines + at]);
      }
      const bool empty = highest == kNothing;
      const float before = most[at];
      float sum = 0.0;
      for (uint k = part; k < kKeys; k += kParts) {
        const float weight = empty ? 0.0 : exp(Score(k, at) - highest);
        SetScore(k, at, weight);
        sum += weight;
      }
      barrier();
      part_of[part * kLines + at] = sum;
      barrier();
      if (part == 0) {
        const float factor = empty ? 1.0 : exp(before - highest);
        float all = total[at] * factor;
        [[unroll]] for (uint p = 0; p < kParts; ++p) all += part_of[p * kLines + at];
        total[at] = all;
        most[at] = highest;
        shrink[at] = factor;
      }
      barrier();

      [[unroll]] for (uint l = 0; l < kOwnLines; ++l) {
        const float factor = shrink[own_line + l];
        [[unroll]] for (uint d = 0; d < kOwnDims; ++d) sums[l][d] *= factor;
      }
      const uint keys = min(kKeys, end - base);
      // Several at a time, so that loads are under way; those beyond the end weigh nothing.
      for (uint first = 0; first < keys; first += kTogether) {
        float v[kTogether][kOwnDims];
        [[unroll]] for (uint k = 0; k < kTogether; ++k) {
          const uint slot = min(base + first + k, end - 1) % capacity;
          OwnValues(bases.zw, (slot * pitch + kv_head * kDims + own_dim) / (4 / bytes), v[k]);
        }
        [[unroll]] for (uint k = 0; k < kTogether; ++k) {
          [[unroll]] for (uint l = 0; l < kOwnLines / 4; ++l) {
            const vec4 weights = score_tile[((first + k) * kScoreStride + own_line) / 4 + l];
            [[unroll]] for (uint i = 0; i < 4; ++i) {
              [[unroll]] for (uint d = 0; d < kOwnDims; ++d) {
                sums[4 * l + i][d] += weights[i] * v[k][d];
              }
            }
          }
        }
      }
    }
    run = next;
  }

  if (splits > 1) {
    const uint tile = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    const uint statistics = gl_NumWorkGroups.x * gl_NumWorkGroups.y * kSplits * kLines * kDims;
    const uint part = tile * kSplits + gl_WorkGroupID.z;
    [[unroll]] for (uint l = 0; l < kOwnLines; ++l) {
      [[unroll]] for (uint d = 0; d < kOwnDims; ++d) {
        parts[(part * kLines + own_line + l) * kDims + own_dim + d] = sums[l][d];
      }
    }
    if (thread < kLines) {
      const uint to = statistics + 2 * (part * kLines + thread);
      parts[to] = most[thread];
      parts[to + 1] = total[thread];
    }
    if (!LastOf(splits, counter + tile)) return;
    [[unroll]] for (uint l = 0; l < kOwnLines; ++l) {
      const uint at = own_line + l;
      float highest = kNothing;
      for (uint s = 0; s < splits; ++s) {
        highest = max(highest, parts[statistics + 2 * ((tile * kSplits + s) * kLines + at)]);
      }
      float all = 0.0;
      [[unroll]] for (uint d = 0; d < kOwnDims; ++d) sums[l][d] = 0.0;
      for (uint s = 0; s < splits; ++s) {
        const uint from = (tile * kSplits + s) * kLines + at;
        const float size = parts[statistics + 2 * from];
        const float weight = size == kNothing ? 0.0 : exp(size - highest);
        all += weight * parts[statistics + 2 * from + 1];
        [[unroll]] for (uint d = 0; d < kOwnDims; ++d) {
          sums[l][d] += weight * parts[from * kDims + own_dim + d];
        }
      }
      barrier();
      total[at] = all;  // the same from all threads of the line
    }
    barrier();
  }

  [[unroll]] for (uint l = 0; l < kOwnLines; ++l) {
    const uint at = own_line + l;
    if (at / kGroup >= tokens) continue;
    const uint head = kv_head * kGroup + at % kGroup;
    const uint to = ((first_token + at / kGroup) * heads + head) * kDims + own_dim;
    const float norm = 1.0 / total[at];
    [[unroll]] for (uint d = 0; d < kOwnDims; ++d) context[to + d] = sums[l][d] * norm;
  }
}
