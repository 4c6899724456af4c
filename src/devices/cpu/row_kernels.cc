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

// x[i] = f(x[i]) in place, or y[i] = f(x[i], y[i]); lanes beyond the end compute on zeros.
template <typename Function>
TANDEM_LANES void ForLanes(int64_t n, const float* x, float* y, Function f) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) StoreFloats(f(LoadFloats(x + i), LoadFloats(y + i)), y + i);
  if (i < n) StoreSome(f(LoadSome(x + i, n - i), LoadSome(y + i, n - i)), y + i, n - i);
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
      n, x, y, [](Floats16 a, Floats16 b) __attribute__((always_inline)) {
        const Floats16 inner = Splat(0.7978845608028654f) * MulAdd(Splat(0.044715f) * a * a, a, a);
        return Splat(0.5f) * a * (Splat(1.0f) + Tanh(inner)) * b;
      });
}

void SoftCap(float cap, int64_t n, float* x) {
  ForLanes(
      n, x, x, [cap](Floats16 a, Floats16) __attribute__((always_inline)) {
        return Splat(cap) * Tanh(a / Splat(cap));
      });
}

}  // namespace tandem::cpu::TANDEM_ISA
