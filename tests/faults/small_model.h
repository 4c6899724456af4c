// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A model so small that it loads and runs thousands of times a second: random weights in both
// layouts, with a vocabulary of letters and bytes that can chat.
#pragma once

#include <filesystem>

#include "tokenizer/vocab.h"

namespace tandem::test {

Vocab SmallVocab();
/// Writes a GGUF file.
void WriteSmallGguf(const std::filesystem::path& path);
/// Writes a Hugging Face folder: two safetensors files with an index, a tokenizer in
/// SentencePiece's format or in Hugging Face's, and all the configuration that is read.
void WriteSmallFolder(const std::filesystem::path& folder, bool tokenizer_json);

}  // namespace tandem::test
