// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Vocabularies, files and texts for the tokenizer tests.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/tokenizer.h"

namespace tandem::test {

using Random = std::mt19937;

/// 0 .. count - 1.
size_t Below(Random& random, size_t count);
template <typename T>
const T& Pick(Random& random, const std::vector<T>& from) {
  return from[Below(random, from.size())];
}

/// A file of tests/data/tokenizer. Fails the test when it is missing.
std::string ReadData(const std::string& name);
std::span<const std::byte> Bytes(std::string_view text);

/// fable's vocabulary, from its tokenizer.model.
const Tokenizer& Fable();

/// Adds a piece and returns its id.
int32_t AddPiece(Vocab& vocab, std::string piece, float score, PieceType type = PieceType::kNormal);
/// <pad> <eos> <bos> <unk> <start_of_turn> <end_of_turn>, and the 256 bytes if asked for.
Vocab BasicVocab(bool bytes);
/// A vocabulary of random pieces over four letters, with equal scores among them, some unused and
/// some user-defined.
Vocab RandomVocab(Random& random);
/// Runs of newlines, tabs and spaces up to 31, tags and a few words, typed as Gemma's file types
/// them.
Vocab GemmaLikeVocab();

/// `vocab` as the bytes of a tokenizer.model. Turn markers are typed USER_DEFINED there, as in
/// Gemma's.
std::string ToSentencePieceModel(const Vocab& vocab);
/// `vocab` as a tokenizer.json, converted as Hugging Face does: for each piece in order of score a
/// merge for every split into two pieces.
std::string ToTokenizerJson(const Vocab& vocab, bool merges_as_pairs);

/// Random text of words, white space, emoji, many scripts, marks, tags, control characters. Holds
/// no U+2581 and no special names.
std::string RandomText(Random& random);
/// The same with bytes that are not UTF-8 in between.
std::string RandomBytesText(Random& random);

}  // namespace tandem::test
