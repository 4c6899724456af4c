// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace tandem::npu::test {

/// Root of the mean square of what results are off by, relative to that of all results.
inline double ErrorOf(const std::vector<float>& got, const std::vector<double>& want) {
  double error = 0;
  double size = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    error += (got[i] - want[i]) * (got[i] - want[i]);
    size += want[i] * want[i];
  }
  return std::sqrt(error / size);
}

}  // namespace tandem::npu::test
