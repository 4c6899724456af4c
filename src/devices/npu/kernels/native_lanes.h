// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The AIE API's operations on vectors lane by lane, for this machine: what softmax needs beside the
// products of native_aie.h. Names and meaning as in UG1529.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "devices/npu/kernels/native_aie.h"

namespace tandem::npu::native {

/// A bit for each lane.
template <unsigned N>
class mask {
 public:
  bool test(unsigned i) const { return bits_[i]; }
  void set(unsigned i, bool value) { bits_[i] = value; }
  friend mask operator&(const mask& a, const mask& b) {
    mask both;
    for (unsigned i = 0; i < N; ++i) both.bits_[i] = a.bits_[i] && b.bits_[i];
    return both;
  }

 private:
  std::array<bool, N> bits_{};
};

template <typename T, unsigned N>
vector<T, N> broadcast(T value) {
  vector<T, N> all;
  for (unsigned i = 0; i < N; ++i) all[i] = value;
  return all;
}

/// The same bits as lanes of another type.
template <typename To, typename From, unsigned N>
auto vector_cast(const vector<From, N>& from) {
  vector<To, N * sizeof(From) / sizeof(To)> to;
  static_assert(sizeof to == sizeof from);
  std::memcpy(static_cast<void*>(&to), static_cast<const void*>(&from), sizeof to);
  return to;
}

/// out[i] = f(a[i], b[i]).
template <typename T, unsigned N, typename F>
vector<T, N> ByLane(const vector<T, N>& a, const vector<T, N>& b, const F& f) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = f(a[i], b[i]);
  return out;
}
/// Integers wrap, as the core's do.
template <typename T, unsigned N>
vector<T, N> add(const vector<T, N>& a, const vector<T, N>& b) {
  return ByLane(a, b, [](T x, T y) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(static_cast<uint32_t>(x) + static_cast<uint32_t>(y));
    } else {
      return x + y;
    }
  });
}
template <typename T, unsigned N>
vector<T, N> sub(const vector<T, N>& a, const vector<T, N>& b) {
  return ByLane(a, b, [](T x, T y) {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(static_cast<uint32_t>(x) - static_cast<uint32_t>(y));
    } else {
      return x - y;
    }
  });
}
template <typename T, unsigned N>
vector<T, N> max(const vector<T, N>& a, const vector<T, N>& b) {
  return ByLane(a, b, [](T x, T y) { return std::max(x, y); });
}
template <typename T, unsigned N>
vector<T, N> min(const vector<T, N>& a, const vector<T, N>& b) {
  return ByLane(a, b, [](T x, T y) { return std::min(x, y); });
}
template <typename T, unsigned N>
vector<T, N> bit_and(const vector<T, N>& a, const vector<T, N>& b) {
  return ByLane(a, b, [](T x, T y) { return static_cast<T>(x & y); });
}
/// AMD's library shifts through an accumulator, either way: what leaves it is rounded and saturated
/// as the modes say.
template <typename T, unsigned N>
vector<T, N> upshift(const vector<T, N>& v, unsigned by) {
  return ByLane(v, v,
                [by](T x, T) { return ShiftRoundSaturate<T>(int64_t{x} * (int64_t{1} << by), 0); });
}
template <typename T, unsigned N>
vector<T, N> downshift(const vector<T, N>& v, unsigned by) {
  return ByLane(v, v, [by](T x, T) { return ShiftRoundSaturate<T>(x, static_cast<int>(by)); });
}

template <typename T, unsigned N>
mask<N> lt(const vector<T, N>& a, const vector<T, N>& b) {
  mask<N> out;
  for (unsigned i = 0; i < N; ++i) out.set(i, a[i] < b[i]);
  return out;
}
template <typename T, unsigned N>
mask<N> le(const vector<T, N>& a, const vector<T, N>& b) {
  mask<N> out;
  for (unsigned i = 0; i < N; ++i) out.set(i, a[i] <= b[i]);
  return out;
}
/// b where the mask is set, else a.
template <typename T, unsigned N>
vector<T, N> select(const vector<T, N>& a, const vector<T, N>& b, const mask<N>& m) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = m.test(i) ? b[i] : a[i];
  return out;
}

/// Lane i becomes lane i + by, round the end.
template <typename T, unsigned N>
vector<T, N> shuffle_down_rotate(const vector<T, N>& v, unsigned by) {
  vector<T, N> out;
  for (unsigned i = 0; i < N; ++i) out[i] = v[(i + by) % N];
  return out;
}
template <typename T, unsigned N>
T reduce_max(const vector<T, N>& v) {
  T most = v[0];
  for (unsigned i = 1; i < N; ++i) most = std::max(most, v[i]);
  return most;
}

/// v x 2^shift, downwards whatever the mode: as 32 bits, of which the lower ones are left.
template <typename T, unsigned N>
vector<T, N> to_fixed(const vector<bfloat16, N>& v, int shift) {
  vector<T, N> out;
  constexpr double kMost = std::numeric_limits<int32_t>::max();
  for (unsigned i = 0; i < N; ++i) {
    const double value = std::floor(std::ldexp(double{static_cast<float>(v[i])}, shift));
    const double held = std::isnan(value) ? 0 : std::clamp(value, -kMost - 1, kMost);
    out[i] = static_cast<T>(static_cast<uint32_t>(static_cast<int32_t>(held)));
  }
  return out;
}

/// Accumulators. Integers wrap.
template <typename Tag, unsigned N>
accum<Tag, N> add(const accum<Tag, N>& a, const accum<Tag, N>& b) {
  return accum<Tag, N>(add(a.lanes, b.lanes));
}
template <typename Tag, unsigned N>
accum<Tag, N> sub(const accum<Tag, N>& a, const accum<Tag, N>& b) {
  return accum<Tag, N>(sub(a.lanes, b.lanes));
}

/// 16-bit products in 32 bits, which wrap.
template <typename Tag, unsigned N>
accum<Tag, N> mul(const vector<int16_t, N>& a, const vector<int16_t, N>& b) {
  static_assert(std::is_same_v<Tag, acc32>);
  accum<Tag, N> products;
  for (unsigned i = 0; i < N; ++i) products.lanes[i] = int32_t{a[i]} * b[i];
  return products;
}
template <unsigned N>
accum<acc32, N> mac(const accum<acc32, N>& sum, const vector<int16_t, N>& a,
                    const vector<int16_t, N>& b) {
  return add(sum, mul<acc32>(a, b));
}
template <unsigned N>
accum<acc32, N> msc(const accum<acc32, N>& sum, const vector<int16_t, N>& a,
                    const vector<int16_t, N>& b) {
  return sub(sum, mul<acc32>(a, b));
}
/// A product of two bfloat16 is exact in float.
template <unsigned N>
accum<accfloat, N> mul(const vector<bfloat16, N>& a, const vector<bfloat16, N>& b) {
  accum<accfloat, N> products;
  for (unsigned i = 0; i < N; ++i) {
    products.lanes[i] = static_cast<float>(a[i]) * static_cast<float>(b[i]);
  }
  return products;
}
/// The core makes these of bfloat16 products, to within float's rounding.
template <unsigned N>
accum<accfloat, N> mul(const vector<float, N>& a, const vector<float, N>& b) {
  return accum<accfloat, N>(ByLane(a, b, [](float x, float y) { return x * y; }));
}
template <unsigned N>
accum<accfloat, N> mac(const accum<accfloat, N>& sum, const vector<bfloat16, N>& a,
                       const vector<bfloat16, N>& b) {
  return add(sum, mul(a, b));
}
template <unsigned N>
accum<accfloat, N> msc(const accum<accfloat, N>& sum, const vector<bfloat16, N>& a,
                       const vector<bfloat16, N>& b) {
  return sub(sum, mul(a, b));
}
/// 1 / v.
template <unsigned N>
vector<float, N> inv(const vector<float, N>& v) {
  return ByLane(v, v, [](float x, float) { return 1 / x; });
}

/// 1 / sqrt(v).
template <unsigned N>
vector<float, N> invsqrt(const vector<float, N>& v) {
  return ByLane(v, v, [](float x, float) { return 1 / std::sqrt(x); });
}

}  // namespace tandem::npu::native
