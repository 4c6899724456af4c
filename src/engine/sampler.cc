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
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  if (options_.temperature == 0) {
    return std::min_element(candidates_.begin(), candidates_.end(), likelier)->id;
  }
  const size_t keep = options_.top_k == 0
                          ? candidates_.size()
                          : std::min(candidates_.size(), static_cast<size_t>(options_.top_k));
  std::partial_sort(candidates_.begin(), candidates_.begin() + static_cast<int64_t>(keep),
                    candidates_.end(), likelier);
  candidates_.resize(keep);
  CutTail();
  return Draw();
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

int32_t Sampler::Draw() {
  const double highest = candidates_[0].logit;
  std::vector<double> weights;
  double total = 0;
  for (const Candidate& c : candidates_) {
    weights.push_back(std::isinf(highest) ? 1.0
                                          : std::exp((c.logit - highest) / options_.temperature));
    total += weights.back();
  }
  // 53 random bits as a fraction; the standard's distributions differ between libraries.
  double target = static_cast<double>(random_() >> 11) * 0x1p-53 * total;
  for (size_t i = 0; i + 1 < candidates_.size(); ++i) {
    if (target < weights[i]) return candidates_[i].id;
    target -= weights[i];
  }
  return candidates_.back().id;
}

}  // namespace tandem
