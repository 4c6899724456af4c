// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Whether two vocabularies write the same text with the same ids, so that a model of one can draft
// for a model of the other.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tokenizer/vocab.h"

namespace tandem {

/// Whether a piece stands for nothing that a text model writes: pictures, sounds, masks and
/// reserved rows, which generations of Gemma name differently at the same id. Turns, BOS, EOS,
/// padding and the unknown token are not among them.
bool IsRenamable(std::string_view piece, PieceType type);

/// The first id at which the vocabularies differ: where the pieces are not the same, but for ids
/// that are renamable in both, or where one has none and the other one that is not renamable.
/// nullopt: none, they are the same.
std::optional<int32_t> FirstVocabDifference(const Vocab& a, const Vocab& b);

}  // namespace tandem
