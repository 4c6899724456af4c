// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/model_drafter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "tandem/engine.h"

namespace tandem {
namespace {

// More tokens than this are caught up with in steps between which a caller may cancel.
constexpr size_t kAskFrom = 64;

// Chance of its own: what the draft draws must not depend on what the target draws.
SamplingOptions ForDraft(SamplingOptions options) {
  uint64_t seed = options.seed + 0x9e3779b97f4a7c15;
  seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9;
  seed = (seed ^ (seed >> 27)) * 0x94d049bb133111eb;
  options.seed = seed ^ (seed >> 31);
  return options;
}

}  // namespace

int64_t CommonLength(std::span<const int32_t> a, std::span<const int32_t> b) {
  return std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
}

ModelDrafter::ModelDrafter(Session& session, std::span<const int32_t> text, const Model& target,
                           const GenerationOptions& options, const DraftCosts& costs,
                           std::function<bool(int32_t)> ends, CancelCheck cancelled)
    : session_(session),
      text_(text.begin(), text.end()),
      vocab_(static_cast<size_t>(std::min(target.vocab_rows(), session.model().vocab_rows()))),
      ends_(std::move(ends)),
      cancelled_(std::move(cancelled)),
      sampler_(ForDraft(options.sampling),
               [&target, &draft = session.model()](int32_t id) {
                 return target.IsBanned(id) || draft.IsBanned(id);
               }),
      plan_(costs, options.draft_adapt) {
  foreign_ = std::any_of(text_.begin(), text_.end(), [&](int32_t id) {
    return static_cast<int64_t>(id) >= session_.model().vocab_rows();
  });
  session_.Rewind(CommonLength(session_.tokens(), text_));
}

ModelDrafter::~ModelDrafter() { TakeBack(); }

void ModelDrafter::Push(int32_t id) {
  if (came_ < proposed_.size()) {
    const bool came = proposed_[came_] == id;
    plan_.Learn(came);
    came_ = came ? came_ + 1 : proposed_.size();
  } else {
    plan_.Skip();
  }
  const size_t place = text_.size();
  if (session_.tokens().size() > place && session_.tokens()[place] != id) TakeBack();
  text_.push_back(id);
  foreign_ = foreign_ || static_cast<int64_t>(id) >= session_.model().vocab_rows();
}

std::vector<Proposal> ModelDrafter::Draft(size_t most) {
  proposed_.clear();
  came_ = 0;
  std::vector<Proposal> draft;
  // The last one drafted is not run.
  const auto room = session_.context() - static_cast<int64_t>(text_.size()) + 1;
  most = std::min(most, static_cast<size_t>(std::max<int64_t>(room, 0)));
  if (foreign_ || !plan_.Begin(most)) return draft;
  std::vector<int32_t> history = text_;
  std::span<const float> logits = CatchUp();
  for (;;) {
    const Choices* choices = Choose(logits.first(vocab_), history);
    if (choices == nullptr || !plan_.Propose(choices->confidence)) break;
    const int32_t id = sampler_.DrawFrom(*choices);
    draft.push_back({id, *choices});
    if (draft.size() == most || ends_(id) || !plan_.GoOn()) break;
    history.push_back(id);
    logits = session_.Append({&id, 1});
  }
  for (const Proposal& proposal : draft) proposed_.push_back(proposal.id);
  return draft;
}

const Choices* ModelDrafter::Choose(std::span<const float> logits,
                                    std::span<const int32_t> history) try {
  return &sampler_.Choose(logits, history);
} catch (const Error& error) {
  // Nothing that it could propose is allowed; the target may have more.
  if (error.kind() == ErrorKind::kInvalidArgument) return nullptr;
  throw Error(error.kind(),
              fmt::format("draft model {}: {}", session_.model().source(), error.message()),
              error.hint());
}

std::span<const float> ModelDrafter::CatchUp() {
  // The last token is always run: its logits are gone otherwise.
  const size_t held = std::min(session_.tokens().size(), text_.size() - 1);
  session_.Rewind(static_cast<int64_t>(held));
  const auto missing = std::span<const int32_t>(text_).subspan(held);
  return session_.Append(missing, missing.size() < kAskFrom ? CancelCheck() : cancelled_);
}

void ModelDrafter::TakeBack() {
  if (session_.tokens().size() > text_.size()) session_.Rewind(static_cast<int64_t>(text_.size()));
}

}  // namespace tandem
