// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The part of AMD's AIE API that our kernels use, for this machine: vectors, accumulators, matrix
// multiplication by blocks, rounding and saturation, with the results that the core gives. Values;
// the modes are per thread, as the core's control register is per core.
//
// Sources: the AIE API's reference (UG1529) and AMD's guide to AIE-ML kernels (UG1603) for names,
// modes and their meaning. Where the hardware's order of float additions is not known, sums go in
// the order of K.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <utility>

namespace tandem::npu::native {

/// Half of a float's bits.
struct bfloat16 {
  uint16_t bits = 0;
  bfloat16() = default;
  explicit bfloat16(float value);  // to nearest, ties to even
  explicit operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
  friend bool operator==(const bfloat16&, const bfloat16&) = default;
};

/// Four bits, two to a byte, the low ones first. Only in vectors.
struct int4 {};

/// Names of accumulators: integers of 32 bits, floats.
struct acc32 {
  using type = int32_t;
};
struct accfloat {
  using type = float;
};

/// As UG1529 names and numbers them.
enum class rounding_mode : unsigned {
  floor = 0,
  ceil = 1,
  symmetric_floor = 2,
  symmetric_ceil = 3,
  negative_inf = 8,
  positive_inf = 9,
  symmetric_zero = 10,
  symmetric_inf = 11,
  conv_even = 12,
  conv_odd = 13
};
enum class saturation_mode : unsigned {
  none = 0,
  saturate = 1,
  symmetric = 3
};

struct Modes {
  rounding_mode rounding = rounding_mode::floor;
  saturation_mode saturation = saturation_mode::none;
};
inline Modes& modes() {
  static thread_local Modes of_this_core;
  return of_this_core;
}
inline void set_rounding(rounding_mode mode) { modes().rounding = mode; }
inline void set_saturation(saturation_mode mode) { modes().saturation = mode; }

/// value / 2^shift as the mode rounds it.
inline int64_t RoundShift(int64_t value, int shift, rounding_mode mode) {
  if (shift <= 0) return value * (int64_t{1} << -shift);
  const int64_t below = value >> shift;
  const int64_t rest = value & ((int64_t{1} << shift) - 1);
  if (rest == 0) return below;
  const int64_t half = int64_t{1} << (shift - 1);
  const bool up_if_tie = [&] {
    switch (mode) {
      case rounding_mode::positive_inf: return true;
      case rounding_mode::symmetric_inf: return value >= 0;
      case rounding_mode::symmetric_zero: return value < 0;
      case rounding_mode::conv_even: return (below & 1) != 0;
      case rounding_mode::conv_odd: return (below & 1) == 0;
      default: return false;
    }
  }();
  switch (mode) {
    case rounding_mode::floor: return below;
    case rounding_mode::ceil: return below + 1;
    case rounding_mode::symmetric_floor: return value < 0 ? below + 1 : below;
    case rounding_mode::symmetric_ceil: return value < 0 ? below : below + 1;
    default: break;
  }
  return below + (rest > half || (rest == half && up_if_tie) ? 1 : 0);
}

/// Shift, round, saturate: from an accumulator to T.
template <typename T>
T ShiftRoundSaturate(int64_t value, int shift) {
  static_assert(std::is_integral_v<T> && std::is_signed_v<T>);
  const int64_t rounded = RoundShift(value, shift, modes().rounding);
  constexpr int64_t kMost = std::numeric_limits<T>::max();
  switch (modes().saturation) {
    case saturation_mode::saturate: return static_cast<T>(std::clamp(rounded, -kMost - 1, kMost));
    case saturation_mode::symmetric: return static_cast<T>(std::clamp(rounded, -kMost, kMost));
    case saturation_mode::none: break;
  }
  return static_cast<T>(static_cast<uint64_t>(rounded));
}

inline bfloat16::bfloat16(float value) {
  const auto word = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) {
    bits = static_cast<uint16_t>(word >> 16 | 0x40);
    return;
  }
  bits = static_cast<uint16_t>((word + 0x7FFF + (word >> 16 & 1)) >> 16);
}

template <typename T, unsigned N>
class vector {
 public:
  using value_type = T;
  T& operator[](unsigned i) { return lanes_[i]; }
  const T& operator[](unsigned i) const { return lanes_[i]; }
  static constexpr unsigned size() { return N; }
  /// The part of M lanes number `at`.
  template <unsigned M>
  vector<T, M> extract(unsigned at) const {
    vector<T, M> part;
    for (unsigned i = 0; i < M; ++i) part[i] = lanes_[at * M + i];
    return part;
  }

 private:
  std::array<T, N> lanes_{};
};
/// Four bits a lane: the bytes.
template <unsigned N>
class vector<int4, N> {
 public:
  int8_t operator[](unsigned i) const {
    const auto nibble = static_cast<int>(bytes[i / 2] >> (i % 2 * 4) & 15);
    return static_cast<int8_t>(nibble >= 8 ? nibble - 16 : nibble);
  }
  std::array<uint8_t, N / 2> bytes{};
};

template <unsigned N, typename T>
vector<T, N> load_v(const T* from) {
  vector<T, N> loaded;
  std::memcpy(static_cast<void*>(&loaded), static_cast<const void*>(from), sizeof loaded);
  return loaded;
}
template <typename T, unsigned N>
void store_v(T* to, const vector<T, N>& stored) {
  std::memcpy(static_cast<void*>(to), static_cast<const void*>(&stored), sizeof stored);
}
template <typename T, unsigned N>
vector<T, N> zeros() {
  return {};
}

/// The lanes of `a`, then those of the others.
template <typename T, unsigned N, typename... More>
vector<T, N*(1 + sizeof...(More))> concat(const vector<T, N>& a, const More&... more) {
  vector<T, N*(1 + sizeof...(More))> all;
  unsigned at = 0;
  const auto append = [&](const vector<T, N>& part) {
    for (unsigned i = 0; i < N; ++i) all[at++] = part[i];
  };
  append(a);
  (append(more), ...);
  return all;
}
/// `step` lanes of a, as many of b, and so on: the first and the second half of that.
template <typename T, unsigned N>
std::pair<vector<T, N>, vector<T, N>> interleave_zip(const vector<T, N>& a, const vector<T, N>& b,
                                                     unsigned step) {
  std::pair<vector<T, N>, vector<T, N>> halves;
  for (unsigned i = 0; i < 2 * N; ++i) {
    const unsigned from = i / (2 * step) * step + i % step;
    const T lane = i / step % 2 == 0 ? a[from] : b[from];
    (i < N ? halves.first[i] : halves.second[i - N]) = lane;
  }
  return halves;
}
template <unsigned N>
vector<int8_t, N> unpack(const vector<int4, N>& packed) {
  vector<int8_t, N> wide;
  for (unsigned i = 0; i < N; ++i) wide[i] = packed[i];
  return wide;
}

/// Bytes to 16 bits.
template <unsigned N>
vector<int16_t, N> unpack(const vector<int8_t, N>& packed) {
  vector<int16_t, N> wide;
  for (unsigned i = 0; i < N; ++i) wide[i] = packed[i];
  return wide;
}

template <typename Tag, unsigned N>
class accum {
 public:
  using value_type = typename Tag::type;
  accum() = default;
  explicit accum(const vector<value_type, N>& start) : lanes(start) {}
  explicit accum(const vector<bfloat16, N>& start) {
    static_assert(std::is_same_v<Tag, accfloat>);
    for (unsigned i = 0; i < N; ++i) lanes[i] = static_cast<float>(start[i]);
  }

  /// Integers: shifted right by `shift`, rounded and saturated as the modes say. Floats: to float
  /// as they are; to bfloat16 to nearest with ties to even, which is what the core does in the mode
  /// conv_even, the one that kernels with floats set.
  template <typename T>
  vector<T, N> to_vector([[maybe_unused]] int shift = 0) const {
    vector<T, N> out;
    if constexpr (std::is_same_v<value_type, int32_t> && sizeof(T) < sizeof(value_type)) {
      // What our kernels set, for all lanes at once.
      const Modes& set = modes();
      if (set.rounding == rounding_mode::conv_even && set.saturation == saturation_mode::saturate &&
          shift > 0 && shift < 31) {
        const int64_t below_half = (int64_t{1} << (shift - 1)) - 1;
        constexpr int64_t kMost = std::numeric_limits<T>::max();
        for (unsigned i = 0; i < N; ++i) {
          const int64_t value = lanes[i];
          const int64_t rounded = (value + below_half + (value >> shift & 1)) >> shift;
          out[i] = static_cast<T>(std::clamp(rounded, -kMost - 1, kMost));
        }
        return out;
      }
    }
    for (unsigned i = 0; i < N; ++i) {
      if constexpr (std::is_same_v<value_type, int32_t>) {
        out[i] = ShiftRoundSaturate<T>(lanes[i], shift);
      } else {
        out[i] = T(lanes[i]);
      }
    }
    return out;
  }
  /// The same bits as lanes of another accumulator of 32 bits.
  template <typename To>
  accum<To, N> cast_to() const {
    accum<To, N> to;
    static_assert(sizeof to == sizeof lanes);
    std::memcpy(static_cast<void*>(&to), static_cast<const void*>(&lanes), sizeof to);
    return to;
  }
  vector<value_type, N> lanes;
};

/// Lane by lane.
template <unsigned N>
accum<acc32, N> mul(const vector<int8_t, N>& a, const vector<int8_t, N>& b) {
  accum<acc32, N> products;
  for (unsigned i = 0; i < N; ++i) products.lanes[i] = a[i] * b[i];
  return products;
}

/// C += A B for blocks [R,S] and [S,T], row-major each.
template <unsigned R, unsigned S, unsigned T, typename A, typename B, typename Tag>
class mmul {
 public:
  static constexpr unsigned size_A = R * S;
  static constexpr unsigned size_B = S * T;
  static constexpr unsigned size_C = R * T;
  using Sum = typename Tag::type;

  mmul() = default;
  explicit mmul(const vector<Sum, size_C>& start) : sums_(start) {}
  accum<Tag, size_C> to_accum() const { return accum<Tag, size_C>(sums_); }

  void mac(const vector<A, size_A>& a, const vector<B, size_B>& b) {
#if defined(__SSE2__)
    if constexpr (std::is_same_v<A, int8_t> && std::is_same_v<B, int8_t> && S == 8 && T == 8) {
      return MacBytes(a, b);
    }
#endif
    for (unsigned s = 0; s < S; ++s) {
      for (unsigned r = 0; r < R; ++r) {
        const auto left = static_cast<Sum>(a[r * S + s]);
        for (unsigned t = 0; t < T; ++t) {
          sums_[r * T + t] += left * static_cast<Sum>(b[s * T + t]);
        }
      }
    }
  }
  template <typename Out>
  vector<Out, size_C> to_vector(int shift = 0) const {
    return accum<Tag, size_C>(sums_).template to_vector<Out>(shift);
  }

 private:
#if defined(__SSE2__)
  /// The same sums, two products at a time.
  void MacBytes(const vector<A, size_A>& a, const vector<B, size_B>& b) {
    const auto widen = [](const int8_t* eight) {
      const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(eight));
      return _mm_srai_epi16(_mm_unpacklo_epi8(bytes, bytes), 8);
    };
    // Rows 2i and 2i + 1 of B, lane by lane side by side.
    __m128i low[4];
    __m128i high[4];
    for (int pair = 0; pair < 4; ++pair) {
      const __m128i even = widen(&b[16 * pair]);
      const __m128i odd = widen(&b[16 * pair + 8]);
      low[pair] = _mm_unpacklo_epi16(even, odd);
      high[pair] = _mm_unpackhi_epi16(even, odd);
    }
    for (unsigned r = 0; r < R; ++r) {
      const __m128i row = widen(&a[8 * r]);
      auto* const sums = reinterpret_cast<__m128i*>(&sums_[8 * r]);
      __m128i left = _mm_loadu_si128(sums);
      __m128i right = _mm_loadu_si128(sums + 1);
      const auto add = [&](int pair, __m128i both) {
        left = _mm_add_epi32(left, _mm_madd_epi16(both, low[pair]));
        right = _mm_add_epi32(right, _mm_madd_epi16(both, high[pair]));
      };
      add(0, _mm_shuffle_epi32(row, 0x00));
      add(1, _mm_shuffle_epi32(row, 0x55));
      add(2, _mm_shuffle_epi32(row, 0xAA));
      add(3, _mm_shuffle_epi32(row, 0xFF));
      _mm_storeu_si128(sums, left);
      _mm_storeu_si128(sums + 1, right);
    }
  }
#endif

  vector<Sum, size_C> sums_;
};

}  // namespace tandem::npu::native
