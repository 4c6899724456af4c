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
#include <utility>
#include <vector>

namespace tandem {

struct SamplingOptions {
  double temperature = 1.0;     ///< 0 = greedy: the highest logit, lowest id among equals.
  int top_k = 64;               ///< Keep the k likeliest; 0 = all.
  double top_p = 0.95;          ///< Keep the likeliest until they sum to p; 1 = all.
  double min_p = 0.0;           ///< Drop those below min_p times the likeliest.
  double repeat_penalty = 1.0;  ///< Divides positive, multiplies negative logits of recent tokens.
  double frequency_penalty = 0.0;  ///< Subtracted per occurrence among recent tokens.
  double presence_penalty = 0.0;   ///< Subtracted once for each recent token.
  int penalty_window = 64;         ///< How many last tokens count as recent; 0 = none, -1 = all.
  std::vector<std::pair<int32_t, double>> logit_bias;  ///< Added to logits of ids.
  uint64_t seed = 0;
};

/// Throws Error kInvalidArgument naming the first value out of range (NaN included).
void Validate(const SamplingOptions& options);

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

  void AdjustLogits(std::span<const int32_t> history);
  void CutTail();
  int32_t Draw();

  SamplingOptions options_;
  std::function<bool(int32_t)> banned_;
  std::mt19937_64 random_;
  std::vector<Candidate> candidates_;
};

}  // namespace tandem
