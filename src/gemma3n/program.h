// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma 3n's forward pass as a Program: the only place that knows the order of its operations.
#pragma once

#include "gemma/stack_builder.h"
#include "gemma3n/hparams.h"
#include "gemma3n/weights.h"
#include "program/program.h"

namespace tandem::gemma3n {

using gemma::Rows;

/// Builds and verifies the Program. `weights` must outlive it. Throws Error kInternal only.
Program BuildProgram(const HyperParams& params, const Weights& weights, Rows rows);

}  // namespace tandem::gemma3n
