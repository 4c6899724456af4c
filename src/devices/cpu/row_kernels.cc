// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Loops over float rows. Compiled once per instruction set, with TANDEM_ISA naming the namespace;
// uses nothing of the standard library that the linker could merge across levels.
#include "devices/cpu/isa_tables.h"
#include "devices/cpu/lanes.h"

namespace tandem::cpu::TANDEM_ISA {
namespace {

struct FromFloats {
  static constexpr int64_t kBytes = 4;
  TANDEM_LANES Floats16 Load(const std::byte* p) {
    return LoadFloats(reinterpret_cast<const float*>(p));
  }
  TANDEM_LANES float One(const std::byte* p) {
    float x;
    __builtin_memcpy(&x, p, 4);
    return x;
  }
};
struct FromHalves {
  static constexpr int64_t kBytes = 2;
  TANDEM_LANES Floats16 Load(const std::byte* p) { return LoadHalves(p); }
  TANDEM_LANES float One(const std::byte* p) { return LoadHalf(p); }
};

template <typename From>
TANDEM_LANES Floats16 LoadTail(const std::byte* p, int64_t n) {
  Floats16 v = {};
  for (int64_t i = 0; i < n; ++i) v[i] = From::One(p + i * From::kBytes);
  return v;
}

template <typename From>
TANDEM_LANES float DotOf(const float* a, const std::byte* b, int64_t n) {
  Floats16 sum = {};
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    sum = MulAdd(LoadFloats(a + i), From::Load(b + i * From::kBytes), sum);
  }
  if (i < n) sum = MulAdd(LoadSome(a + i, n - i), LoadTail<From>(b + i * From::kBytes, n - i), sum);
  return SumLanes(sum);
}

template <typename From>
TANDEM_LANES void AddScaledOf(float a, const std::byte* x, int64_t n, float* y) {
  const Floats16 factor = Splat(a);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    StoreFloats(MulAdd(factor, From::Load(x + i * From::kBytes), LoadFloats(y + i)), y + i);
  }
  if (i < n) {
    const Floats16 tail = LoadTail<From>(x + i * From::kBytes, n - i);
    StoreSome(MulAdd(factor, tail, LoadSome(y + i, n - i)), y + i, n - i);
  }
}

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

// R weight rows by T activation rows, so that each loaded register serves several products.
template <int R, int T>
TANDEM_LANES void FloatTile(const float* w, int64_t cols, const float* x, int64_t x_stride,
                            float* y, int64_t y_stride) {
  Floats16 sum[R][T] = {};
  int64_t k = 0;
  for (; k + 16 <= cols; k += 16) {
    Floats16 xs[T];
    for (int t = 0; t < T; ++t) xs[t] = LoadFloats(x + t * x_stride + k);
    for (int r = 0; r < R; ++r) {
      const Floats16 ws = LoadFloats(w + r * cols + k);
      for (int t = 0; t < T; ++t) sum[r][t] = MulAdd(ws, xs[t], sum[r][t]);
    }
  }
  if (k < cols) {
    for (int r = 0; r < R; ++r) {
      const Floats16 ws = LoadSome(w + r * cols + k, cols - k);
      for (int t = 0; t < T; ++t) {
        sum[r][t] = MulAdd(ws, LoadSome(x + t * x_stride + k, cols - k), sum[r][t]);
      }
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int t = 0; t < T; ++t) y[t * y_stride + r] = SumLanes(sum[r][t]);
  }
}

template <int R>
void FloatRows(const float* w, int64_t cols, const float* x, int64_t x_stride, int64_t rows,
               float* y, int64_t y_stride) {
  int64_t t = 0;
  for (; t + 4 <= rows; t += 4) {
    FloatTile<R, 4>(w, cols, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
  }
  for (; t < rows; ++t) {
    FloatTile<R, 1>(w, cols, x + t * x_stride, x_stride, y + t * y_stride, y_stride);
  }
}

}  // namespace

void MultiplyFloat(const float* w, int64_t cols, int count, const float* x, int64_t x_stride,
                   int64_t rows, float* y, int64_t y_stride) {
  int r = 0;
  for (; r + 4 <= count; r += 4) {
    FloatRows<4>(w + r * cols, cols, x, x_stride, rows, y + r, y_stride);
  }
  for (; r < count; ++r) {
    FloatRows<1>(w + r * cols, cols, x, x_stride, rows, y + r, y_stride);
  }
}

void UnpackHalf(const std::byte* source, float* target, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) StoreFloats(LoadHalves(source + 2 * i), target + i);
  for (; i < n; ++i) target[i] = LoadHalf(source + 2 * i);
}

void UnpackBf16(const std::byte* source, float* target, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    uint16_t half;
    __builtin_memcpy(&half, source + 2 * i, 2);
    const uint32_t bits = static_cast<uint32_t>(half) << 16;
    __builtin_memcpy(target + i, &bits, 4);
  }
}

float Dot(const float* a, const float* b, int64_t n) {
  return DotOf<FromFloats>(a, reinterpret_cast<const std::byte*>(b), n);
}
float DotHalf(const float* a, const std::byte* b, int64_t n) { return DotOf<FromHalves>(a, b, n); }

void AddScaled(float a, const float* x, int64_t n, float* y) {
  AddScaledOf<FromFloats>(a, reinterpret_cast<const std::byte*>(x), n, y);
}
void AddScaledHalf(float a, const std::byte* x, int64_t n, float* y) {
  AddScaledOf<FromHalves>(a, x, n, y);
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
    for (int k = 0; k < count; ++k) AddScaled(c[j * count + k], streams + k * plane, n, target);
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
