// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where drafts of a reply come from: ReplySteps tells a drafter every token of the reply and asks
// it what may come next. What a drafter proposes is a function of the tokens, the seed and the
// models, never of time. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/choices.h"

namespace tandem {

/// A token that may come next.
struct Proposal {
  int32_t id = 0;
  /// What it was drawn from. Empty: nothing was drawn, and the token at its place is sampled as if
  /// nothing had been proposed.
  Choices drawn_from;
};

class Drafter {
 public:
  virtual ~Drafter() = default;

  /// Adds a token of the reply. Whether it was proposed counts for later drafts.
  virtual void Push(int32_t id) = 0;
  /// What may come next: at most `most` tokens, each drawn as if those before it had come, and no
  /// more than are likely enough to pay. Whoever draws may not leave out what was drawn: that would
  /// change what is left. Throws Error where a model cannot be run, kCancelled included.
  virtual std::vector<Proposal> Draft(size_t most) = 0;
};

}  // namespace tandem
