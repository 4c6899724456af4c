// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/tokenizer.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "core/utf8.h"
#include "tokenizer/bpe.h"
#include "tokenizer/piece_matcher.h"
#include "tokenizer/stream_decoder.h"

namespace tandem {
namespace {

// Positions within a normalised text (at most three bytes for one, and a prefix) are 32 bits wide
// while merging.
static_assert(3 * kMaxTextBytes + kSpaceMark.size() < UINT32_MAX);

std::unique_ptr<const Vocab> Prepare(Vocab vocab) {
  vocab.Complete();
  vocab.Validate();
  return std::make_unique<const Vocab>(std::move(vocab));
}

// Pieces that are not UTF-8 are left out: they would match the half of a character.
std::unique_ptr<const PieceMatcher> MatcherOf(const Vocab& vocab, bool with_special) {
  std::vector<int32_t> ids;
  for (size_t i = 0; i < vocab.size(); ++i) {
    if (!IsValidUtf8(vocab.pieces[i])) continue;
    const PieceType type = vocab.types[i];
    const bool special = type == PieceType::kControl || type == PieceType::kUnknown;
    if (type == PieceType::kUserDefined || (special && with_special)) {
      ids.push_back(static_cast<int32_t>(i));
    }
  }
  return std::make_unique<const PieceMatcher>(vocab.pieces, std::move(ids));
}

}  // namespace

Tokenizer::Tokenizer(Vocab vocab)
    : vocab_(Prepare(std::move(vocab))),
      model_(std::make_unique<const BpeModel>(*vocab_)),
      plain_(MatcherOf(*vocab_, false)),
      special_(MatcherOf(*vocab_, true)) {}

Tokenizer::Tokenizer(Tokenizer&&) noexcept = default;
Tokenizer& Tokenizer::operator=(Tokenizer&&) noexcept = default;
Tokenizer::~Tokenizer() = default;

std::string Tokenizer::Normalise(std::string_view text, bool space_in_front) const {
  std::string valid;
  if (!IsValidUtf8(text)) {
    valid = ReplaceInvalidUtf8(text);
    text = valid;
  }
  const std::string_view space = vocab_->escape_whitespace ? kSpaceMark : std::string_view(" ");
  std::string out;
  out.reserve(text.size() + text.size() / 2);
  if (space_in_front && !text.empty()) out += space;
  for (const char c : text) {
    if (c == ' ') {
      out += space;
    } else {
      out += c;
    }
  }
  return out;
}

std::vector<int32_t> Tokenizer::Encode(std::string_view text, const EncodeOptions& options) const {
  if (text.size() > kMaxTextBytes) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a text of {} bytes is too long to tokenise; the limit is {}",
                            text.size(), kMaxTextBytes),
                "pass it in parts");
  }
  const std::string normal = Normalise(text, vocab_->add_space_prefix && !options.continues);
  const std::string_view view = normal;
  const PieceMatcher& matcher = options.parse_special ? *special_ : *plain_;
  std::vector<int32_t> out;
  const bool bos_wanted = options.add_bos && vocab_->bos != kNoToken;
  if (bos_wanted) out.push_back(vocab_->bos);

  BpeEncoder encoder(*model_, view, out);
  for (size_t at = 0; at < view.size();) {
    const PieceMatcher::Match match = matcher.Longest(view.substr(at));
    if (match.length > 0) {
      encoder.AddWhole(at, match.length, match.id);
      at += match.length;
    } else {
      const size_t size = Utf8AnnouncedLength(static_cast<unsigned char>(view[at]));
      encoder.AddCharacter(at, size);
      at += size;
    }
  }
  encoder.Finish();
  if (bos_wanted && out.size() > 1 && out[1] == vocab_->bos) out.erase(out.begin());
  return out;
}

std::string Tokenizer::Decode(std::span<const int32_t> ids, const DecodeOptions& options) const {
  StreamDecoder decoder(*this, options);
  std::string out;
  for (const int32_t id : ids) out += decoder.Push(id);
  out += decoder.Flush();
  return out;
}

PieceType Tokenizer::TypeOf(int32_t id) const {
  if (id < 0 || static_cast<size_t>(id) >= size()) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("token {} is not in the vocabulary of {} pieces", id, size()));
  }
  return vocab_->types[static_cast<size_t>(id)];
}

bool Tokenizer::IsEnd(int32_t id) const {
  return std::binary_search(vocab_->end_tokens.begin(), vocab_->end_tokens.end(), id);
}

void Tokenizer::AppendPiece(int32_t id, std::string& out, const DecodeOptions& options) const {
  const PieceType type = TypeOf(id);
  std::string_view piece = vocab_->pieces[static_cast<size_t>(id)];
  switch (type) {
    case PieceType::kControl:
      if (options.show_special) out += ReplaceInvalidUtf8(piece);
      return;
    case PieceType::kUnknown: out += ReplaceInvalidUtf8(vocab_->unknown_text); return;
    case PieceType::kByte: {
      const auto& bytes = vocab_->byte_tokens;
      const auto at = std::find(bytes.begin(), bytes.end(), id);
      if (at != bytes.end()) {
        out += static_cast<char>(at - bytes.begin());
        return;
      }
      break;
    }
    case PieceType::kNormal:
    case PieceType::kUserDefined:
    case PieceType::kUnused: break;
  }
  std::string text;
  while (!piece.empty()) {
    const size_t mark = piece.find(kSpaceMark);
    text += piece.substr(0, mark);
    if (mark == std::string_view::npos) break;
    text += ' ';
    piece.remove_prefix(mark + kSpaceMark.size());
  }
  out += IsValidUtf8(text) ? text : ReplaceInvalidUtf8(text);
}

std::string Tokenizer::PieceBytes(int32_t id, const DecodeOptions& options) const {
  std::string out;
  AppendPiece(id, out, options);
  return out;
}

int32_t Tokenizer::FindPiece(std::string_view piece) const {
  const auto at = std::find(vocab_->pieces.begin(), vocab_->pieces.end(), piece);
  return at == vocab_->pieces.end() ? kNoToken : static_cast<int32_t>(at - vocab_->pieces.begin());
}

}  // namespace tandem
