// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/vocab_file.h"

#include "core/error.h"
#include "core/mapped_file.h"

namespace tandem {

Vocab LoadVocab(const std::filesystem::path& path) {
  const MappedFile file(path);
  const std::string source = Printable(path.string(), 200);
  // JSON here is an object; a ModelProto starts with the tag of a field, and '{' (field 15 of a
  // wire type that no longer exists) is none.
  for (const std::byte b : file.bytes()) {
    const char c = static_cast<char>(b);
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    if (c == '{') return ParseTokenizerJson(file.bytes(), source);
    break;
  }
  return ParseSentencePieceModel(file.bytes(), source);
}

}  // namespace tandem
