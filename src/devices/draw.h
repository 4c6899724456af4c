// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Steps whose next token the device draws itself from the logits that it holds, so that the step
// after it can be submitted before the host has seen anything. What the host gets are the likeliest
// tokens with their logits, exactly those that it would have found in all logits: it draws again
// from them in double precision (engine/sampler.h), and where the device, which draws in float, has
// come to another token, what was built on that is taken back. So the host's sampler alone decides.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace tandem {

/// Tokens that a device can hand over as the likeliest.
inline constexpr int32_t kMaxDrawn = 256;

/// As SamplingOptions (tandem/generation.h), without biases and penalties.
struct DrawParams {
  int32_t top_k = 1;      ///< 1 to kMaxDrawn: as many are handed over.
  float temperature = 0;  ///< 0: the likeliest.
  float top_p = 1;
  float min_p = 0;
  float fraction = 0;  ///< In [0, 1): which of what is left.
};

struct TokenLogit {
  int32_t id = 0;
  float logit = 0;
};

struct Drawn {
  int32_t token = 0;  ///< What the next step runs, if it follows.
  /// At most top_k of the tokens that are allowed, with logits above -infinity, likeliest first, of
  /// equals the smaller id.
  std::vector<TokenLogit> likeliest;
  /// False where there was a NaN or too many equals: the logits have to be looked at.
  bool whole = true;
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
