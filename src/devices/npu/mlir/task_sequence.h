// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Copies as tasks: MLIR-AIE's newer way to say what a shim does, which names its tile. Pure.
#pragma once

#include "devices/npu/design/sequence.h"

namespace tandem::npu {

/// The same sequence, and the same words, with a task for each CopyStep; what is a task stays one.
/// A WaitStep waits for the oldest copy with a token of its channel. Throws Error kUnsupported for
/// other steps, and for waits that nothing answers.
Sequence AsTasks(const Sequence& sequence);

}  // namespace tandem::npu
