// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How long the drafts of a model should be: as long as the next token is likelier to pay than not.
// It learns from what came true, and knows what steps cost from the sizes of the models; it never
// looks at a clock, so that the same reply is drafted in the same way everywhere. One thread at a
// time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tandem {

/// In steps of the target with one row.
struct DraftCosts {
  double draft_step = 0.5;  ///< One token of the draft model.
  double extra_row = 0.1;   ///< One more row of the target.

  /// Whether drafting gains anything where every token comes.
  bool CanPay() const { return draft_step + extra_row < 1; }
};

class DraftPlan {
 public:
  /// Without `adapt`, drafts are always as long as they may be.
  DraftPlan(const DraftCosts& costs, bool adapt) : costs_(costs), adapt_(adapt) {}

  /// Starts a draft of at most `most` tokens; false: none, for now.
  bool Begin(size_t most);
  /// Whether to propose a token from choices this sure of themselves (Choices::confidence), now
  /// that the draft model has made them; true counts it as proposed.
  bool Propose(double confidence);
  /// Whether to run the draft model for another one.
  bool GoOn() const;

  /// What became of the last draft, token by token until the first that did not come.
  void Learn(bool came);
  /// A token of the reply that no draft was made for.
  void Skip() { ++skipped_; }

  /// How often a proposed token comes when those before it did, as far as is known.
  double rate() const { return rate_; }

 private:
  /// Tokens per cost of the best length for this rate; 1 where drafting does not pay.
  double BestYield(double rate, size_t most) const;

  // What is proposed with a confidence up to these comes at these rates until more is known.
  static constexpr std::array<double, 5> kUpTo = {0.4, 0.6, 0.8, 0.95, 1.0};
  static size_t ClassOf(double confidence);

  DraftCosts costs_;
  bool adapt_;
  double rate_ = 0.7;
  std::array<double, kUpTo.size()> class_rates_ = {0.3, 0.5, 0.7, 0.85, 0.95};
  std::vector<size_t> proposed_;  ///< Classes of the last draft.
  size_t learned_ = 0;            ///< Of these, those whose fate is known.
  double chance_ = 1;             ///< That all of the draft so far comes.
  double yield_ = 1;              ///< Tokens per cost that the next one has to keep up with.
  int64_t skipped_ = 0;           ///< Tokens since the last draft.
  int64_t pause_ = 0;             ///< Tokens to let pass before trying again.
};

}  // namespace tandem
