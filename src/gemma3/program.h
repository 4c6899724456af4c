// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3's forward pass as a Program: the only place that knows the order of its operations.
#pragma once

#include "gemma/stack_builder.h"
#include "gemma3/hparams.h"
#include "gemma3/weights.h"
#include "program/program.h"

namespace tandem::gemma3 {

using gemma::Rows;

/// Builds and verifies the Program. `weights` must outlive it. Throws Error kInternal only.
Program BuildProgram(const HyperParams& params, const Weights& weights, Rows rows);

}  // namespace tandem::gemma3
