// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/sampler.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "engine/api_guard.h"

namespace tandem {
namespace {

void CheckRange(const char* name, double value, double low, double high) {
  // Written so that NaN fails.
  if (value >= low && value <= high) return;
  throw Error(ErrorKind::kInvalidArgument,
              fmt::format("{} is {}, expected {} to {}", name, value, low, high));
}

}  // namespace

void Validate(const SamplingOptions& options) {
  AtBorder([&] {
    CheckRange("temperature", options.temperature, 0, 100);
    CheckRange("top-k", options.top_k, 0, 1 << 30);
    CheckRange("top-p", options.top_p, 0, 1);
    CheckRange("min-p", options.min_p, 0, 1);
    CheckRange("repeat penalty", options.repeat_penalty, 0.01, 100);
    CheckRange("frequency penalty", options.frequency_penalty, -100, 100);
    CheckRange("presence penalty", options.presence_penalty, -100, 100);
    CheckRange("penalty window", options.penalty_window, -1, 1 << 30);
    for (const auto& [id, bias] : options.logit_bias) {
      CheckRange("token id of a logit bias", id, 0, 1 << 30);
      // Infinities are meant: always and never.
      if (std::isnan(bias))
        throw Error(ErrorKind::kInvalidArgument, "a logit bias is not a number");
    }
  });
}

Sampler::Sampler(const SamplingOptions& options, std::function<bool(int32_t)> banned)
    : options_(options), banned_(std::move(banned)), random_(options.seed) {
  Validate(options_);
}

int32_t Sampler::Sample(std::span<const float> logits, std::span<const int32_t> history) {
  return DrawFrom(Choose(logits, history));
}

int32_t Sampler::Sample(std::span<const float> logits, std::span<const int32_t> history,
                        const Choices& draft, int32_t proposed) {
  const Choices& target = Choose(logits, history);
  if (options_.temperature == 0) return target.list[0].id;
  const double keep = Fraction();
  return DrawProposed(target, draft, proposed, keep, Fraction());
}

int32_t Sampler::DrawFrom(const Choices& choices) {
  // Greedy choices take no random number.
  return options_.temperature == 0 ? choices.list[0].id : Draw(choices, Fraction());
}

const Choices& Sampler::Choose(std::span<const float> logits, std::span<const int32_t> history) {
  candidates_.clear();
  for (size_t id = 0; id < logits.size(); ++id) {
    if (std::isnan(logits[id])) {
      throw Error(ErrorKind::kCorruptFile, fmt::format("the logit of token {} is not a number", id),
                  "the model's weights may be damaged");
    }
    candidates_.push_back({static_cast<int32_t>(id), logits[id]});
  }
  AdjustLogits(history);
  std::erase_if(candidates_, [&](const Candidate& c) {
    return c.logit == -INFINITY || (banned_ && banned_(c.id));
  });
  if (candidates_.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "no token is allowed", "relax logit biases");
  }
  if (options_.temperature == 0) {
    ChooseLikeliest();
    return choices_;
  }
  const size_t keep = options_.top_k == 0
                          ? candidates_.size()
                          : std::min(candidates_.size(), static_cast<size_t>(options_.top_k));
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<int64_t>(keep),
                    candidates_.end(), IsLikelier);
  candidates_.resize(keep);
  CutTail();
  Weigh();
  return choices_;
}

bool Sampler::IsLikelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

void Sampler::ChooseLikeliest() {
  const Candidate* best = &candidates_[0];
  const Candidate* second = nullptr;
  for (size_t i = 1; i < candidates_.size(); ++i) {
    const Candidate* candidate = &candidates_[i];
    if (IsLikelier(*candidate, *best)) {
      second = best;
      best = candidate;
    } else if (second == nullptr || IsLikelier(*candidate, *second)) {
      second = candidate;
    }
  }
  choices_.list.assign(1, {best->id, 1});
  choices_.total = 1;
  // Equal infinities have no difference.
  const double gap = second == nullptr              ? INFINITY
                     : second->logit == best->logit ? 0
                                                    : double{best->logit} - second->logit;
  choices_.confidence = 1 / (1 + std::exp(-gap));
}

void Sampler::AdjustLogits(std::span<const int32_t> history) {
  for (const auto& [id, bias] : options_.logit_bias) {
    if (static_cast<size_t>(id) < candidates_.size()) {
      // Opposite infinities have no sum; then the bias, which the caller set, decides.
      float& logit = candidates_[static_cast<size_t>(id)].logit;
      const auto sum = static_cast<float>(logit + bias);
      logit = std::isnan(sum) ? static_cast<float>(bias) : sum;
    }
  }
  const bool penalise = options_.repeat_penalty != 1 || options_.frequency_penalty != 0 ||
                        options_.presence_penalty != 0;
  if (!penalise || options_.penalty_window == 0) return;
  if (options_.penalty_window > 0 &&
      history.size() > static_cast<size_t>(options_.penalty_window)) {
    history = history.last(static_cast<size_t>(options_.penalty_window));
  }
  std::unordered_map<int32_t, int> counts;
  for (const int32_t id : history) ++counts[id];
  for (const auto& [id, count] : counts) {
    if (id < 0 || static_cast<size_t>(id) >= candidates_.size()) continue;
    double logit = candidates_[static_cast<size_t>(id)].logit;
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    logit -= count * options_.frequency_penalty + options_.presence_penalty;
    candidates_[static_cast<size_t>(id)].logit = static_cast<float>(logit);
  }
}

// Top-p and min-p on the probabilities of the candidates, which are sorted; at least one stays.
void Sampler::CutTail() {
  const double highest = candidates_[0].logit;
  if (std::isinf(highest)) {
    std::erase_if(candidates_, [&](const Candidate& c) { return c.logit != candidates_[0].logit; });
    return;
  }
  double total = 0;
  for (const Candidate& c : candidates_) total += std::exp(c.logit - highest);
  double sum = 0;
  size_t keep = 0;
  while (keep < candidates_.size()) {
    const double weight = std::exp(candidates_[keep].logit - highest);
    // Small weights vanish in the sum, so that 1 must be told apart to mean all.
    const bool enough = options_.top_p < 1 && sum >= options_.top_p * total;
    if (keep > 0 && (enough || weight < options_.min_p)) break;
    sum += weight;
    ++keep;
  }
  candidates_.resize(keep);
}

void Sampler::Weigh() {
  const double highest = candidates_[0].logit;
  choices_.list.clear();
  choices_.total = 0;
  for (const Candidate& c : candidates_) {
    const double weight =
        std::isinf(highest) ? 1.0 : std::exp((c.logit - highest) / options_.temperature);
    choices_.list.push_back({c.id, weight});
    choices_.total += weight;
  }
  choices_.confidence = choices_.list[0].weight / choices_.total;
}

// 53 random bits as a fraction; the standard's distributions differ between libraries.
double Sampler::Fraction() { return static_cast<double>(random_() >> 11) * 0x1p-53; }

}  // namespace tandem
