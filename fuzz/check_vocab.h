// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// For the targets that read vocabularies: what holds of a Tokenizer of any accepted one.
#pragma once

#include <string_view>

#include "tokenizer/vocab.h"

namespace tandem::fuzz {

/// Builds the tokenizer of a parsed vocabulary, encodes and decodes a few texts and `input`, and
/// checks the ids, the text and that no text yields a control token by itself.
void CheckVocab(Vocab vocab, std::string_view input);

}  // namespace tandem::fuzz
