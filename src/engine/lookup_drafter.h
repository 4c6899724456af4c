// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Drafts what a reply says next from what its text has said before: where the last few tokens came
// earlier, what followed them there may follow again. Costs no model, only an index, which grows by
// a token at a time. What it drafts is a function of the tokens alone. One thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "engine/drafter.h"

namespace tandem {

class LookupDrafter : public Drafter {
 public:
  /// Most tokens at the end that are looked up. Looking up four to six saves one step in a hundred
  /// at best, on manuals and source files, for as many more entries.
  static constexpr size_t kLongest = 3;

  /// The newest place before the end that ends in the same tokens.
  struct Match {
    size_t next = 0;    ///< Position of the token that followed there.
    size_t length = 0;  ///< How many last tokens are the same, as far as they are looked up.
    bool operator==(const Match&) const = default;
  };

  /// `tokens` is the text before the reply. Without `adapt`, drafts are always as long as they may
  /// be.
  explicit LookupDrafter(std::span<const int32_t> tokens, bool adapt = true);

  /// Whether a token was expected counts for later drafts, also where nothing was drafted: so
  /// drafting ends when it does not pay, and begins again when it would.
  void Push(int32_t id) override;

  /// Of the longest end that came before; none where even the last token is new.
  const std::optional<Match>& match() const { return match_; }

  /// Draws nothing: proposals have no choices.
  std::vector<Proposal> Draft(size_t most) override;

 private:
  /// Up to kLongest ids; in front of fewer stands kNoId.
  using Gram = std::array<int32_t, kLongest>;
  struct GramHash {
    size_t operator()(const Gram& gram) const noexcept;
  };

  /// The last `length` tokens.
  Gram Last(size_t length) const;
  void Add(int32_t id);
  std::optional<Match> Find() const;

  bool adapt_;
  std::vector<int32_t> tokens_;
  /// Position of the token after the newest place of an n-gram that has one.
  std::unordered_map<Gram, size_t, GramHash> followed_;
  std::optional<Match> match_;
  /// Per length of a match, less one: how often what followed came again, the newest counting most.
  std::array<double, kLongest> hit_rate_;
};

}  // namespace tandem
