// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What comes between two products of one token, by one workgroup. A vector v of `width` floats, four
// consecutive ones (a quad) a thread at a time, goes through these steps, each of which may be left
// out by its constant:
//
//   v = y                                                          y: what the products have made
//   v = RMS_post(v)                                                kPost
//   v = (v + a + b) * mix, stored as h                             kA, kB, kStoreH
//   streams[s] += v for all s but 0                                 kAddStreams
//   AltUp (program/op.h):                                          kAltUp
//     1 correct: e = v - pred[active], streams[s] = pred[s] + c[s] e, v = streams[active]
//     2 predict: pred[s] = streams[s] + sum_k c[s][k] streams[k], from v = streams[active];
//       v = pred[active]
//   v = RMS_next(v), or v * next (kScaleNext), stored as n, and in 8 bits
//                                                                  kNext 1, 2; kStoreN, kQuantize
layout(constant_id = 10) const bool kPost = false;
layout(constant_id = 11) const bool kA = false;
layout(constant_id = 12) const bool kB = false;
layout(constant_id = 13) const bool kStoreH = false;
layout(constant_id = 14) const bool kAddStreams = false;
layout(constant_id = 15) const uint kAltUp = 0;
layout(constant_id = 16) const uint kNext = 0;
layout(constant_id = 17) const bool kStoreN = false;
layout(constant_id = 18) const bool kQuantize = false;
layout(constant_id = 19) const uint kStreams = 1;
layout(constant_id = 20) const uint kActive = 0;
layout(constant_id = 21) const uint kEach = 1;  // quads of a thread
layout(constant_id = 22) const bool kScaleNext = true;
// 1: the steps above; 2: instead v = max(0, v - (mean + mix * deviation)) of v, stored as h
layout(constant_id = 9) const uint kTail = 0;

const uint kSums = kStreams + 1;
shared float tail_sums[kMaxSubgroups * kSums];

// Sums of `count` values each of all threads, for all threads.
void WorkgroupSums(inout float values[kSums]) {
  barrier();
  [[unroll]] for (uint i = 0; i < kSums; ++i) {
    const float sum = subgroupAdd(values[i]);
    if (subgroupElect()) tail_sums[gl_SubgroupID * kSums + i] = sum;
  }
  barrier();
  [[unroll]] for (uint i = 0; i < kSums; ++i) {
    float sum = 0.0;
    for (uint s = 0; s < gl_NumSubgroups; ++s) sum += tail_sums[s * kSums + i];
    values[i] = sum;
  }
}

float SquaresOf(vec4 v[kEach]) {
  float squares = 0.0;
  [[unroll]] for (uint j = 0; j < kEach; ++j) squares += dot(v[j], v[j]);
  return WorkgroupSum(squares);
}

// Quads beyond the vector are zero and stay so.
bool Has(uint quad) { return quad < push.width4; }

void CutBelow(vec4 v[kEach]) {
  const float width = 4.0 * float(push.width4);
  float sum = 0.0;
  [[unroll]] for (uint j = 0; j < kEach; ++j) sum += dot(v[j], vec4(1.0));
  const float mean = WorkgroupSum(sum) / width;
  float squares = 0.0;
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    if (Has(Thread() + j * gl_WorkGroupSize.x)) squares += dot(v[j] - mean, v[j] - mean);
  }
  const float threshold = mean + push.mix_ * sqrt(WorkgroupSum(squares) / width);
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    const uint quad = Thread() + j * gl_WorkGroupSize.x;
    if (!Has(quad)) continue;
    const vec4 above = v[j] - threshold;
    work[push.h4 + quad] = mix(above, vec4(0.0), lessThanEqual(above, vec4(0.0)));
  }
}

// Mixes of the streams, from the router's reading of v.
shared float routed[kStreams];
shared float mixing[kStreams * kStreams];
void Route(vec4 v[kEach]) {
  float sums[kSums];
  [[unroll]] for (uint i = 0; i < kSums; ++i) sums[i] = 0.0;
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    const uint quad = Thread() + j * gl_WorkGroupSize.x;
    if (!Has(quad)) continue;
    sums[kStreams] += dot(v[j], v[j]);
    const vec4 weighted = v[j] * vectors[push.router_norm + quad];
    [[unroll]] for (uint s = 0; s < kStreams; ++s) {
      sums[s] += dot(weighted, vectors[push.router + s * push.width4 + quad]);
    }
  }
  WorkgroupSums(sums);
  const float factor =
      push.router_scale / sqrt(sums[kStreams] / (4.0 * float(push.width4)) + push.eps);
  // One thread each: arrays are not to be indexed by a number that differs among threads.
  [[unroll]] for (uint s = 0; s < kStreams; ++s) {
    if (Thread() == s) routed[s] = SafeTanh(sums[s] * factor);
  }
  barrier();
  const uint count = kAltUp == 1 ? kStreams : kStreams * kStreams;
  for (uint i = Thread(); i < count; i += gl_WorkGroupSize.x) {
    float c = kAltUp == 1 ? 1.0 : 0.0;
    [[unroll]] for (uint k = 0; k < kStreams; ++k) {
      const uint at = i * kStreams + k;
      c += vectors[push.coefficients + (at >> 2)][at & 3u] * routed[k];
    }
    mixing[i] = c;
  }
  barrier();
}

void Tail() {
  vec4 v[kEach];
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    const uint quad = Thread() + j * gl_WorkGroupSize.x;
    v[j] = Has(quad) ? work[push.y4 + quad] : vec4(0.0);
  }
  if (kTail == 2) {
    CutBelow(v);
    return;
  }
  if (kPost) {
    const float factor = 1.0 / sqrt(SquaresOf(v) / (4.0 * float(push.width4)) + push.eps);
    [[unroll]] for (uint j = 0; j < kEach; ++j) {
      const uint quad = Thread() + j * gl_WorkGroupSize.x;
      if (Has(quad)) v[j] *= factor * vectors[push.post + quad];
    }
  }
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    const uint quad = Thread() + j * gl_WorkGroupSize.x;
    if (!Has(quad)) continue;
    if (kA) v[j] += work[push.a4 + quad];
    if (kB) v[j] += work[push.b4 + quad];
    if (kA || kB) v[j] *= push.mix_;
    if (kStoreH) work[push.h4 + quad] = v[j];
  }
  if (kAddStreams || kAltUp != 0) {
    vec4 streams[kStreams][kEach];
    const uint from = kAltUp == 1 ? push.predictions4 : push.streams4;
    [[unroll]] for (uint s = 0; s < kStreams; ++s) {
      [[unroll]] for (uint j = 0; j < kEach; ++j) {
        const uint quad = Thread() + j * gl_WorkGroupSize.x;
        const uint at = from + s * push.width4 + quad;
        streams[s][j] = Has(quad) ? work[at] : vec4(0.0);
        if (kAddStreams && s > 0 && Has(quad)) {
          streams[s][j] += v[j];
          work[at] = streams[s][j];
        }
      }
    }
    if (kAltUp == 0) return;
    if (kAltUp == 2) {
      [[unroll]] for (uint j = 0; j < kEach; ++j) v[j] = streams[kActive][j];
    }
    Route(v);
    [[unroll]] for (uint j = 0; j < kEach; ++j) {
      const uint quad = Thread() + j * gl_WorkGroupSize.x;
      if (!Has(quad)) continue;
      vec4 next = vec4(0.0);
      const vec4 error = v[j] - streams[kActive][j];
      [[unroll]] for (uint s = 0; s < kStreams; ++s) {
        vec4 sum = streams[s][j];
        if (kAltUp == 1) {
          sum += mixing[s] * error;
          work[push.streams4 + s * push.width4 + quad] = sum;
        } else {
          [[unroll]] for (uint k = 0; k < kStreams; ++k) {
            sum += mixing[s * kStreams + k] * streams[k][j];
          }
          work[push.predictions4 + s * push.width4 + quad] = sum;
        }
        if (s == kActive) next = sum;
      }
      v[j] = next;
    }
  }
  if (kNext == 0) return;
  float factor = 1.0;
  if (kNext == 1) factor = 1.0 / sqrt(SquaresOf(v) / (4.0 * float(push.width4)) + push.eps);
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    const uint quad = Thread() + j * gl_WorkGroupSize.x;
    if (!Has(quad)) continue;
    vec4 n = v[j] * factor;
    if (kScaleNext) n *= vectors[push.next + quad];
    if (kStoreN) work[push.n4 + quad] = n;
    if (kQuantize) PutQuantized(n, quad, push.codes, push.groups);
  }
}
