// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Pearson's test of counts against probabilities.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace tandem::test {

/// How far the counts are from what the probabilities, which sum to 1, make of their sum, as a
/// normal deviate (Wilson and Hilferty's approximation of chi-square): above 5 once in three
/// million tests of counts that are as they should be. Cells of fewer than 10 expected counts are
/// taken together. Infinite where something came that cannot.
inline double ChiSquareSigmas(const std::vector<int64_t>& counts,
                              const std::vector<double>& probabilities) {
  double total = 0;
  for (const int64_t count : counts) total += static_cast<double>(count);
  double chi_square = 0;
  int cells = 0;
  double rare_count = 0;
  double rare_expected = 0;
  const auto add = [&](double count, double expected) {
    chi_square += (count - expected) * (count - expected) / expected;
    ++cells;
  };
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = probabilities[i] * total;
    const auto count = static_cast<double>(counts[i]);
    if (expected == 0 && count > 0) return std::numeric_limits<double>::infinity();
    if (expected < 10) {
      rare_count += count;
      rare_expected += expected;
    } else {
      add(count, expected);
    }
  }
  // A cell of its own only where the approximation holds.
  if (rare_expected >= 10) add(rare_count, rare_expected);
  if (cells < 2) return 0;
  const double freedom = cells - 1;
  const double spread = 2 / (9 * freedom);
  return (std::cbrt(chi_square / freedom) - (1 - spread)) / std::sqrt(spread);
}

}  // namespace tandem::test
