// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/lookup_drafter.h"

#include <algorithm>

namespace tandem {
namespace {

constexpr int32_t kNoId = -1;

// Hit rates before there is any experience: about those of the second half of a manual or a source
// file after the first.
constexpr std::array<double, LookupDrafter::kLongest> kFirstRates = {0.2, 0.4, 0.6};
// Weight of the newest experience: six hits in a row make drafts of seven tokens, and two misses
// after them drafts of one.
constexpr double kPace = 0.2;
// A drafted token is run from this chance on: about what one more row of a step costs, in steps of
// one row, where the CPU has the weights in its cache. Rows are cheaper where they come from
// memory, so what is drafted there pays too.
constexpr double kWorth = 0.45;

}  // namespace

LookupDrafter::LookupDrafter(std::span<const int32_t> tokens, bool adapt)
    : adapt_(adapt), hit_rate_(kFirstRates) {
  tokens_.reserve(tokens.size());
  followed_.reserve(kLongest * tokens.size());
  for (const int32_t id : tokens) Add(id);
  match_ = Find();
}

void LookupDrafter::Push(int32_t id) {
  if (match_) {
    double& rate = hit_rate_[match_->length - 1];
    rate += kPace * ((tokens_[match_->next] == id ? 1.0 : 0.0) - rate);
  }
  Add(id);
  match_ = Find();
}

std::vector<Proposal> LookupDrafter::Draft(size_t most) {
  std::vector<Proposal> draft;
  if (!match_) return draft;
  double chance = 1;
  for (size_t i = 0; i < most; ++i) {
    // With each token that comes as drafted, the match grows by one.
    chance *= hit_rate_[std::min(match_->length + i, kLongest) - 1];
    if (adapt_ && chance < kWorth) break;
    // A text that repeats itself right now goes on from its own draft.
    const size_t source = match_->next + i;
    draft.push_back(
        {source < tokens_.size() ? tokens_[source] : draft[source - tokens_.size()].id, {}});
  }
  return draft;
}

size_t LookupDrafter::GramHash::operator()(const Gram& gram) const noexcept {
  uint64_t hash = 0;
  for (const int32_t id : gram) {
    hash = (hash ^ static_cast<uint32_t>(id)) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  }
  return static_cast<size_t>(hash);
}

LookupDrafter::Gram LookupDrafter::Last(size_t length) const {
  Gram gram;
  gram.fill(kNoId);
  std::copy(tokens_.end() - static_cast<std::ptrdiff_t>(length), tokens_.end(),
            gram.end() - static_cast<std::ptrdiff_t>(length));
  return gram;
}

void LookupDrafter::Add(int32_t id) {
  const size_t longest = std::min(kLongest, tokens_.size());
  for (size_t length = 1; length <= longest; ++length) followed_[Last(length)] = tokens_.size();
  tokens_.push_back(id);
}

std::optional<LookupDrafter::Match> LookupDrafter::Find() const {
  for (size_t length = std::min(kLongest, tokens_.size()); length > 0; --length) {
    const auto place = followed_.find(Last(length));
    if (place != followed_.end()) return Match{place->second, length};
  }
  return std::nullopt;
}

}  // namespace tandem
