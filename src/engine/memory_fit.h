// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether a model fits into the memory that is left. What a session writes (keys and values,
// activations) must fit; weights are mapped from their files, so those that do not fit are read
// again from the disk.
#pragma once

#include <string>

#include "core/memory_limits.h"
#include "engine/info.h"
#include "tandem/engine.h"

namespace tandem {

struct MemoryFit {
  bool working = true;  ///< Keys, values and activations fit.
  bool weights = true;  ///< So do the weights that every token reads, beside them.
};

/// A pure function of the numbers. A limit that is absent limits nothing; the address space does
/// not concern weights, which are mapped already.
MemoryFit FitMemory(const MemoryNeed& need, const MemoryLimits& limits);

/// "1200.0 MB are available on this machine, 300.0 MB in its control group".
std::string LimitsText(const MemoryLimits& limits);

/// Throws Error kResource with all numbers when keys and values of `context` tokens and the
/// activations do not fit, of which the engine holds `held` bytes already.
void RequireMemory(const Model& model, const EngineOptions& options, int64_t context,
                   uint64_t held = 0);
/// Warns in the log when weights do not fit beside them.
void WarnOfWeights(const Model& model, const EngineOptions& options, int64_t context);

}  // namespace tandem
