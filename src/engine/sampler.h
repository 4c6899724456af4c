// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Chooses the next token from logits. Deterministic: the same seed, options, history and logits
// give the same token on every machine. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <span>
#include <vector>

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

 private:
  struct Candidate {
    int32_t id;
    float logit;
  };

  /// With biases and penalties; the same span where there are none.
  std::span<const float> AdjustedLogits(std::span<const float> logits,
                                        std::span<const int32_t> history);
  /// Into candidates_: the likeliest ids that are allowed, as many as top-k keeps (one for greedy),
  /// likeliest first.
  void Choose(std::span<const float> logits);
  void CutTail();
  int32_t Draw();

  SamplingOptions options_;
  std::function<bool(int32_t)> banned_;
  std::mt19937_64 random_;
  std::vector<Candidate> candidates_;
  std::vector<float> adjusted_;
};

}  // namespace tandem
