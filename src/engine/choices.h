// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The tokens that sampling may choose with their probabilities, and the rule of speculative
// sampling: a token that a draft drew from its own distribution is kept, or another is drawn, so
// that what comes out is distributed as the target says, whatever the draft's distribution is.
// Pure functions of their arguments: chance comes in as fractions in [0, 1), each used once.
#pragma once

#include <cstdint>
#include <vector>

namespace tandem {

struct Choice {
  int32_t id = 0;
  uint64_t weight = 0;  ///< Its probability, but for the sum of all (devices/token_weights.h).
};

struct Choices {
  /// Likeliest first, or all of a vocabulary in the order of ids; greedy has one. No id twice, no
  /// weight 0.
  std::vector<Choice> list;
  uint64_t total = 0;  ///< Sum of the weights.
  /// How sure this is of its likeliest token, in [0, 1]: its probability, or in greedy choices,
  /// which have one token only, its probability against the second-best token.
  double confidence = 1;

  double Probability(int32_t id) const;
};

/// The token at `fraction`, a multiple of 2^-53, of the weights.
int32_t Draw(const Choices& choices, double fraction);

/// The next token where `proposed` was drawn from `draft`: `proposed` with the probability min(1,
/// target / draft) of it, which `keep` decides; else one drawn with `redraw` from what the target
/// has more than the draft. Distributed as Draw(target, ...); the rule is that of Leviathan,
/// Kalman, Matias, "Fast Inference from Transformers via Speculative Decoding", 2023.
int32_t DrawProposed(const Choices& target, const Choices& draft, int32_t proposed, double keep,
                     double redraw);

}  // namespace tandem
