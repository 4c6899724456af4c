// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Turns tokens into text while they are generated. What it returns is always whole characters:
// byte pieces are held back until their character is complete or can no longer become one. All that
// Push() and Flush() return together equals Tokenizer::Decode() of the same ids. One object per
// reply, one thread at a time; borrows the tokenizer.
#pragma once

#include <cstdint>
#include <string>

#include "tokenizer/tokenizer.h"

namespace tandem {

class StreamDecoder {
 public:
  explicit StreamDecoder(const Tokenizer& tokenizer, const DecodeOptions& options = {})
      : tokenizer_(tokenizer), options_(options) {}

  /// The text that `id` completes; often empty. Throws Error (kInvalidArgument) for an id outside
  /// the vocabulary, and stays as it was.
  std::string Push(int32_t id);

  /// What was held back, as U+FFFD for each byte. Afterwards the decoder is as new.
  std::string Flush();

  /// Bytes held back now: 0 to 3.
  size_t pending() const { return pending_.size(); }

 private:
  void ReleaseBytes(bool all, std::string& out);

  const Tokenizer& tokenizer_;
  DecodeOptions options_;
  std::string pending_;   // the start of a character, from byte pieces
  bool at_start_ = true;  // no text has come out yet
};

}  // namespace tandem
