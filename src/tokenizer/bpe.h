// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The merging half of the tokenizer: byte pair encoding in SentencePiece's order. Of all adjacent
// pairs whose joined text is a piece, the one of highest score is joined first, and the leftmost of
// equals; until there is none. One object serves one text on one thread; the model is shared.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tokenizer/piece_table.h"
#include "tokenizer/vocab.h"

namespace tandem {

/// What merging needs to know of a vocabulary. Immutable; borrows the vocabulary.
class BpeModel {
 public:
  explicit BpeModel(const Vocab& vocab);

  const Vocab& vocab() const { return vocab_; }
  /// The piece (normal or unused) that is exactly `text`, or kNoToken.
  int32_t Find(std::string_view text) const { return table_.Find(text); }
  /// Find() for a piece that a merge may make.
  int32_t FindMerged(std::string_view text) const;
  bool IsUnused(int32_t id) const;
  /// Whether merging may make an unused piece.
  bool has_unused() const { return has_unused_; }

  /// Whether no piece reaches over the border between a symbol that ends in the character
  /// `before` and a space mark: texts may then be merged on each side alone.
  bool SplitsBeforeSpace(std::string_view before) const;

 private:
  bool CanBeMade(std::string_view piece) const;

  const Vocab& vocab_;
  PieceTable table_;
  size_t longest_ = 0;
  bool has_unused_ = false;
  std::vector<std::string_view> before_space_;  // characters seen before a mark, sorted
};

/// Collects symbols and turns them into tokens. Add every character (or whole piece) of the text
/// in order, then Finish(). Borrows the text.
class BpeEncoder {
 public:
  BpeEncoder(const BpeModel& model, std::string_view text, std::vector<int32_t>& out)
      : model_(model), text_(text), out_(out) {}

  /// Appends the character text[begin, begin + size).
  void AddCharacter(size_t begin, size_t size);
  /// Appends text[begin, begin + size) as the token `id`, which nothing merges with.
  void AddWhole(size_t begin, size_t size, int32_t id);
  /// Emits what is left.
  void Finish() { Flush(); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;

  struct Symbol {
    uint32_t begin;
    uint32_t size;  // 0 once merged into its left neighbour
    uint32_t prev;
    uint32_t next;
    int32_t whole;  // the token of AddWhole, else kNoToken
  };
  struct Candidate {
    float score;
    uint32_t left;
    uint32_t right;
    uint32_t size;  // of both together, which tells whether either has changed since
    bool operator<(const Candidate& other) const {
      return score < other.score || (score == other.score && left > other.left);
    }
  };
  struct Halves {
    std::string_view left;
    std::string_view right;
  };

  void Append(size_t begin, size_t size, int32_t whole);
  void Flush();
  void Propose(uint32_t left, uint32_t right);
  void Merge();
  void EmitText(std::string_view text);
  void EmitCharacter(std::string_view text);
  std::string_view TextOf(const Symbol& symbol) const {
    return text_.substr(symbol.begin, symbol.size);
  }

  const BpeModel& model_;
  std::string_view text_;
  std::vector<int32_t>& out_;
  std::vector<Symbol> symbols_;
  std::vector<Candidate> agenda_;  // a heap
  // How each unused piece was last made, to take it apart again.
  std::unordered_map<std::string_view, Halves> halves_;
  bool after_unknown_ = false;
};

}  // namespace tandem
