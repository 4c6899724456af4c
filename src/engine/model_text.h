// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The text side of a model, for those who need more than Model::Tokenize: encoding options, single
// pieces, a tokenizer without weights.
#pragma once

#include <filesystem>

#include "tandem/model.h"
#include "tokenizer/chat.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

/// nullptr when the files carry none. Lives as long as the model.
const Tokenizer* FindTokenizer(const Model& model);
/// Throws Error kUnsupported that says what is missing.
const Tokenizer& RequireTokenizer(const Model& model);
/// Throws Error kUnsupported when there is no tokenizer or its vocabulary has no turns.
const ChatFormat& RequireChat(const Model& model);

/// Only the tokenizer of a model or of a tokenizer file: GGUF file, Hugging Face folder,
/// tokenizer.model or tokenizer.json. Throws Error as Model::Load, and kUnsupported when there is
/// none.
Tokenizer LoadTokenizer(const std::filesystem::path& path);
/// The built-in model's.
Tokenizer LoadEmbeddedTokenizer();

}  // namespace tandem
