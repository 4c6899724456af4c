// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/same_vocab.h"

#include <algorithm>
#include <iterator>

namespace tandem {
namespace {

// Special pieces that mean the same in every model: two of these are never taken for each other.
constexpr std::string_view kFixedNames[] = {
    "<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>",
};

}  // namespace

bool IsRenamable(std::string_view piece, PieceType type) {
  const bool fixed =
      std::find(std::begin(kFixedNames), std::end(kFixedNames), piece) != std::end(kFixedNames);
  return !fixed && (IsSpecialPieceName(piece) || type == PieceType::kUnused);
}

std::optional<int32_t> FirstVocabDifference(const Vocab& a, const Vocab& b) {
  const size_t size = std::max(a.size(), b.size());
  for (size_t id = 0; id < size; ++id) {
    if (id < a.size() && id < b.size() && a.pieces[id] == b.pieces[id]) continue;
    const auto renamable = [id](const Vocab& v) {
      return id >= v.size() || IsRenamable(v.pieces[id], v.types[id]);
    };
    if (!renamable(a) || !renamable(b)) return static_cast<int32_t>(id);
  }
  return std::nullopt;
}

}  // namespace tandem
