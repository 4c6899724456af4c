// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/reply_steps.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

int32_t Next(Sampler& sampler, const AfterToken& after, std::span<const int32_t> tokens,
             const Proposal* proposal) {
  if (after.drawn != nullptr) return sampler.Sample(*after.drawn);
  if (proposal == nullptr) return sampler.Sample(after.logits, tokens);
  return sampler.Sample(after.logits, tokens, proposal->drawn_from, proposal->id);
}

ReplySteps::ReplySteps(Session& session, int draft_tokens, DrafterMaker drafter,
                       std::function<bool(int32_t)> ends, StepsAhead::Params draws)
    : session_(session),
      draft_tokens_(draft_tokens),
      make_drafter_(std::move(drafter)),
      ends_(std::move(ends)),
      length_(static_cast<int64_t>(session.tokens().size())) {
  if (draws && !make_drafter_ && session.impl().engine->decode->StepsAhead() > 0) {
    ahead_ = std::make_unique<StepsAhead>(session.impl(), std::move(draws));
  }
}

const Proposal* ReplySteps::proposal() const {
  const auto place = static_cast<size_t>(length_ - first_ - 1);
  if (proposals_.size() <= place || proposals_[place].drawn_from.list.empty()) return nullptr;
  return &proposals_[place];
}

AfterToken ReplySteps::Add(int32_t id, int64_t more) {
  if (ahead_ != nullptr) return AddDrawn(id, more);
  if (drafter_ == nullptr && make_drafter_) {
    drafter_ = make_drafter_(tokens());
    make_drafter_ = nullptr;
  }
  if (drafter_ != nullptr) drafter_->Push(id);
  const bool ahead = static_cast<size_t>(length_) < session_.tokens().size();
  if (ahead && session_.tokens()[static_cast<size_t>(length_)] == id) {
    ++accepted_;
    const auto vocab = static_cast<size_t>(session_.model().vocab_rows());
    return {std::span(rows_).subspan(static_cast<size_t>(length_++ - first_) * vocab, vocab)};
  }
  GoBack();
  DraftAfter(more);
  const auto end = std::find_if(proposals_.begin(), proposals_.end(),
                                [this](const Proposal& proposal) { return ends_(proposal.id); });
  // An end token is proposed, but not run, since it is not run when it comes.
  const std::span<const float> logits = RunAhead(id, static_cast<size_t>(end - proposals_.begin()));
  ++steps_;
  ++length_;
  return {logits};
}

AfterToken ReplySteps::AddDrawn(int32_t id, int64_t more) {
  const Drawn& drawn = ahead_->Add(id, more);
  ++steps_;
  ++length_;
  if (drawn.whole) return {{}, &drawn};
  if (!drawn.logits.empty()) return {drawn.logits};
  // All logits are needed, and others may lie in their place by now.
  ahead_->GiveUp();
  session_.Rewind(length_ - 1);
  return {session_.Append({&id, 1})};
}

void ReplySteps::AddLast(int32_t id) {
  GoBack();
  session_.Defer(id);
  ++length_;
}

// No token is drafted that could not be of use: none beyond the reply or the context. The last
// token of a reply is not run either.
void ReplySteps::DraftAfter(int64_t more) {
  proposals_.clear();
  if (drafter_ == nullptr) return;
  const int64_t most = std::min({draft_tokens_, more - 1, remaining() - 1});
  if (most <= 0) return;
  const auto start = Clock::now();
  proposals_ = drafter_->Draft(static_cast<size_t>(most));
  draft_seconds_ += std::chrono::duration<double>(Clock::now() - start).count();
}

// Runs `id` and the first `count` proposals.
std::span<const float> ReplySteps::RunAhead(int32_t id, size_t count) {
  first_ = length_;
  if (count == 0) return session_.Append({&id, 1});
  std::vector<int32_t> ids = {id};
  for (size_t i = 0; i < count; ++i) ids.push_back(proposals_[i].id);
  const auto vocab = static_cast<size_t>(session_.model().vocab_rows());
  rows_.resize(ids.size() * vocab);
  session_.AppendScored(ids, [&](size_t index, std::span<const float> logits) {
    std::copy(logits.begin(), logits.end(),
              rows_.begin() + static_cast<std::ptrdiff_t>(index * vocab));
  });
  drafted_ += static_cast<int64_t>(count);
  return std::span(rows_).first(vocab);
}

// A draft is shorter than the slack of the session's rings, so nothing has to run again.
void ReplySteps::GoBack() {
  if (ahead_ != nullptr) ahead_->GiveUp();
  if (static_cast<size_t>(length_) < session_.tokens().size()) session_.Rewind(length_);
}

}  // namespace tandem
