// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "check_vocab.h"

#include <string>
#include <utility>
#include <vector>

#include "fuzz.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/tokenizer.h"

namespace tandem::fuzz {
namespace {

// Longer inputs cost time and teach nothing new about encoding.
constexpr size_t kMaxEncoded = 2048;

void CheckText(const Tokenizer& tokenizer, std::string_view text) {
  for (const bool special : {false, true}) {
    const std::vector<int32_t> ids =
        tokenizer.Encode(text, {.add_bos = special, .parse_special = special});
    StreamDecoder stream(tokenizer);
    std::string streamed;
    for (const int32_t id : ids) {
      Check(id >= 0 && static_cast<size_t>(id) < tokenizer.size(), "an id is in the vocabulary");
      Check(special || !tokenizer.IsControl(id), "no text yields a control token");
      streamed += stream.Push(id);
    }
    streamed += stream.Flush();
    const std::string decoded = tokenizer.Decode(ids);
    Check(IsValidUtf8(decoded), "decoded text is UTF-8");
    Check(decoded == streamed, "decoding piece by piece gives the same text");
  }
}

}  // namespace

void CheckVocab(Vocab vocab, std::string_view input) {
  Check(!Refuses([&] { vocab.Validate("fuzz"); }), "a parsed vocabulary is valid");
  const Tokenizer tokenizer(std::move(vocab));
  CheckText(tokenizer, "hello  the <b>\n\n日本 \xff<bos>");
  CheckText(tokenizer, input.substr(0, kMaxEncoded));
  for (size_t id = 0; id < tokenizer.size(); ++id) {
    tokenizer.PieceBytes(static_cast<int32_t>(id), {.show_special = true});
  }
}

}  // namespace tandem::fuzz
