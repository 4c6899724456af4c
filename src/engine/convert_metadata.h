// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The metadata of a converted file.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/quantize_plan.h"
#include "engine/source.h"
#include "engine/text_model.h"
#include "formats/gguf_writer.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

/// Declares all keys: general.*, the model's, tokenizer and chat template. What a GGUF source says
/// about itself (authors, licence, ...) is carried over. Returns remarks for the user, one line
/// each.
std::vector<std::string> WriteMetadata(const ModelSource& source, const TextModel& text,
                                       const QuantizePlan& plan, GgufWriter& writer);

/// Declares the tokenizer.* keys. Other engines expect a piece for every row of the embedding, so
/// the vocabulary is padded to `rows`. An empty `chat_template` stands for Gemma's, which is
/// written where the vocabulary has turns.
void WriteTokenizer(const Tokenizer& tokenizer, std::string_view chat_template, int64_t rows,
                    GgufWriter& writer);

}  // namespace tandem
