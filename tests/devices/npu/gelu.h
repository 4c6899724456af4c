// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>

namespace tandem::npu::test {

/// GELU in tanh's form.
inline double GeluOf(double x) {
  return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

}  // namespace tandem::npu::test
