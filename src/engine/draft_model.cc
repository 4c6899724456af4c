// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/draft_model.h"

#include <fmt/format.h>

#include <string>

#include "core/error.h"
#include "engine/model_data.h"
#include "engine/model_text.h"
#include "tokenizer/same_vocab.h"

namespace tandem {
namespace {

constexpr const char* kHint =
    "a draft model has the same vocabulary: another size or another weight type of the same family";

// One more row of a step, in steps of one row: where the weights come from memory, and where they
// lie in the processor's caches (docs/performance.md).
constexpr double kRowFromMemory = 0.2;
constexpr double kRowFromCache = 0.4;
constexpr uint64_t kCacheBytes = uint64_t{32} << 20;
// Of a step, what does not shrink with the weights: attention, norms, handing over; and catching up
// is more than a row.
constexpr double kFixedShare = 0.1;

[[noreturn]] void Refuse(const Model& target, const Model& draft, const std::string& why) {
  throw Error(ErrorKind::kUnsupported,
              fmt::format("{} cannot draft for {}: {}", draft.source(), target.source(), why),
              kHint);
}

std::string PieceText(const Vocab& vocab, int32_t id) {
  if (static_cast<size_t>(id) >= vocab.size()) return "nothing";
  return fmt::format("'{}'", Printable(vocab.pieces[static_cast<size_t>(id)]));
}

}  // namespace

void RequireSameVocabulary(const Model& target, const Model& draft) {
  const Tokenizer* ours = FindTokenizer(target);
  const Tokenizer* its = FindTokenizer(draft);
  if ((ours == nullptr) != (its == nullptr)) {
    Refuse(target, draft,
           fmt::format("only {} has a tokenizer", ours != nullptr ? "the latter" : "the former"));
  }
  if (ours == its) {
    if (target.vocab_rows() == draft.vocab_rows()) return;
    Refuse(target, draft,
           fmt::format("it has {} ids, not {}", draft.vocab_rows(), target.vocab_rows()));
  }
  const auto id = FirstVocabDifference(ours->vocab(), its->vocab());
  if (!id) return;
  std::string why = fmt::format("token {} is {} in its vocabulary and {} in the other", *id,
                                PieceText(its->vocab(), *id), PieceText(ours->vocab(), *id));
  if (its->vocab().size() != ours->vocab().size()) {
    why += fmt::format(", of {} and {} pieces", its->vocab().size(), ours->vocab().size());
  }
  Refuse(target, draft, why);
}

DraftCosts EstimateDraftCosts(const Model& target, const Model& draft) {
  const uint64_t bytes = MatrixBytesPerToken(target.data().decode);
  const uint64_t draft_bytes = MatrixBytesPerToken(draft.data().decode);
  const double share = static_cast<double>(draft_bytes) / static_cast<double>(bytes);
  return {kFixedShare + (1 - kFixedShare) * share,
          bytes < kCacheBytes ? kRowFromCache : kRowFromMemory};
}

}  // namespace tandem
