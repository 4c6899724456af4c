// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Drafts what a reply says next with a smaller model. Its session follows the reply's: it keeps
// what both have in common, so that a turn costs it that turn's tokens, and what was taken back
// costs it what going back costs a session. It falls behind while nothing is drafted, and catches
// up, many tokens a step, when something is. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "engine/draft_plan.h"
#include "engine/drafter.h"
#include "engine/sampler.h"
#include "tandem/generation.h"

namespace tandem {

/// How many tokens two texts begin with in common.
int64_t CommonLength(std::span<const int32_t> a, std::span<const int32_t> b);

class ModelDrafter : public Drafter {
 public:
  /// Drafts with `session`, which is used by nobody else until this is gone, for a reply of
  /// `target` to `text`. `ends` tells tokens that end the reply; `cancelled` is asked between the
  /// steps of a long way to catch up.
  ModelDrafter(Session& session, std::span<const int32_t> text, const Model& target,
               const GenerationOptions& options, const DraftCosts& costs,
               std::function<bool(int32_t)> ends, CancelCheck cancelled);
  /// Leaves nothing in the session that is not in the reply.
  ~ModelDrafter() override;

  void Push(int32_t id) override;
  std::vector<Proposal> Draft(size_t most) override;

 private:
  /// What it may draw after `history`; nullptr for nothing.
  const Choices* Choose(std::span<const float> logits, std::span<const int32_t> history);
  /// Runs what the session lacks of the text; its logits after that.
  std::span<const float> CatchUp();
  /// Takes back what the session holds beyond the text.
  void TakeBack();

  Session& session_;
  std::vector<int32_t> text_;  ///< What the reply's session holds.
  size_t vocab_;               ///< Ids that both models have are below this.
  bool foreign_ = false;       ///< The text has ids that the draft model lacks.
  std::function<bool(int32_t)> ends_;
  CancelCheck cancelled_;
  Sampler sampler_;
  DraftPlan plan_;
  std::vector<int32_t> proposed_;  ///< The last draft.
  size_t came_ = 0;                ///< Of these, those that came.
};

}  // namespace tandem
