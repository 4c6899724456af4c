// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3's forward pass once more, in double precision and straight from the formulas: the oracle
// that names the first op of a Program that differs.
#pragma once

#include <cstdint>
#include <vector>

#include "gemma3/hparams.h"
#include "gemma3/weights.h"
#include "support/reference_math.h"

namespace tandem::testing {

/// Runs `ids` from position 0.
ReferenceRun RunReference(const gemma3::HyperParams& params, const gemma3::Weights& weights,
                          const std::vector<int32_t>& ids);

}  // namespace tandem::testing
