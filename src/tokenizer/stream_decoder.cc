// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/stream_decoder.h"

#include <string_view>

#include "core/utf8.h"

namespace tandem {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";

// Whether more bytes could make `bytes`, which are no character yet, into one: tried with the
// lowest and the highest continuation bytes, because the second byte has a range of its own.
bool MayBecomeCharacter(std::string_view bytes) {
  const size_t length = Utf8AnnouncedLength(static_cast<unsigned char>(bytes[0]));
  if (bytes.size() >= length) return false;
  for (const char filler : {'\x80', '\xbf'}) {
    std::string whole(bytes);
    whole.resize(length, filler);
    if (Utf8SequenceLength(whole) == length) return true;
  }
  return false;
}

}  // namespace

// SentencePiece decodes a run of byte pieces from the left: a whole character where there is one,
// else U+FFFD for a single byte.
void StreamDecoder::ReleaseBytes(bool all, std::string& out) {
  while (!pending_.empty()) {
    size_t length = Utf8SequenceLength(pending_);
    if (length > 0) {
      out += pending_.substr(0, length);
    } else {
      if (!all && MayBecomeCharacter(pending_)) return;
      out += kReplacement;
      length = 1;
    }
    pending_.erase(0, length);
  }
}

std::string StreamDecoder::Push(int32_t id) {
  std::string out;
  if (tokenizer_.TypeOf(id) == PieceType::kByte) {
    tokenizer_.AppendPiece(id, pending_, options_);
    at_start_ = false;
    ReleaseBytes(false, out);
    return out;
  }
  ReleaseBytes(true, out);
  std::string text = tokenizer_.PieceBytes(id, options_);
  // The space that encoding put in front is not part of the text.
  if (at_start_ && !text.empty()) {
    if (tokenizer_.vocab().add_space_prefix && text[0] == ' ' &&
        tokenizer_.TypeOf(id) != PieceType::kUnknown) {
      text.erase(0, 1);
    }
    at_start_ = false;
  }
  out += text;
  return out;
}

std::string StreamDecoder::Flush() {
  std::string out;
  ReleaseBytes(true, out);
  at_start_ = true;
  return out;
}

}  // namespace tandem
