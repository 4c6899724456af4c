// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What tests of the sampler begin with.
#pragma once

#include <random>

#include "engine/engine_test_util.h"
#include "tandem/generation.h"

namespace tandem {

/// Neither top-k nor top-p nor min-p.
inline SamplingOptions Plain(double temperature) {
  SamplingOptions options;
  options.temperature = temperature;
  options.top_k = 0;
  options.top_p = 1;
  return options;
}

/// Even ones, `spread` from the least to the greatest, around 0.
inline Floats RandomLogits(size_t count, double spread, std::mt19937_64& random) {
  Floats logits;
  for (size_t i = 0; i < count; ++i) {
    const double fraction = static_cast<double>(random() >> 11) * 0x1p-53;
    logits.push_back(static_cast<float>((fraction - 0.5) * spread));
  }
  return logits;
}

}  // namespace tandem
