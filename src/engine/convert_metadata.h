// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The metadata of a converted file.
#pragma once

#include <string>
#include <vector>

#include "engine/quantize_plan.h"
#include "engine/source.h"
#include "formats/gguf_writer.h"

namespace tandem {

/// Declares all keys: general.*, the model's, tokenizer and chat template. What a GGUF source says
/// about itself (authors, licence, ...) is carried over. Returns remarks for the user, one line
/// each.
std::vector<std::string> WriteMetadata(const ModelSource& source,
                                       const gemma3n::HyperParams& params, const QuantizePlan& plan,
                                       GgufWriter& writer);

}  // namespace tandem
