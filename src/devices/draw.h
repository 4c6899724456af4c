// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Steps whose next token the device draws itself from the logits that it holds, so that the step
// after it can be submitted before the host has seen anything. Weights are integers that a device
// and the host make alike (devices/token_weights.h), so both draw the same token. What the host
// gets are the likeliest tokens with their logits, exactly those that it would have found in all
// logits, and it draws again from them (engine/sampler.h); only where a token is drawn from the
// whole vocabulary has it nothing but the token. Where it comes to another token than the device,
// what was built on that is taken back.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tandem {

/// Tokens that a device can hand over as the likeliest.
inline constexpr int32_t kMaxDrawn = 256;

/// As SamplingOptions (tandem/generation.h), without biases and penalties.
struct DrawParams {
  /// 1 to kMaxDrawn: as many are handed over. 0: no top-k. Then kMaxDrawn are handed over where
  /// top-p or min-p leave something out, and none where they do not.
  int32_t top_k = 1;
  double temperature = 0;  ///< 0: the likeliest; with a top-k only.
  double top_p = 1;
  double min_p = 0;
  double fraction = 0;  ///< In [0, 1), a multiple of 2^-53: which of what is left.

  bool Cuts() const { return top_p < 1 || min_p > 0; }
  /// Whether the token is drawn from the whole vocabulary, in the order of ids.
  bool FromAll() const { return top_k == 0 && !Cuts(); }
};

struct TokenLogit {
  int32_t id = 0;
  float logit = 0;
};
/// Of equals the one with the smaller id.
inline constexpr auto kIsLikelier = [](const TokenLogit& a, const TokenLogit& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
};

struct Drawn {
  int32_t token = 0;  ///< What the next step runs, if it follows.
  /// At most top_k of the tokens that are allowed, with logits above -infinity, likeliest first, of
  /// equals the smaller id.
  std::vector<TokenLogit> likeliest;
  /// Without a top-k: the weights of all tokens that are allowed, at temperature 1 where top-p or
  /// min-p cut, else at the temperature.
  uint64_t total = 0;
  /// False where there was a NaN or too many equals, where more than `likeliest` may be kept, or on
  /// a device that cannot tell: the logits have to be looked at.
  bool whole = true;
  /// All of them, until the segment's next step, where they are at hand and `whole` is false.
  std::span<const float> logits;
};

/// For a step of one wanted row.
struct DrawRequest {
  DrawParams params;
  /// A bit for each token of the vocabulary, 32 a word: 1, never. The same for a program always.
  std::span<const uint32_t> banned;
  /// Whether the row's token is what the step submitted before this one has drawn.
  bool follows = false;
  Drawn* result = nullptr;  ///< Filled before the fence.
};

}  // namespace tandem
