// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Chooses the next token from logits. Deterministic: the same seed, options, history and logits
// give the same token on every machine. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "devices/draw.h"
#include "engine/choices.h"
#include "tandem/generation.h"

namespace tandem {

class Sampler {
 public:
  /// `banned` tells ids that must never come out. Throws as Validate.
  Sampler(const SamplingOptions& options, std::function<bool(int32_t)> banned);

  /// The next token. Order: bias and penalties on logits; greedy, or top-k, top-p, min-p on
  /// probabilities at temperature 1, then temperature among those left.
  /// `history` is prompt and reply so far. Throws Error kInvalidArgument when no id is
  /// allowed, kCorruptFile when a logit is NaN.
  int32_t Sample(std::span<const float> logits, std::span<const int32_t> history);
  /// The same where a draft has drawn `proposed` from `draft`, its choices at this place: as likely
  /// to come out as ever, but `proposed` is preferred to others (DrawProposed). Greedy gives the
  /// same token as without.
  int32_t Sample(std::span<const float> logits, std::span<const int32_t> history,
                 const Choices& draft, int32_t proposed);

  /// The same where a device has found the likeliest tokens by DrawAhead().
  int32_t Sample(std::span<const TokenLogit> likeliest);
  /// How a device draws what Sample is going to return when called `ahead` times before; nothing
  /// where it needs all logits: for biases, penalties, and choices without a top-k, or with one
  /// above kMaxDrawn.
  std::optional<DrawParams> DrawAhead(size_t ahead) const;

  /// What Sample draws from, valid until the next call. Throws as Sample.
  const Choices& Choose(std::span<const float> logits, std::span<const int32_t> history);
  /// Draws from choices of its own, with its own random numbers.
  int32_t DrawFrom(const Choices& choices);

 private:
  using Candidate = TokenLogit;

  /// With biases and penalties; the same span where there are none.
  std::span<const float> AdjustedLogits(std::span<const float> logits,
                                        std::span<const int32_t> history);
  /// Into candidates_: the likeliest ids that are allowed, as many as top-k keeps (two for greedy),
  /// of those with a logit above `least`, likeliest first.
  void FindLikeliest(std::span<const float> logits, float least);
  /// A logit that whatever top-p and min-p leave is above, of the whole vocabulary.
  float BelowTheKept(std::span<const float> logits);
  bool Penalises() const;
  /// Draws from candidates_, of which nothing was left out that is kept.
  void ChooseAmongCandidates();
  void TakeFirst();
  /// `total`: the weights of all that is allowed, where candidates_ are what of it is above
  /// `least`; else 0. Whether nothing that is not above `least` is kept.
  bool CutTail(double total, float least);
  void Weigh();
  double Fraction();

  SamplingOptions options_;
  std::function<bool(int32_t)> banned_;
  std::mt19937_64 random_;
  std::vector<Candidate> candidates_;
  std::vector<float> adjusted_;
  double allowed_weight_ = 0;  ///< Of all that is allowed, relative to the likeliest; 0: not known.
  Choices choices_;
};

}  // namespace tandem
