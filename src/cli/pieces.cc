// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/pieces.h"

#include <fmt/format.h>

#include "core/error.h"

namespace tandem::cli {
namespace {

constexpr size_t kTableWidth = 40;

bool HasPiece(const Tokenizer& tokenizer, int32_t id) {
  return id >= 0 && static_cast<size_t>(id) < tokenizer.size();
}

}  // namespace

std::string PieceForTable(const Tokenizer* tokenizer, int32_t id) {
  if (tokenizer == nullptr || !HasPiece(*tokenizer, id)) return {};
  const PieceType type = tokenizer->TypeOf(id);
  const std::string piece = PieceForJson(*tokenizer, id);
  if (type == PieceType::kControl || type == PieceType::kByte) return Printable(piece, kTableWidth);
  std::string escaped;
  for (const char c : piece) {
    if (c == '\n') {
      escaped += "\\n";
    } else if (c == '\t') {
      escaped += "\\t";
    } else {
      escaped += c;
    }
  }
  return fmt::format("\"{}\"", Printable(escaped, kTableWidth));
}

std::string PieceForJson(const Tokenizer& tokenizer, int32_t id) {
  if (!HasPiece(tokenizer, id)) return {};
  if (tokenizer.TypeOf(id) == PieceType::kByte) {
    return tokenizer.vocab().pieces[static_cast<size_t>(id)];
  }
  return tokenizer.PieceBytes(id, {.show_special = true});
}

}  // namespace tandem::cli
