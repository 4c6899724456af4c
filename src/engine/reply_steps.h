// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs the tokens of a reply on its session. For the caller that is one after the other; with a
// drafter the session may run ahead, several tokens in one step, and goes back where the reply
// takes another way. The logits are those of single steps either way, bit for bit: a row of a step
// does not depend on the others. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/drafter.h"
#include "engine/sampler.h"
#include "engine/steps_ahead.h"
#include "tandem/generation.h"

namespace tandem {

/// What comes after a token.
struct AfterToken {
  std::span<const float> logits;  ///< Of all tokens, where `drawn` is null.
  const Drawn* drawn = nullptr;   ///< What the device found in them.
};

/// The token that `sampler` draws from it, for the place after `tokens`.
int32_t Next(Sampler& sampler, const AfterToken& after, std::span<const int32_t> tokens,
             const Proposal* proposal = nullptr);

class ReplySteps {
 public:
  /// Makes the drafter of a reply to the tokens before it, or nullptr.
  using DrafterMaker = std::function<std::unique_ptr<Drafter>(std::span<const int32_t>)>;

  /// `session` has run the prompt, and is used by nobody else until this is gone. `ends` tells ids
  /// that end the reply; `drafter` is asked for one when there is something to draft. Without it,
  /// and with `draws`, a device that can draws tokens itself.
  ReplySteps(Session& session, int draft_tokens, DrafterMaker drafter,
             std::function<bool(int32_t)> ends, StepsAhead::Params draws = {});
  /// Leaves the tokens added in the session and no others.
  ~ReplySteps() { GoBack(); }
  ReplySteps(const ReplySteps&) = delete;
  ReplySteps& operator=(const ReplySteps&) = delete;

  /// What the session holds but for drafts.
  std::span<const int32_t> tokens() const {
    return std::span(session_.tokens()).first(static_cast<size_t>(length_));
  }
  int64_t remaining() const { return session_.context() - length_; }

  /// What was drawn for the next place, or nullptr: for Sampler::Sample. Valid until the next call.
  const Proposal* proposal() const;

  /// Adds `id`, to which the reply adds at most `more`, and returns what comes after it, valid
  /// until the next call. Throws Error as Session::Append and Drafter::Draft; the session then
  /// holds what it held.
  AfterToken Add(int32_t id, int64_t more);
  /// Adds the last one, after which nothing is sampled.
  void AddLast(int32_t id);

  /// Tokens run ahead so far.
  int64_t drafted() const { return drafted_; }
  /// Of these, those that Add found there.
  int64_t accepted() const { return accepted_; }
  /// Steps of the session so far.
  int64_t steps() const { return steps_; }
  /// Seconds that drafting took.
  double draft_seconds() const { return draft_seconds_; }

 private:
  AfterToken AddDrawn(int32_t id, int64_t more);
  void DraftAfter(int64_t more);
  std::span<const float> RunAhead(int32_t id, size_t count);
  void GoBack();

  Session& session_;
  int64_t draft_tokens_;
  DrafterMaker make_drafter_;
  std::function<bool(int32_t)> ends_;
  std::unique_ptr<Drafter> drafter_;
  std::unique_ptr<StepsAhead> ahead_;  ///< Null: the device does not draw.
  int64_t length_;                     ///< Tokens of the session but for drafts.
  int64_t first_ = 0;                  ///< Position of the first row of `rows_`.
  std::vector<float> rows_;            ///< Logits of the step that ran ahead.
  std::vector<Proposal> proposals_;    ///< For the places from first_ + 1 on.
  int64_t drafted_ = 0;
  int64_t accepted_ = 0;
  int64_t steps_ = 0;
  double draft_seconds_ = 0;
};

}  // namespace tandem
