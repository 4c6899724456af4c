// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Loops over float rows. Compiled once per instruction set, with TANDEM_ISA naming the namespace;
// uses nothing of the standard library that the linker could merge across levels.
#include "devices/cpu/isa_tables.h"
#include "devices/cpu/lanes.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

// y[i] = f(x[i] ...): by registers, the last of which may be partly filled with zeros.
template <typename Function, typename... Sources>
TANDEM_LANES void ForLanes(int64_t n, float* y, Function f, Sources... x) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) StoreFloats(f(LoadFloats(x + i)...), y + i);
  if (i < n) StoreSome(f(LoadSome(x + i, n - i)...), y + i, n - i);
}

// sum_i f(x[i])
template <typename Function>
TANDEM_LANES float SumOver(int64_t n, const float* x, Function f) {
  Floats16 sum[4] = {};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int k = 0; k < 4; ++k) sum[k] += f(LoadFloats(x + i + 16 * k));
  }
  for (; i + 16 <= n; i += 16) sum[0] += f(LoadFloats(x + i));
  if (i < n) {
    Floats16 last = f(LoadSome(x + i, n - i));
    for (int64_t lane = n - i; lane < 16; ++lane) last[lane] = 0;
    sum[1] += last;
  }
  return SumLanes((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

template <int kCount>
TANDEM_LANES void PredictStreams(const float* streams, int64_t plane, const float* c, int64_t n,
                                 float* out) {
  const auto lanes = [&](auto load, auto store, int64_t i) __attribute__((always_inline)) {
    Floats16 in[kCount];
    for (int k = 0; k < kCount; ++k) in[k] = load(streams + k * plane + i);
    for (int j = 0; j < kCount; ++j) {
      Floats16 sum = in[j];
      for (int k = 0; k < kCount; ++k) sum = MulAdd(Splat(c[j * kCount + k]), in[k], sum);
      store(sum, out + j * plane + i);
    }
  };
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) lanes(LoadFloats, StoreFloats, i);
  const int64_t left = n - i;
  if (left == 0) return;
  lanes(
      [left](const float* p) __attribute__((always_inline)) { return LoadSome(p, left); },
      [left](Floats16 v, float* p) __attribute__((always_inline)) { StoreSome(v, p, left); }, i);
}

}  // namespace

float Dot(const float* a, const float* b, int64_t n) {
  Floats16 sum[4] = {};
  int64_t i = 0;
  for (; i + 64 <= n; i += 64) {
    for (int k = 0; k < 4; ++k) {
      sum[k] = MulAdd(LoadFloats(a + i + 16 * k), LoadFloats(b + i + 16 * k), sum[k]);
    }
  }
  for (; i + 16 <= n; i += 16) sum[0] = MulAdd(LoadFloats(a + i), LoadFloats(b + i), sum[0]);
  if (i < n) sum[1] = MulAdd(LoadSome(a + i, n - i), LoadSome(b + i, n - i), sum[1]);
  return SumLanes((sum[0] + sum[1]) + (sum[2] + sum[3]));
}

float ExpSum(float highest, int64_t n, float* x) {
  Floats16 sum = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const Floats16 e = Exp(LoadFloats(x + i) - Splat(highest));
    StoreFloats(e, x + i);
    sum += e;
  }
  float total = SumLanes(sum);
  if (i < n) {
    StoreSome(Exp(LoadSome(x + i, n - i) - Splat(highest)), x + i, n - i);
    for (; i < n; ++i) total += x[i];
  }
  return total;
}

void GeluTimes(const float* x, int64_t n, float* y) {
  ForLanes(
      n, y, [](Floats16 a, Floats16 b) __attribute__((always_inline)) {
        const Floats16 inner = Splat(0.7978845608028654f) * MulAdd(Splat(0.044715f) * a * a, a, a);
        return Splat(0.5f) * a * (Splat(1.0f) + Tanh(inner)) * b;
      },
      x, y);
}

void SoftCap(float cap, int64_t n, float* x) {
  ForLanes(
      n, x,
      [cap](Floats16 a)
          __attribute__((always_inline)) { return Splat(cap) * Tanh(a / Splat(cap)); },
      x);
}

void RmsNorm(const float* x, const float* w, float eps, int64_t n, float* y) {
  const float squares = SumOver(
      n, x, [](Floats16 v) __attribute__((always_inline)) { return v * v; });
  Scale(x, w, 1.0f / __builtin_sqrtf(squares / static_cast<float>(n) + eps), n, y);
}

void Add(const float* x, int64_t n, float* y) {
  ForLanes(
      n, y, [](Floats16 a, Floats16 b) __attribute__((always_inline)) { return a + b; }, x, y);
}

void AddMix(const float* a, const float* b, float factor, int64_t n, float* y) {
  if (b == nullptr) {
    ForLanes(
        n, y,
        [factor](Floats16 u, Floats16 v)
            __attribute__((always_inline)) { return (u + v) * Splat(factor); },
        a, y);
  } else {
    ForLanes(
        n, y,
        [factor](Floats16 u, Floats16 v, Floats16 w)
            __attribute__((always_inline)) { return (u + v + w) * Splat(factor); },
        a, y, b);
  }
}

void Scale(const float* x, const float* w, float factor, int64_t n, float* y) {
  if (w == nullptr) {
    ForLanes(
        n, y, [factor](Floats16 a) __attribute__((always_inline)) { return a * Splat(factor); }, x);
  } else {
    ForLanes(
        n, y,
        [factor](Floats16 a, Floats16 b)
            __attribute__((always_inline)) { return a * Splat(factor) * b; },
        x, w);
  }
}

void ToHalf(const float* x, int64_t n, uint16_t* y) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) StoreHalves(LoadFloats(x + i), y + i);
  if (i == n) return;
  uint16_t last[16];
  StoreHalves(LoadSome(x + i, n - i), last);
  for (int64_t k = 0; i + k < n; ++k) y[i + k] = last[k];
}

void CutBelow(float multiplier, int64_t n, float* x) {
  const float mean = SumOver(
                         n, x, [](Floats16 v) __attribute__((always_inline)) { return v; }) /
                     static_cast<float>(n);
  const float squares = SumOver(
      n, x, [mean](Floats16 v) __attribute__((always_inline)) {
        return (v - Splat(mean)) * (v - Splat(mean));
      });
  const float threshold = mean + multiplier * __builtin_sqrtf(squares / static_cast<float>(n));
  ForLanes(
      n, x,
      [threshold](Floats16 v) __attribute__((always_inline)) {
        const Floats16 above = v - Splat(threshold);
        // NaN stays NaN: a damaged layer must not look like an idle one.
        return Select(above <= Floats16{}, Floats16{}, above);
      },
      x);
}

void Rotate(const float* cosine, const float* sine, int64_t half, float* head) {
  int64_t i = 0;
  for (; i + 16 <= half; i += 16) {
    const Floats16 low = LoadFloats(head + i), high = LoadFloats(head + half + i);
    const Floats16 c = LoadFloats(cosine + i), s = LoadFloats(sine + i);
    StoreFloats(low * c - high * s, head + i);
    StoreFloats(high * c + low * s, head + half + i);
  }
  for (; i < half; ++i) {
    const float low = head[i], high = head[i + half];
    head[i] = low * cosine[i] - high * sine[i];
    head[i + half] = high * cosine[i] + low * sine[i];
  }
}

void Predict(const float* streams, int64_t plane, int count, const float* c, int64_t n,
             float* out) {
  switch (count) {
    case 2: return PredictStreams<2>(streams, plane, c, n, out);
    case 3: return PredictStreams<3>(streams, plane, c, n, out);
    case 4: return PredictStreams<4>(streams, plane, c, n, out);
    default: break;
  }
  for (int j = 0; j < count; ++j) {
    float* target = out + j * plane;
    Scale(streams + j * plane, nullptr, 1, n, target);
    for (int k = 0; k < count; ++k) {
      const Floats16 factor = Splat(c[j * count + k]);
      ForLanes(
          n, target,
          [factor](Floats16 x, Floats16 y)
              __attribute__((always_inline)) { return MulAdd(factor, x, y); },
          streams + k * plane, target);
    }
  }
}

void Correct(float c, const float* h, const float* active, const float* prediction, int64_t n,
             float* y) {
  ForLanes(
      n, y,
      [c](Floats16 a, Floats16 b, Floats16 p)
          __attribute__((always_inline)) { return MulAdd(Splat(c), a - b, p); },
      h, active, prediction);
}

}  // namespace tandem::cpu::TANDEM_ISA
