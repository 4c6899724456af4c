// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Arithmetic on sizes that come from files. A product or sum that does not fit is nullopt, never a
// small number: unchecked header arithmetic is the commonest hole in model readers.
#pragma once

#include <cstdint>
#include <optional>

namespace tandem {

inline std::optional<uint64_t> CheckedAdd(uint64_t a, uint64_t b) {
  uint64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

inline std::optional<uint64_t> CheckedMul(uint64_t a, uint64_t b) {
  uint64_t product = 0;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

/// `value` rounded up to a multiple of `alignment` (a power of two), or nullopt past 2^64.
inline std::optional<uint64_t> CheckedAlign(uint64_t value, uint64_t alignment) {
  const auto sum = CheckedAdd(value, alignment - 1);
  if (!sum) return std::nullopt;
  return *sum & ~(alignment - 1);
}

}  // namespace tandem
