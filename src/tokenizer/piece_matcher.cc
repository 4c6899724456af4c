// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/piece_matcher.h"

#include <algorithm>

#include "tokenizer/vocab.h"

namespace tandem {

PieceMatcher::PieceMatcher(const std::vector<std::string>& pieces,
                           const std::vector<int32_t>& ids) {
  for (const int32_t id : ids) {
    const std::string_view piece = pieces[static_cast<size_t>(id)];
    if (!piece.empty()) entries_.push_back({piece, id});
  }
  std::stable_sort(entries_.begin(), entries_.end(),
                   [](const Entry& a, const Entry& b) { return a.piece < b.piece; });
  const auto same = [](const Entry& a, const Entry& b) { return a.piece == b.piece; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  for (const Entry& entry : entries_) ++first_[static_cast<unsigned char>(entry.piece[0]) + 1u];
  for (size_t b = 0; b < 256; ++b) first_[b + 1] += first_[b];
}

// Narrows the sorted range one byte at a time: what is left after n bytes all starts with
// text[0, n), and a piece of exactly n bytes is the first of it.
PieceMatcher::Match PieceMatcher::Longest(std::string_view text) const {
  Match match{kNoToken, 0};
  if (text.empty()) return match;
  const auto head = static_cast<unsigned char>(text[0]);
  size_t low = first_[head];
  size_t high = first_[head + 1u];
  for (size_t length = 1; low < high; ++length) {
    if (entries_[low].piece.size() == length) {
      match = {entries_[low].id, length};
      ++low;
    }
    if (length == text.size()) break;
    const auto next = static_cast<unsigned char>(text[length]);
    const auto byte = [length](const Entry& entry) {
      return static_cast<unsigned char>(entry.piece[length]);
    };
    const auto begin = entries_.begin();
    const auto at = [&](size_t i) { return begin + static_cast<std::ptrdiff_t>(i); };
    const auto from =
        std::partition_point(at(low), at(high), [&](const Entry& e) { return byte(e) < next; });
    const auto to =
        std::partition_point(from, at(high), [&](const Entry& e) { return byte(e) == next; });
    low = static_cast<size_t>(from - begin);
    high = static_cast<size_t>(to - begin);
  }
  return match;
}

}  // namespace tandem
