// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Rows of activations on their way to packed A in bytes (devices/npu/gemm/scaled_rows.h). Keeps its
// memory from one product to the next. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "devices/npu/gemm/gemm_stream.h"

namespace tandem::npu {

class ByteRows {
 public:
  /// Floats [count, k], `stride` apart.
  struct Values {
    const float* x = nullptr;
    int64_t stride = 0;
    int64_t count = 0;
    int64_t k = 0;
  };
  /// Where they go in A: its first row, and tile of K.
  struct Place {
    int64_t row = 0;
    int64_t tile = 0;
  };

  /// A of this plan, in zeros.
  void Start(const GemmPlan& plan);
  /// Rounds rows to bytes. Returns their factors [count], which are valid until the next call.
  std::span<const float> Set(const Values& values, const Place& at);
  /// Rounds rows with those inputs apart, in front of the others (ScaleRowApart).
  std::span<const float> SetApart(const Values& values, std::span<const int32_t> apart,
                                  const Place& at);
  /// In two parts, what the first one leaves over elsewhere.
  std::span<const float> SetInParts(const Values& values, const Place& first, const Place& rest);
  /// What no value from these tiles of K on is above, but for factors.
  double MostFrom(int64_t tile, int64_t end) const;
  void Pack(std::span<std::byte> a) const;

 private:
  std::span<int8_t> BytesAt(const Place& at, int64_t t, int64_t k);
  std::span<int8_t> ExponentsAt(const Place& at, int64_t t, int64_t k);

  GemmPlan plan_;
  std::vector<int8_t> bytes_;      ///< [m, k] of the plan.
  std::vector<int8_t> exponents_;  ///< [m, k steps]
  std::vector<float> factors_;
};

}  // namespace tandem::npu
