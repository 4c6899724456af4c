// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3n's forward pass once more, in double precision and straight from the formulas, sharing no
// code with the Program or any device: the oracle for shapes that have no golden. It keeps the
// result of every operation, so that a difference can be traced to the first one that shows it.
#pragma once

#include <cstdint>
#include <vector>

#include "gemma3n/hparams.h"
#include "gemma3n/weights.h"
#include "support/reference_math.h"

namespace tandem::testing {

/// Runs `ids` from position 0.
ReferenceRun RunReference(const gemma3n::HyperParams& params, const gemma3n::Weights& weights,
                          const std::vector<int32_t>& ids);

}  // namespace tandem::testing
