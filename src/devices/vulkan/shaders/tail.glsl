// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What comes between two products, of one row by one workgroup: of the only row by the last
// workgroup of the product before (TAIL), or by every workgroup of the product after, for itself
// (HEAD); or of one of many rows by a workgroup for it (ROWS). A vector v of `width` floats, four
// consecutive ones (a quad) a thread at a time, goes through these steps, each of which may be left
// out by its constant:
//
//   v = y                                                          y: what the products have made
//   v = RMS_post(v)                                                kPost
//   v = (v + a + b) * mix, stored as h                             kA, kB, kStoreH
//   streams[s] += v for all s but 0                                 kAddStreams
//   Of rows: streams[0] = v, and the others brought to its magnitude, of which the mean square is at
//   least mix                                                      kMatch
//   AltUp (program/op.h):                                          kAltUp
//     1 correct: e = v - pred[active], streams[s] = pred[s] + c[s] e, v = streams[active]
//     2 predict: pred[s] = streams[s] + sum_k c[s][k] streams[k], from v = streams[active];
//       v = pred[active]
//     3 the same by c that were made before (kAhead)
//     4 collapse: v = the mean of the streams
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
layout(constant_id = 21) const uint kWidth4 = 1;  // quads of v
layout(constant_id = 22) const bool kScaleNext = true;
layout(constant_id = 27) const uint kParts = 1;  // that y is the sum of, one after another
layout(constant_id = 34) const bool kMatch = false;
// Of rows, instead of the steps above: n = gelu(max(0, v - (mean + mix * deviation) of v)) * other,
// stored as n or in 8 bits.
layout(constant_id = 9) const bool kCut = false;

// Sums over the workgroup of a reduction's values: a reduction has places of its own in shared
// memory, so that one barrier is enough.
const uint kSums = kStreams + 1;
shared float post_sums[kMaxSubgroups];
shared float next_sums[kMaxSubgroups];
shared float route_sums[kMaxSubgroups * kSums];
shared float match_sums[kMatch ? kMaxSubgroups * kStreams : 1];
float MeanOf(float sum) { return sum * (0.25 / float(kWidth4)); }  // over v

#define SUM(place, value, result) \
  {                               \
    float one[1] = {value};       \
    SUMS(place, one, 1)           \
    result = one[0];              \
  }

// Quads beyond the vector are zero and stay so.
const uint kEach = (kWidth4 + gl_WorkGroupSize.x - 1) / gl_WorkGroupSize.x;  // of a thread
bool Has(uint quad) { return kWidth4 % gl_WorkGroupSize.x == 0 || quad < kWidth4; }
uint QuadOf(uint j) { return Thread() + j * gl_WorkGroupSize.x; }

// Where the row begins in vectors of rows, and how far planes of a value lie apart, in quads.
#ifdef ROWS
#define ROW (WorkgroupNumber() * kWidth4)
#define PLANE push.rows
#else
#define ROW 0u
#define PLANE kWidth4
#endif

// A head leaves its results with its workgroup: what others read later its first one stores.
#ifdef HEAD
layout(constant_id = 28) const bool kStores = true;
layout(constant_id = 29) const bool kStoreStreams = true;
#define STORES (kStores && WorkgroupNumber() == 0)
#else
const bool kStoreStreams = true;
#define STORES true
#endif
#ifdef ROWS
const bool kMatches = kMatch;
#else
const bool kMatches = false;
#endif

// What the products of this dispatch have made, or what was there before it.
#ifdef TAIL
#define PRODUCT(at) handed[at]
#else
#define PRODUCT(at) Quad(at)
#endif

#ifdef ROWS
// The gates of a sparse layer, cut below mean + mix * deviation: gelu of that, times `other`. The
// last pass takes its values from the cache again, and is a loop: short code is worth more than
// registers (see fused_attention.comp).
void CutBelow() {
  // What is met at the end is asked for a turn ahead.
  vec4 other = vec4(0.0);
  if (Has(Thread())) other = Quad(push.other + ROW + Thread());
  vec4 v[kEach];
  float sum = 0.0;
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    v[j] = Has(QuadOf(j)) ? PRODUCT(push.y4 + ROW + QuadOf(j)) : vec4(0.0);
    sum += dot(v[j], vec4(1.0));
  }
  float mean, squares = 0.0;
  SUM(post_sums, sum, mean)
  mean = MeanOf(mean);
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    const vec4 off = Has(QuadOf(j)) ? v[j] - mean : vec4(0.0);
    squares += dot(off, off);
  }
  float deviation;
  SUM(next_sums, squares, deviation)
  const float threshold = mean + push.mix_ * sqrt(MeanOf(deviation));
  [[dont_unroll]] for (uint quad = Thread(); quad < kWidth4; quad += gl_WorkGroupSize.x) {
    const vec4 above = PRODUCT(push.y4 + ROW + quad) - threshold;
    const vec4 n = other * Gelu(mix(above, vec4(0.0), lessThanEqual(above, vec4(0.0))));
    const uint next = quad + gl_WorkGroupSize.x;
    if (next < kWidth4) other = Quad(push.other + ROW + next);
    if (kStoreN) after[push.n4 + ROW + quad] = n;
    if (kQuantize) PutQuantized(n, quad, push.codes + ROW, push.groups + ROW / 4);
  }
}
#endif

// Vectors of a tail are read once a token, so they come from memory, and one workgroup waits for
// them: all workgroups of the product ask for them beforehand, a line each, while they multiply. (A
// tail whose vectors are not in a cache takes 0.6 us more on an H200; what this saves of it has not
// been measured by itself.)
uint Touch(uint workgroup) {
  const uint lines = (kWidth4 + 7) / 8;
  const uint index = workgroup * gl_WorkGroupSize.x + Thread();
  const uint vector = index / lines, line = 8 * (index % lines);
  uint at = 0xffffffffu;
  if (vector == 0 && kPost) at = push.post;
  if (vector == 1 && kNext != 0 && kScaleNext) at = push.next;
  if (vector == 2 && kAltUp != 0) at = push.router_norm;
  if (vector >= 3 && vector < 3 + kStreams && kAltUp != 0) {
    at = push.router + (vector - 3) * kWidth4;
  }
  return at == 0xffffffffu ? 0u : floatBitsToUint(vectors[at + line].x);
}

shared vec4 mixing[kStreams];  // a stream's, of up to four

float CoefficientAt(uint first, uint at) { return vectors[first + (at >> 2)][at & 3u]; }

// The router's reading of v, and from it a mix of the streams for each of the first threads, by its
// coefficients. Every thread must come here.
float MixOf(vec4 v[kEach], vec4 norm[kEach], vec4 router[kStreams][kEach],
            float coefficients[kStreams], uint mixes) {
  float sums[kSums];
  [[unroll]] for (uint i = 0; i < kSums; ++i) sums[i] = 0.0;
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    sums[kStreams] += dot(v[j], v[j]);
    [[unroll]] for (uint s = 0; s < kStreams; ++s) sums[s] += dot(v[j] * norm[j], router[s][j]);
  }
  ADD_ACROSS(sums, kSums, kSubgroup)
  if (subgroupElect()) {
    [[unroll]] for (uint i = 0; i < kSums; ++i) route_sums[gl_SubgroupID * kSums + i] = sums[i];
  }
  barrier();
  float mixed = 0.0;
  // The mixes fit in the first subgroups.
  if (gl_SubgroupID * kSubgroup < mixes) {
    [[unroll]] for (uint i = 0; i < kSums; ++i) {
      sums[i] = 0.0;
      ADD_OWN(route_sums, i, kSums, sums[i])
    }
    ADD_ACROSS(sums, kSums, kFew)
    const float factor = push.router_scale * inversesqrt(MeanOf(sums[kStreams]) + push.eps);
    [[unroll]] for (uint s = 0; s < kStreams; ++s) mixed += coefficients[s] * Tanh(sums[s] * factor);
  }
  return mixed;
}

// Brings streams to the magnitude of the first. A prediction's are stored.
void Match(inout vec4 streams[kStreams][kEach], uint to) {
  float sums[kStreams];
  [[unroll]] for (uint s = 0; s < kStreams; ++s) {
    sums[s] = 0.0;
    [[unroll]] for (uint j = 0; j < kEach; ++j) sums[s] += dot(streams[s][j], streams[s][j]);
  }
  SUMS(match_sums, sums, kStreams)
  [[unroll]] for (uint s = 0; s < kStreams; ++s) {
    const float factor =
        s == 0 ? 1.0 : sqrt(MeanOf(sums[0]) / max(MeanOf(sums[s]), push.mix_));
    [[unroll]] for (uint j = 0; j < kEach; ++j) {
      streams[s][j] *= factor;
      if (kAltUp == 2 && Has(QuadOf(j))) after[to + s * PLANE + ROW + QuadOf(j)] = streams[s][j];
    }
  }
}

#ifdef HEAD
// One more workgroup than the product has rows for makes the mixes of the next prediction, whose
// reading is of the stream that the correction here has made: they are not waited for there. Their
// vectors and place are numbers of the product that one with a head does not need.
layout(constant_id = 31) const bool kAhead = false;
#define AHEAD_NORM push.x
#define AHEAD_ROUTER push.x_groups
#define AHEAD_COEFFICIENTS push.pair
#define AHEAD_MIXES push.counter
#define IS_AHEAD (kAhead && WorkgroupNumber() == push.arrivals)
#endif

void Tail() {
#ifdef ROWS
  if (kCut) {
    CutBelow();
    return;
  }
#endif
  vec4 v[kEach];
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    v[j] = vec4(0.0);
    [[dont_unroll]] for (uint p = 0; p < kParts; ++p) {
      if (Has(QuadOf(j))) v[j] += PRODUCT(push.y4 + p * kWidth4 + ROW + QuadOf(j));
    }
  }
  // All that is read, before anything waits.
  const bool kReadsStreams = kAddStreams || kAltUp != 0;
  const bool kRoutes = kAltUp == 1 || kAltUp == 2;
  vec4 a[kEach], b[kEach], post[kEach], next_weight[kEach], router_norm[kEach];
  vec4 streams[kStreams][kEach], router[kStreams][kEach];
  const uint streams_from = kAltUp == 1 ? push.predictions4 : push.streams4;
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    const bool has = Has(QuadOf(j));
    a[j] = kA && has ? Quad(push.a4 + ROW + QuadOf(j)) : vec4(0.0);
    b[j] = kB && has ? Quad(push.b4 + ROW + QuadOf(j)) : vec4(0.0);
    post[j] = kPost && has ? vectors[push.post + QuadOf(j)] : vec4(0.0);
    next_weight[j] = kNext != 0 && kScaleNext && has ? vectors[push.next + QuadOf(j)] : vec4(1.0);
    router_norm[j] = kRoutes && has ? vectors[push.router_norm + QuadOf(j)] : vec4(0.0);
    [[unroll]] for (uint s = 0; s < kStreams; ++s) {
      const uint at = s * PLANE + ROW + QuadOf(j);
      // A correction needs the active one, and those that it leaves.
      const bool wanted = kAltUp == 1 ? s == kActive || STORES : kReadsStreams;
      const bool is_v = kMatches && s == 0;
      streams[s][j] = wanted && !is_v && has ? Quad(streams_from + at) : vec4(0.0);
      router[s][j] =
          kRoutes && has ? vectors[push.router + s * kWidth4 + QuadOf(j)] : vec4(0.0);
    }
  }
  // Thread i mixes by row i of the coefficients.
  const uint kMixed = kAltUp == 1 ? 1 : kStreams;  // of a stream
  const uint mixes = kStreams * kMixed;
  float coefficients[kStreams];
  [[unroll]] for (uint s = 0; s < kStreams; ++s) {
    coefficients[s] = kRoutes && Thread() < mixes
                          ? CoefficientAt(push.coefficients, Thread() * kStreams + s)
                          : 0.0;
  }
  float made_mix = 0.0;
  if (kAltUp == 3 && Thread() < mixes) made_mix = Float(push.router_norm + Thread());

  if (kPost) {
    float squares = 0.0, sum;
    [[unroll]] for (uint j = 0; j < kEach; ++j) squares += dot(v[j], v[j]);
    SUM(post_sums, squares, sum)
    const float factor = inversesqrt(MeanOf(sum) + push.eps);
    [[unroll]] for (uint j = 0; j < kEach; ++j) v[j] *= factor * post[j];
  }
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    if (kA) v[j] += a[j];
    if (kB) v[j] += b[j];
    if (kA || kB) v[j] *= push.mix_;
    if (kStoreH && STORES && Has(QuadOf(j))) after[push.h4 + ROW + QuadOf(j)] = v[j];
  }
  if (kAddStreams) {
    [[unroll]] for (uint s = 1; s < kStreams; ++s) {
      [[unroll]] for (uint j = 0; j < kEach; ++j) {
        streams[s][j] += v[j];
        if (kStoreStreams && STORES && Has(QuadOf(j))) {
          after[streams_from + s * PLANE + ROW + QuadOf(j)] = streams[s][j];
        }
      }
    }
    if (kAltUp == 0) return;
  }
  if (kMatches) {
    [[unroll]] for (uint j = 0; j < kEach; ++j) streams[0][j] = v[j];
    Match(streams, streams_from);
  }
#ifdef HEAD
  vec4 ahead_norm[kEach], ahead[kStreams][kEach];
  float ahead_coefficients[kStreams];
#endif
  if (kAltUp == 4) {
    [[unroll]] for (uint j = 0; j < kEach; ++j) {
      v[j] = streams[0][j];
      [[unroll]] for (uint s = 1; s < kStreams; ++s) v[j] += streams[s][j];
      v[j] /= float(kStreams);
    }
  } else if (kAltUp != 0) {
    if (kAltUp != 1) {
      [[unroll]] for (uint j = 0; j < kEach; ++j) v[j] = streams[kActive][j];
    }
    const float mix_ = kRoutes ? MixOf(v, router_norm, router, coefficients, mixes) : made_mix;
    if (Thread() < mixes) {
      mixing[Thread() / kMixed][Thread() % kMixed] = kAltUp == 1 ? 1.0 + mix_ : mix_;
    }
#ifdef HEAD
    if (IS_AHEAD) {
      [[unroll]] for (uint j = 0; j < kEach; ++j) {
        const bool has = Has(QuadOf(j));
        ahead_norm[j] = has ? vectors[AHEAD_NORM + QuadOf(j)] : vec4(0.0);
        [[unroll]] for (uint s = 0; s < kStreams; ++s) {
          ahead[s][j] = has ? vectors[AHEAD_ROUTER + s * kWidth4 + QuadOf(j)] : vec4(0.0);
        }
      }
      [[unroll]] for (uint s = 0; s < kStreams; ++s) {
        const uint at = Thread() * kStreams + s;
        ahead_coefficients[s] =
            at < kStreams * kStreams * kStreams ? CoefficientAt(AHEAD_COEFFICIENTS, at) : 0.0;
      }
    }
#endif
    barrier();
    [[unroll]] for (uint j = 0; j < kEach; ++j) {
      vec4 made = vec4(0.0);
      const vec4 error = v[j] - streams[kActive][j];
      [[unroll]] for (uint s = 0; s < kStreams; ++s) {
        vec4 sum = streams[s][j];
        if (kAltUp == 1) {
          sum += mixing[s].x * error;
        } else {
          [[unroll]] for (uint k = 0; k < kStreams; ++k) {
            sum += mixing[s][k] * streams[k][j];
          }
        }
        const uint to = kAltUp == 1 ? push.streams4 : push.predictions4;
        if (STORES && Has(QuadOf(j))) after[to + s * PLANE + ROW + QuadOf(j)] = sum;
        if (s == kActive) made = sum;
      }
      v[j] = made;
    }
  }
#ifdef HEAD
  if (IS_AHEAD) {
    const uint count = kStreams * kStreams;
    const float mix_ = MixOf(v, ahead_norm, ahead, ahead_coefficients, count);
    if (Thread() < count) PutFloat(AHEAD_MIXES + Thread(), mix_);
    return;
  }
#endif
  if (kNext == 0) return;
  float factor = 1.0;
  if (kNext == 1) {
    float squares = 0.0, sum;
    [[unroll]] for (uint j = 0; j < kEach; ++j) squares += dot(v[j], v[j]);
    SUM(next_sums, squares, sum)
    factor = inversesqrt(MeanOf(sum) + push.eps);
  }
  [[unroll]] for (uint j = 0; j < kEach; ++j) {
    if (!Has(QuadOf(j))) continue;
    const vec4 n = v[j] * factor * next_weight[j];
    if (kStoreN && STORES) after[push.n4 + ROW + QuadOf(j)] = n;
#ifdef HEAD
    Keep(n, QuadOf(j));
#endif
    if (kQuantize && STORES) PutQuantized(n, QuadOf(j), push.codes + ROW, push.groups + ROW / 4);
  }
}
