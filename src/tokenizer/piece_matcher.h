// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Finds pieces that are taken whole before any merging: the longest one at the start of a text.
// Immutable after construction, so any number of threads may use it. Borrows the pieces.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace tandem {

class PieceMatcher {
 public:
  struct Match {
    int32_t id;
    size_t length;  ///< In bytes; 0 when nothing matches.
  };

  PieceMatcher() = default;
  /// Matches pieces[id] for each id of `ids`. Empty pieces never match; of equal ones the first of
  /// `ids` wins.
  PieceMatcher(const std::vector<std::string>& pieces, const std::vector<int32_t>& ids);

  /// The longest piece that `text` starts with.
  Match Longest(std::string_view text) const;

 private:
  struct Entry {
    std::string_view piece;
    int32_t id;
  };

  std::vector<Entry> entries_;         // sorted by piece, bytewise
  std::array<uint32_t, 257> first_{};  // entries that start with byte b: first_[b]..first_[b+1]
};

}  // namespace tandem
