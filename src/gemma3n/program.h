// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3n's forward pass as a Program: the only place that knows the order of its operations.
#pragma once

#include "gemma3n/hparams.h"
#include "gemma3n/weights.h"
#include "program/program.h"

namespace tandem::gemma3n {

/// Which rows of a step the Program is for. Both give the same numbers for a wanted row.
enum class Rows {
  kAllWanted,   ///< Decode, verification, scoring: every row's logits.
  kSomeWanted,  ///< Prefill: the other rows only fill the caches, so they run the layers that own
                ///< keys and values, and of the last of these no more than its K and V.
};

/// Builds and verifies the Program. `weights` must outlive it. Throws Error kInternal only.
Program BuildProgram(const HyperParams& params, const Weights& weights, Rows rows);

}  // namespace tandem::gemma3n
