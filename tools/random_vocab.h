// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A made-up vocabulary for models that have no tokenizer of their own.
#pragma once

#include <cstdint>

#include "tokenizer/vocab.h"

namespace tandem {

/// Fewest pieces MakeVocab() can make: the special ones and the bytes, where Gemma has them.
inline constexpr int64_t kLeastVocab = 494;

/// `rows` pieces: Gemma's special pieces and bytes at Gemma's ids, then every run of one, two,
/// three ... letters and spaces, so that any text has tokens and short words have one.
/// REQUIRES: rows >= kLeastVocab.
Vocab MakeVocab(int64_t rows);

}  // namespace tandem
