// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Tokens for people: what a piece looks like in a table or in JSON.
#pragma once

#include <cstdint>
#include <string>

#include "tokenizer/tokenizer.h"

namespace tandem::cli {

/// The piece of `id` in one printable line: "\"fox\"", "\"\\n\"", "<bos>", "<0xE2>"; empty
/// without a tokenizer or a piece.
std::string PieceForTable(const Tokenizer* tokenizer, int32_t id);

/// The piece of `id` as text with control pieces by name; a byte piece as "<0xE2>".
std::string PieceForJson(const Tokenizer& tokenizer, int32_t id);

}  // namespace tandem::cli
