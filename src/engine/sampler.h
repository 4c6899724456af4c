// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Chooses the next token from logits. Deterministic: the same seed, options, history and logits
// give the same token on every machine, and on a device that draws itself. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <vector>

#include "devices/draw.h"
#include "devices/token_weights.h"
#include "engine/choices.h"
#include "tandem/generation.h"

namespace tandem {

class Sampler {
 public:
  /// `banned` tells ids that must never come out. Throws as Validate.
  Sampler(const SamplingOptions& options, std::function<bool(int32_t)> banned);

  /// The next token. Order: bias and penalties on logits; greedy, or top-k, top-p, min-p on
  /// probabilities at temperature 1, then temperature among those left. Drawn along the tokens left
  /// from the likeliest on, or where none of the three cuts, in the order of ids.
  /// `history` is prompt and reply so far. Throws Error kInvalidArgument when no id is
  /// allowed, kCorruptFile when a logit is NaN.
  int32_t Sample(std::span<const float> logits, std::span<const int32_t> history);
  /// The same where a draft has drawn `proposed` from `draft`, its choices at this place: as likely
  /// to come out as ever, but `proposed` is preferred to others (DrawProposed). Greedy gives the
  /// same token as without.
  int32_t Sample(std::span<const float> logits, std::span<const int32_t> history,
                 const Choices& draft, int32_t proposed);

  /// The same where a device has drawn by DrawAhead(). REQUIRES: drawn.whole.
  int32_t Sample(const Drawn& drawn);
  /// How a device draws what Sample is going to return when called `ahead` times before; nothing
  /// where it needs all logits: for biases, penalties, and a top-k above kMaxDrawn.
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
  bool Penalises() const;
  bool Cuts() const { return options_.top_p < 1 || options_.min_p > 0; }
  /// Whether the token is drawn from the whole vocabulary.
  bool FromAll() const { return options_.temperature != 0 && options_.top_k == 0 && !Cuts(); }
  /// As many as top-k keeps, two for greedy.
  size_t Keeps(size_t all) const;
  /// Into candidates_: the `keep` likeliest ids that are allowed, of those with a logit above
  /// `least`, likeliest first. Throws where a logit that it has to look at is NaN.
  void FindLikeliest(std::span<const float> logits, size_t keep, float least);
  /// The greatest logit that is allowed. Throws as Sample.
  float Most(std::span<const float> logits);
  /// Calls add(id, halvings) for each id that is allowed and has a weight, in order.
  template <typename Add>
  void EachOf(std::span<const float> logits, size_t first, float most, const TokenWeights& weights,
              Add add) const;
  int32_t DrawFromAll(std::span<const float> logits);
  void ChooseAll(std::span<const float> logits);
  /// Without a top-k: into candidates_ those that top-p and min-p keep. Sorting a whole vocabulary
  /// takes longer than a model's last layers.
  void FindKept(std::span<const float> logits);
  /// Draws from candidates_, of which nothing was left out that is kept. `total`: the weights of
  /// all that is allowed; 0: there are no others.
  void ChooseAmongCandidates(uint64_t total);
  void TakeFirst();
  void CutTail(uint64_t total);
  void Weigh();
  double Fraction();

  SamplingOptions options_;
  std::function<bool(int32_t)> banned_;
  std::mt19937_64 random_;
  TokenWeights plain_{1};     ///< What the cuts look at.
  TokenWeights tempered_{1};  ///< What is drawn from.
  std::vector<Candidate> candidates_;
  std::vector<float> adjusted_;
  std::vector<uint64_t> sums_;  ///< Of weights: kept for their memory.
  Choices choices_;
};

}  // namespace tandem
