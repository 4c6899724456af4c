// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/vocab.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace tandem {
namespace {

// Known by name because files disagree about their type: some tokenizer.model files type the turn
// markers USER_DEFINED, exactly as they type "\n", tokenizer.json marks only some of these special,
// and GGUF files copy either. Left as text they would let a user end their own turn.
constexpr std::string_view kSpecialNames[] = {
    "<pad>",
    "<eos>",
    "<bos>",
    "<unk>",
    "<mask>",
    "[multimodal]",
    "<start_of_turn>",
    "<end_of_turn>",
    "<start_of_image>",
    "<end_of_image>",
    "<start_of_audio>",
    "<end_of_audio>",
    "<image_soft_token>",
    "<audio_soft_token>",
};

// "<unused0>" and up: rows that later models give a meaning (Gemma 3n's audio ones were such).
bool IsReservedName(std::string_view piece) {
  constexpr std::string_view kPrefix = "<unused";
  if (!piece.starts_with(kPrefix) || !piece.ends_with('>')) return false;
  const std::string_view digits = piece.substr(kPrefix.size(), piece.size() - kPrefix.size() - 1);
  return !digits.empty() &&
         std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
}

[[noreturn]] void Corrupt(std::string message) {
  throw Error(ErrorKind::kCorruptFile, std::move(message),
              "the file is damaged or was made by a faulty converter; fetch or convert it again");
}

void CheckLengths(const Vocab& vocab, std::string_view source) {
  if (vocab.scores.size() == vocab.size() && vocab.types.size() == vocab.size()) return;
  Corrupt(fmt::format("{}: {} pieces but {} scores and {} types", source, vocab.size(),
                      vocab.scores.size(), vocab.types.size()));
}

// The byte that a piece like "<0x0A>" names, or -1.
int NamedByte(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  constexpr std::string_view kHex = "0123456789ABCDEF";
  const size_t high = kHex.find(piece[3]);
  const size_t low = kHex.find(piece[4]);
  if (high == std::string_view::npos || low == std::string_view::npos) return -1;
  return static_cast<int>(high * 16 + low);
}

void CheckId(const Vocab& vocab, int32_t id, const char* what, std::string_view source) {
  if (id == kNoToken || (id >= 0 && static_cast<size_t>(id) < vocab.size())) return;
  Corrupt(fmt::format("{}: the {} token is {}, but there are {} pieces", source, what, id,
                      vocab.size()));
}

}  // namespace

bool IsSpecialPieceName(std::string_view piece) {
  return std::find(std::begin(kSpecialNames), std::end(kSpecialNames), piece) !=
             std::end(kSpecialNames) ||
         IsReservedName(piece);
}

void Vocab::Complete() {
  CheckLengths(*this, "the vocabulary");
  byte_tokens.fill(kNoToken);
  byte_fallback = false;
  int32_t named_eos = kNoToken;
  const auto take = [](int32_t& slot, int32_t id) {
    if (slot == kNoToken) slot = id;
  };
  for (size_t i = 0; i < size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    const std::string& piece = pieces[i];
    if (types[i] == PieceType::kByte) {
      byte_fallback = true;
      const int byte = NamedByte(piece);
      if (byte >= 0) take(byte_tokens[static_cast<size_t>(byte)], id);
      continue;
    }
    if (types[i] == PieceType::kUnknown) take(unk, id);
    if (piece.size() < 5 || !IsSpecialPieceName(piece)) continue;
    if (piece == "<unk>") {
      types[i] = PieceType::kUnknown;
      take(unk, id);
      continue;
    }
    types[i] = PieceType::kControl;
    if (piece == "<bos>") take(bos, id);
    if (piece == "<pad>") take(pad, id);
    if (piece == "<eos>") take(named_eos, id);
    if (piece == "<start_of_turn>") take(start_of_turn, id);
    if (piece == "<end_of_turn>") take(end_of_turn, id);
  }
  take(eos, named_eos);
  for (const int32_t id : {eos, named_eos, end_of_turn}) {
    if (id != kNoToken) end_tokens.push_back(id);
  }
  std::sort(end_tokens.begin(), end_tokens.end());
  end_tokens.erase(std::unique(end_tokens.begin(), end_tokens.end()), end_tokens.end());
}

void Vocab::Validate(std::string_view source) const {
  CheckLengths(*this, source);
  if (pieces.empty()) Corrupt(fmt::format("{}: no pieces", source));
  if (size() > kMaxPieces) Corrupt(fmt::format("{}: {} pieces are too many", source, size()));
  for (size_t i = 0; i < size(); ++i) {
    if (pieces[i].size() > kMaxPieceBytes) {
      Corrupt(fmt::format("{}: piece {} is {} bytes long; at most {} are allowed", source, i,
                          pieces[i].size(), kMaxPieceBytes));
    }
    if (types[i] < PieceType::kNormal || types[i] > PieceType::kByte) {
      Corrupt(fmt::format("{}: piece {} ('{}') has the unknown type {}", source, i,
                          Printable(pieces[i]), static_cast<int>(types[i])));
    }
    if (std::isnan(scores[i])) {
      Corrupt(fmt::format("{}: the score of piece {} ('{}') is not a number", source, i,
                          Printable(pieces[i])));
    }
  }
  CheckId(*this, bos, "beginning", source);
  CheckId(*this, eos, "end", source);
  CheckId(*this, unk, "unknown", source);
  CheckId(*this, pad, "padding", source);
  CheckId(*this, start_of_turn, "start-of-turn", source);
  CheckId(*this, end_of_turn, "end-of-turn", source);
  for (const int32_t id : end_tokens) CheckId(*this, id, "end", source);
  if (byte_fallback) {
    for (size_t byte = 0; byte < byte_tokens.size(); ++byte) {
      if (byte_tokens[byte] == kNoToken) {
        Corrupt(fmt::format("{}: there are byte pieces, but none for <0x{:02X}>", source, byte));
      }
      CheckId(*this, byte_tokens[byte], "byte", source);
    }
  } else if (unk == kNoToken) {
    Corrupt(fmt::format("{}: neither byte pieces nor an unknown token", source));
  } else if (types[static_cast<size_t>(unk)] == PieceType::kControl) {
    // Any character without a piece would put it into the text of a user: an end of turn, say.
    Corrupt(fmt::format("{}: the unknown token {} ('{}') is a control token", source, unk,
                        Printable(pieces[static_cast<size_t>(unk)])));
  }
}

}  // namespace tandem
