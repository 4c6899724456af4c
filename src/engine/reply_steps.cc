// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/reply_steps.h"

#include <algorithm>
#include <utility>

namespace tandem {

ReplySteps::ReplySteps(Session& session, const GenerationOptions& options,
                       std::function<bool(int32_t)> ends)
    : session_(session),
      draft_(options.draft),
      draft_tokens_(options.draft_tokens),
      ends_(std::move(ends)),
      length_(static_cast<int64_t>(session.tokens().size())) {}

std::span<const float> ReplySteps::Add(int32_t id, int64_t more) {
  if (draft_ == Draft::kLookup) {
    if (!drafter_) drafter_.emplace(tokens());
    drafter_->Push(id);
  }
  const bool ahead = static_cast<size_t>(length_) < session_.tokens().size();
  if (ahead && session_.tokens()[static_cast<size_t>(length_)] == id) {
    ++accepted_;
    const auto vocab = static_cast<size_t>(session_.model().vocab_rows());
    return std::span(rows_).subspan(static_cast<size_t>(length_++ - first_) * vocab, vocab);
  }
  GoBack();
  const std::vector<int32_t> draft = DraftAfter(more);
  const std::span<const float> logits = draft.empty() ? session_.Append({&id, 1})  //
                                                      : RunAhead(id, draft);
  ++length_;
  return logits;
}

void ReplySteps::AddLast(int32_t id) {
  GoBack();
  session_.Defer(id);
  ++length_;
}

// No token is drafted that could not be of use: none beyond the reply or the context, and no end
// token, since it is not run when it comes. The last token of a reply is not run either.
std::vector<int32_t> ReplySteps::DraftAfter(int64_t more) const {
  if (!drafter_) return {};
  const int64_t most = std::min({draft_tokens_, more - 1, remaining() - 1});
  if (most <= 0) return {};
  std::vector<int32_t> draft = drafter_->Draft(static_cast<size_t>(most));
  draft.erase(std::find_if(draft.begin(), draft.end(), ends_), draft.end());
  return draft;
}

std::span<const float> ReplySteps::RunAhead(int32_t id, const std::vector<int32_t>& draft) {
  std::vector<int32_t> ids = {id};
  ids.insert(ids.end(), draft.begin(), draft.end());
  const auto vocab = static_cast<size_t>(session_.model().vocab_rows());
  rows_.resize(ids.size() * vocab);
  first_ = length_;
  session_.AppendScored(ids, [&](size_t index, std::span<const float> logits) {
    std::copy(logits.begin(), logits.end(),
              rows_.begin() + static_cast<std::ptrdiff_t>(index * vocab));
  });
  drafted_ += static_cast<int64_t>(draft.size());
  return std::span(rows_).first(vocab);
}

// A draft is shorter than the slack of the session's rings, so nothing has to run again.
void ReplySteps::GoBack() {
  if (static_cast<size_t>(length_) < session_.tokens().size()) session_.Rewind(length_);
}

}  // namespace tandem
