// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads a vocabulary from the two files a checkpoint may carry. Both give the same Vocab for the
// same model up to the scores, of which only the order matters. Bytes are hostile: every function
// here throws Error (kCorruptFile, or kUnsupported for a tokenizer of another kind) and allocates
// no more than a small multiple of the file. Returned vocabularies are complete and valid.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>

#include "tokenizer/vocab.h"

namespace tandem {

/// Reads `path`, whichever of the two formats it is (decided by the content).
Vocab LoadVocab(const std::filesystem::path& path);

/// A SentencePiece tokenizer.model (the protocol buffer ModelProto): BPE only, without text
/// normalisation. `source` names the file in errors.
Vocab ParseSentencePieceModel(std::span<const std::byte> bytes, std::string_view source);

/// A Hugging Face tokenizer.json holding a converted SentencePiece BPE model.
Vocab ParseTokenizerJson(std::span<const std::byte> bytes, std::string_view source);

}  // namespace tandem
