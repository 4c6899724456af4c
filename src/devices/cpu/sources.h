// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Stored float types as sixteen floats. For files that are compiled once per instruction set (see
// lanes.h for why everything is internal).
#pragma once

#include "devices/cpu/lanes.h"

namespace tandem::cpu {
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

struct FromBf16 {
  static constexpr int64_t kBytes = 2;
  TANDEM_LANES Floats16 Load(const std::byte* p) {
    using Shorts16 = uint16_t __attribute__((vector_size(32)));
    Shorts16 bits;
    __builtin_memcpy(&bits, p, sizeof bits);
    return (Floats16)(__builtin_convertvector(bits, Words16) << 16u);
  }
  TANDEM_LANES float One(const std::byte* p) {
    uint16_t half;
    __builtin_memcpy(&half, p, 2);
    const uint32_t bits = static_cast<uint32_t>(half) << 16;
    float x;
    __builtin_memcpy(&x, &bits, 4);
    return x;
  }
};

/// The first n (below 16) of 16 values, zeros behind them.
template <typename From>
TANDEM_LANES Floats16 LoadTail(const std::byte* p, int64_t n) {
  Floats16 v = {};
  for (int64_t i = 0; i < n; ++i) v[i] = From::One(p + i * From::kBytes);
  return v;
}

}  // namespace
}  // namespace tandem::cpu
