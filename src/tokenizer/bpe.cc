// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/bpe.h"

#include <algorithm>
#include <limits>

#include "core/utf8.h"

namespace tandem {
namespace {

// The last character of `text`: its trailing continuation bytes and the byte before them.
std::string_view LastCharacter(std::string_view text) {
  size_t begin = text.size();
  while (begin > 0) {
    --begin;
    if ((static_cast<unsigned char>(text[begin]) & 0xc0) != 0x80) break;
  }
  return text.substr(begin);
}

}  // namespace

BpeModel::BpeModel(const Vocab& vocab) : vocab_(vocab), table_(vocab.pieces) {
  for (size_t i = 0; i < vocab.size(); ++i) {
    if (vocab.types[i] != PieceType::kNormal && vocab.types[i] != PieceType::kUnused) continue;
    const std::string_view piece = vocab.pieces[i];
    if (piece.empty() || !table_.Insert(static_cast<int32_t>(i))) continue;
    longest_ = std::max(longest_, piece.size());
    for (size_t at = piece.find(kSpaceMark, 1); at != std::string_view::npos;
         at = piece.find(kSpaceMark, at + 1)) {
      before_space_.push_back(LastCharacter(piece.substr(0, at)));
    }
  }
  for (size_t i = 0; i < vocab.size() && !has_unused_; ++i) {
    has_unused_ = vocab.types[i] == PieceType::kUnused && CanBeMade(vocab.pieces[i]);
  }
  std::sort(before_space_.begin(), before_space_.end());
  before_space_.erase(std::unique(before_space_.begin(), before_space_.end()), before_space_.end());
}

// Padding rows ("[PAD262144]") are typed unused too, but no two neighbours make one: a neighbour is
// a piece or a single character, known or not.
bool BpeModel::CanBeMade(std::string_view piece) const {
  const auto is_neighbour = [this](std::string_view part) {
    return Utf8SequenceLength(part) == part.size() || Find(part) != kNoToken;
  };
  for (size_t at = 1; at < piece.size(); ++at) {
    if (is_neighbour(piece.substr(0, at)) && is_neighbour(piece.substr(at))) return true;
  }
  return false;
}

int32_t BpeModel::FindMerged(std::string_view text) const {
  if (text.size() > longest_) return kNoToken;
  const int32_t id = table_.Find(text);
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  return id != kNoToken && vocab_.scores[static_cast<size_t>(id)] > kNever ? id : kNoToken;
}

bool BpeModel::IsUnused(int32_t id) const {
  return vocab_.types[static_cast<size_t>(id)] == PieceType::kUnused;
}

bool BpeModel::SplitsBeforeSpace(std::string_view before) const {
  // Unused pieces are taken apart as they were last made anywhere in the text, so there the text
  // has to stay whole.
  return !has_unused_ && !std::binary_search(before_space_.begin(), before_space_.end(), before);
}

void BpeEncoder::Append(size_t begin, size_t size, int32_t whole) {
  const auto index = static_cast<uint32_t>(symbols_.size());
  if (index > 0) symbols_.back().next = index;
  symbols_.push_back({static_cast<uint32_t>(begin), static_cast<uint32_t>(size),
                      index > 0 ? index - 1 : kNone, kNone, whole});
}

void BpeEncoder::AddCharacter(size_t begin, size_t size) {
  // Words are merged one by one where the vocabulary allows it: a short agenda stays in the cache.
  if (!symbols_.empty() && text_.substr(begin, size) == kSpaceMark &&
      model_.SplitsBeforeSpace(TextOf(symbols_.back()))) {
    Flush();
  }
  Append(begin, size, kNoToken);
}

void BpeEncoder::AddWhole(size_t begin, size_t size, int32_t id) {
  if (!model_.has_unused()) Flush();
  Append(begin, size, id);
  if (!model_.has_unused()) Flush();
}

void BpeEncoder::Propose(uint32_t left, uint32_t right) {
  if (left == kNone || right == kNone) return;
  const Symbol& a = symbols_[left];
  const Symbol& b = symbols_[right];
  if (a.whole != kNoToken || b.whole != kNoToken) return;
  const std::string_view joined = text_.substr(a.begin, a.size + b.size);
  const int32_t id = model_.FindMerged(joined);
  if (id == kNoToken) return;
  if (model_.has_unused() && model_.IsUnused(id)) halves_[joined] = {TextOf(a), TextOf(b)};
  agenda_.push_back({model_.vocab().scores[static_cast<size_t>(id)], left, right, a.size + b.size});
  std::push_heap(agenda_.begin(), agenda_.end());
}

void BpeEncoder::Merge() {
  for (uint32_t i = 1; i < symbols_.size(); ++i) Propose(i - 1, i);
  while (!agenda_.empty()) {
    std::pop_heap(agenda_.begin(), agenda_.end());
    const Candidate best = agenda_.back();
    agenda_.pop_back();
    Symbol& left = symbols_[best.left];
    Symbol& right = symbols_[best.right];
    if (left.size == 0 || right.size == 0 || left.size + right.size != best.size) continue;
    left.size = best.size;
    right.size = 0;
    left.next = right.next;
    if (left.next != kNone) symbols_[left.next].prev = best.left;
    Propose(left.prev, best.left);
    Propose(best.left, left.next);
  }
}

void BpeEncoder::Flush() {
  if (symbols_.empty()) return;
  Merge();
  for (uint32_t i = 0; i != kNone; i = symbols_[i].next) {
    const Symbol& symbol = symbols_[i];
    if (symbol.whole != kNoToken) {
      out_.push_back(symbol.whole);
      after_unknown_ = false;
    } else {
      EmitText(TextOf(symbol));
    }
  }
  symbols_.clear();
}

void BpeEncoder::EmitText(std::string_view text) {
  // A stack instead of recursion: how deep unused pieces nest is up to the file.
  std::vector<std::string_view> rest;
  for (;;) {
    const int32_t id = model_.Find(text);
    const auto halves = id != kNoToken && model_.has_unused() && model_.IsUnused(id)
                            ? halves_.find(text)
                            : halves_.end();
    if (halves != halves_.end()) {
      rest.push_back(halves->second.right);
      text = halves->second.left;
      continue;
    }
    if (id != kNoToken) {
      out_.push_back(id);
      after_unknown_ = false;
    } else {
      EmitCharacter(text);
    }
    if (rest.empty()) return;
    text = rest.back();
    rest.pop_back();
  }
}

void BpeEncoder::EmitCharacter(std::string_view text) {
  const Vocab& vocab = model_.vocab();
  if (vocab.byte_fallback) {
    for (const char c : text) out_.push_back(vocab.byte_tokens[static_cast<unsigned char>(c)]);
    return;
  }
  // Neighbouring unknown characters are one unknown token, as in SentencePiece.
  if (!after_unknown_) out_.push_back(vocab.unk);
  after_unknown_ = true;
}

}  // namespace tandem
