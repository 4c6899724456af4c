// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Random stored weights and activations for the tests of the CPU's kernels.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "devices/cpu/isa.h"
#include "formats/dtype.h"
#include "formats/weight_view.h"

namespace tandem::cpu {

/// Types that are multiplied with 8-bit activations.
inline constexpr DType kTypes[] = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,   DType::kQ5_1,
                                   DType::kQ8_0, DType::kQ2_K, DType::kQ3_K,   DType::kQ4_K,
                                   DType::kQ5_K, DType::kQ6_K, DType::kIQ4_NL, DType::kIQ4_XS};

inline std::vector<Isa> FastIsas() {
  std::vector<Isa> isas = AvailableIsas();
  std::erase(isas, Isa::kReference);
  return isas;
}

// A matrix of random blocks: any bytes are valid but for scales, which are halves of modest size.
struct Weights {
  std::vector<std::byte> bytes;
  WeightView view;
};

inline Weights RandomWeights(DType type, int64_t rows, int64_t cols, std::mt19937_64& random) {
  Weights w;
  const size_t row_bytes = RowBytes(type, cols);
  w.bytes.resize(static_cast<size_t>(rows) * row_bytes);
  w.view = {type, rows, cols, row_bytes, w.bytes.data()};
  std::vector<float> floats(static_cast<size_t>(cols));
  for (std::byte& byte : w.bytes) byte = static_cast<std::byte>(random());
  for (int64_t r = 0; r < rows; ++r) {
    // Redraw rows whose random scales are NaN, infinite or huge.
    for (;;) {
      w.view.ReadRow(r, floats.data());
      bool good = true;
      for (const float value : floats) good = good && std::abs(value) < 1e4f;
      if (good) break;
      // Scales lie in the first or last bytes of a block: clear the high exponent bits everywhere.
      std::byte* row = w.bytes.data() + static_cast<size_t>(r) * row_bytes;
      for (size_t i = 0; i < row_bytes; ++i) row[i] &= std::byte{0x37};
    }
  }
  return w;
}

inline std::vector<float> RandomRows(int64_t size, std::mt19937_64& random) {
  std::normal_distribution<float> normal;
  std::vector<float> x(static_cast<size_t>(size));
  for (float& value : x) value = normal(random) * (random() % 50 == 0 ? 20.0f : 1.0f);
  return x;
}

}  // namespace tandem::cpu
