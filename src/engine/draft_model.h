// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which model may draft for which, and what that costs.
#pragma once

#include "engine/draft_plan.h"
#include "tandem/model.h"

namespace tandem {

/// Throws Error kUnsupported, naming the first difference, unless `draft` has the vocabulary of
/// `target` (same_vocab.h). Models without a tokenizer must have as many ids.
void RequireSameVocabulary(const Model& target, const Model& draft);

/// What steps cost by the bytes that they read. The same on every machine.
DraftCosts EstimateDraftCosts(const Model& target, const Model& draft);

}  // namespace tandem
