// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/draft_plan.h"

#include <algorithm>

namespace tandem {
namespace {

// Weight of the newest experience: about the last twenty proposals count.
constexpr double kPace = 0.05;
// Where drafting does not pay, one token is tried after this many, and after twice as many each
// time that it still does not, up to the second.
constexpr int64_t kFirstPause = 8;
constexpr int64_t kLongestPause = 64;

}  // namespace

bool DraftPlan::Begin(size_t most) {
  proposed_.clear();
  learned_ = 0;
  chance_ = 1;
  yield_ = 1;
  if (most == 0) return false;
  if (!adapt_) return true;
  yield_ = BestYield(rate_, most);
  if (yield_ > 1) {
    pause_ = 0;
    skipped_ = 0;
    return true;
  }
  // What cannot pay even if everything came is not tried again.
  if (!costs_.CanPay() || skipped_ < pause_) return false;
  pause_ = std::clamp(2 * pause_, kFirstPause, kLongestPause);
  skipped_ = 0;
  return true;
}

bool DraftPlan::Propose(double confidence) {
  const size_t its_class = ClassOf(confidence);
  const double chance = chance_ * class_rates_[its_class];
  // The draft model's step is paid for: what counts is the target's row. A trial has to teach.
  if (adapt_ && pause_ == 0 && chance < yield_ * costs_.extra_row) {
    // Steps for nothing count, or a text without a sure token would go on being drafted.
    rate_ += kPace * (class_rates_[its_class] - rate_);
    return false;
  }
  chance_ = chance;
  proposed_.push_back(its_class);
  return true;
}

bool DraftPlan::GoOn() const {
  if (!adapt_) return true;
  if (pause_ > 0) return false;
  return chance_ * rate_ >= yield_ * (costs_.extra_row + costs_.draft_step);
}

void DraftPlan::Learn(bool came) {
  if (learned_ == proposed_.size()) return;
  const double fate = came ? 1 : 0;
  double& class_rate = class_rates_[proposed_[learned_++]];
  class_rate += kPace * (fate - class_rate);
  rate_ += kPace * (fate - rate_);
  if (!came) learned_ = proposed_.size();
}

double DraftPlan::BestYield(double rate, size_t most) const {
  double best = 1;
  double tokens = 1;
  double chance = 1;
  for (size_t length = 1; length <= most; ++length) {
    chance *= rate;
    tokens += chance;
    const double cost = 1 + static_cast<double>(length) * (costs_.draft_step + costs_.extra_row);
    best = std::max(best, tokens / cost);
  }
  return best;
}

size_t DraftPlan::ClassOf(double confidence) {
  size_t its_class = 0;
  while (its_class + 1 < kUpTo.size() && confidence > kUpTo[its_class]) ++its_class;
  return its_class;
}

}  // namespace tandem
