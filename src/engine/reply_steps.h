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
#include <optional>
#include <span>
#include <vector>

#include "engine/lookup_drafter.h"
#include "tandem/generation.h"

namespace tandem {

class ReplySteps {
 public:
  /// `session` has run the prompt, and is used by nobody else until this is gone. `ends` tells ids
  /// that end the reply.
  ReplySteps(Session& session, const GenerationOptions& options, std::function<bool(int32_t)> ends);
  /// Leaves the tokens added in the session and no others.
  ~ReplySteps() { GoBack(); }
  ReplySteps(const ReplySteps&) = delete;
  ReplySteps& operator=(const ReplySteps&) = delete;

  /// What the session holds but for drafts.
  std::span<const int32_t> tokens() const {
    return std::span(session_.tokens()).first(static_cast<size_t>(length_));
  }
  int64_t remaining() const { return session_.context() - length_; }

  /// Adds `id`, to which the reply adds at most `more`, and returns the logits after it, valid
  /// until the next call. Throws Error as Session::Append; the session then holds what it held.
  std::span<const float> Add(int32_t id, int64_t more);
  /// Adds the last one, after which nothing is sampled.
  void AddLast(int32_t id);

  /// Tokens run ahead so far.
  int64_t drafted() const { return drafted_; }
  /// Of these, those that Add found there.
  int64_t accepted() const { return accepted_; }

 private:
  std::vector<int32_t> DraftAfter(int64_t more) const;
  std::span<const float> RunAhead(int32_t id, const std::vector<int32_t>& draft);
  void GoBack();

  Session& session_;
  Draft draft_;
  int64_t draft_tokens_;
  std::function<bool(int32_t)> ends_;
  std::optional<LookupDrafter> drafter_;
  int64_t length_;           ///< Tokens of the session but for drafts.
  int64_t first_ = 0;        ///< Position of the first row of `rows_`.
  std::vector<float> rows_;  ///< Logits of the step that ran ahead.
  int64_t drafted_ = 0;
  int64_t accepted_ = 0;
};

}  // namespace tandem
