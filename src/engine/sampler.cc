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

[[noreturn]] void ThrowNan(size_t id) {
  throw Error(ErrorKind::kCorruptFile, fmt::format("the logit of token {} is not a number", id),
              "the model's weights may be damaged");
}

// The best and what tells how sure it is.
constexpr int kGreedyCandidates = 2;

// 53 random bits as a fraction; the standard's distributions differ between libraries.
double Fraction(std::mt19937_64& random) { return static_cast<double>(random() >> 11) * 0x1p-53; }

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

int32_t Sampler::Sample(std::span<const TokenLogit> likeliest) {
  candidates_.assign(likeliest.begin(), likeliest.end());
  ChooseAmongCandidates();
  return DrawFrom(choices_);
}

std::optional<DrawParams> Sampler::DrawAhead(size_t ahead) const {
  if (!options_.logit_bias.empty() || Penalises()) return std::nullopt;
  if (options_.temperature == 0) return DrawParams{.top_k = kGreedyCandidates};
  if (options_.top_k < 1 || options_.top_k > kMaxDrawn) return std::nullopt;
  std::mt19937_64 random = random_;
  random.discard(ahead);
  return DrawParams{.top_k = options_.top_k,
                    .temperature = static_cast<float>(options_.temperature),
                    .top_p = static_cast<float>(options_.top_p),
                    .min_p = static_cast<float>(options_.min_p),
                    .fraction = static_cast<float>(tandem::Fraction(random))};
}

int32_t Sampler::DrawFrom(const Choices& choices) {
  // Greedy choices take no random number.
  return options_.temperature == 0 ? choices.list[0].id : Draw(choices, Fraction());
}

const Choices& Sampler::Choose(std::span<const float> logits, std::span<const int32_t> history) {
  const std::span<const float> adjusted = AdjustedLogits(logits, history);
  const float least = BelowTheKept(adjusted);
  FindLikeliest(adjusted, least);
  if (candidates_.empty() || options_.temperature == 0) {
    ChooseAmongCandidates();
    return choices_;
  }
  if (!CutTail(allowed_weight_, least)) {
    // Rounding: the cut lies just below.
    FindLikeliest(adjusted, -INFINITY);
    CutTail(0, -INFINITY);
  }
  Weigh();
  return choices_;
}

void Sampler::ChooseAmongCandidates() {
  if (candidates_.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "no token is allowed", "relax logit biases");
  }
  if (options_.temperature == 0) return TakeFirst();
  CutTail(0, -INFINITY);
  Weigh();
}

void Sampler::TakeFirst() {
  choices_.list.assign(1, {candidates_[0].id, 1});
  choices_.total = 1;
  if (candidates_.size() == 1) {
    choices_.confidence = 1;
    return;
  }
  const double first = candidates_[0].logit, second = candidates_[1].logit;
  // Equal infinities have no difference.
  choices_.confidence = 1 / (1 + std::exp(first == second ? 0 : second - first));
}

// Most of a large vocabulary cannot be among the best: a block of logits none of which is above the
// least of the candidates so far is passed over in a few vector instructions.
void Sampler::FindLikeliest(std::span<const float> logits, float least) {
  constexpr size_t kBlock = 64;
  const size_t all = logits.size();
  const size_t keep = options_.temperature == 0 ? std::min<size_t>(all, kGreedyCandidates)
                      : options_.top_k == 0     ? all
                                            : std::min(all, static_cast<size_t>(options_.top_k));
  const auto likelier = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  candidates_.clear();  // while they fill up as they come, then a heap with the least on top
  for (size_t begin = 0; begin < all; begin += kBlock) {
    const size_t end = std::min(all, begin + kBlock);
    int any = 0;
    for (size_t id = begin; id < end; ++id) any |= static_cast<int>(!(logits[id] <= least));
    if (any == 0) continue;
    for (size_t id = begin; id < end; ++id) {
      const Candidate candidate{static_cast<int32_t>(id), logits[id]};
      if (std::isnan(candidate.logit)) ThrowNan(id);
      // Of equals the earlier is likelier, and has come before.
      if (candidate.logit <= least || (banned_ && banned_(candidate.id))) continue;
      if (candidates_.size() == keep) {
        std::pop_heap(candidates_.begin(), candidates_.end(), likelier);
        candidates_.back() = candidate;
        std::push_heap(candidates_.begin(), candidates_.end(), likelier);
      } else {
        candidates_.push_back(candidate);
        if (candidates_.size() < keep) continue;
        std::make_heap(candidates_.begin(), candidates_.end(), likelier);
      }
      least = candidates_.front().logit;
    }
  }
  std::sort(candidates_.begin(), candidates_.end(), likelier);
}

// Sorting a whole vocabulary takes longer than the model's last layers. Sums of weights by ranges
// of logits tell which ranges top-p reaches, and only what lies in those is sorted.
float Sampler::BelowTheKept(std::span<const float> logits) {
  allowed_weight_ = 0;
  const bool cuts = options_.top_p < 1 || options_.min_p > 0;
  if (options_.temperature == 0 || options_.top_k != 0 || !cuts) return -INFINITY;
  constexpr size_t kRanges = 1024;
  constexpr double kWidth = 1.0 / 32;  // of a range; the last is endless
  const auto allowed = [&](size_t id) { return !banned_ || !banned_(static_cast<int32_t>(id)); };
  float most = -INFINITY;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (std::isnan(logits[id])) ThrowNan(id);
    if (logits[id] > most && allowed(id)) most = logits[id];
  }
  if (std::isinf(most)) return -INFINITY;
  std::vector<double> weights(kRanges);
  double total = 0;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (logits[id] > most || logits[id] == -INFINITY || !allowed(id)) continue;
    const double below = static_cast<double>(most) - logits[id];
    const double weight = std::exp(-below);
    weights[static_cast<size_t>(std::min<double>(below / kWidth, kRanges - 1))] += weight;
    total += weight;
  }
  size_t reached = 0;
  for (double sum = 0; reached < kRanges; ++reached) {
    sum += weights[reached];
    if (options_.top_p < 1 && sum >= options_.top_p * total) break;
    if (std::exp(-static_cast<double>(reached + 1) * kWidth) < options_.min_p) break;
  }
  if (reached + 2 >= kRanges) return -INFINITY;
  allowed_weight_ = total;
  // A range more than was reached, for what rounding may move.
  return static_cast<float>(most - static_cast<double>(reached + 2) * kWidth);
}

bool Sampler::Penalises() const {
  return options_.penalty_window != 0 &&
         (options_.repeat_penalty != 1 || options_.frequency_penalty != 0 ||
          options_.presence_penalty != 0);
}

std::span<const float> Sampler::AdjustedLogits(std::span<const float> logits,
                                               std::span<const int32_t> history) {
  const bool penalise = Penalises();
  if (options_.logit_bias.empty() && !penalise) return logits;
  adjusted_.assign(logits.begin(), logits.end());
  const auto at = [&](int32_t id) -> float* {
    if (id < 0 || static_cast<size_t>(id) >= adjusted_.size()) return nullptr;
    // Infinite biases would hide it.
    if (std::isnan(logits[static_cast<size_t>(id)])) ThrowNan(static_cast<size_t>(id));
    return &adjusted_[static_cast<size_t>(id)];
  };
  for (const auto& [id, bias] : options_.logit_bias) {
    float* const logit = at(id);
    if (logit == nullptr) continue;
    // Opposite infinities have no sum; then the bias, which the caller set, decides.
    const auto sum = static_cast<float>(*logit + bias);
    *logit = std::isnan(sum) ? static_cast<float>(bias) : sum;
  }
  if (!penalise) return adjusted_;
  if (options_.penalty_window > 0 &&
      history.size() > static_cast<size_t>(options_.penalty_window)) {
    history = history.last(static_cast<size_t>(options_.penalty_window));
  }
  std::unordered_map<int32_t, int> counts;
  for (const int32_t id : history) ++counts[id];
  for (const auto& [id, count] : counts) {
    float* const target = at(id);
    if (target == nullptr) continue;
    double logit = *target;
    logit = logit > 0 ? logit / options_.repeat_penalty : logit * options_.repeat_penalty;
    logit -= count * options_.frequency_penalty + options_.presence_penalty;
    *target = static_cast<float>(logit);
  }
  return adjusted_;
}

// Top-p and min-p on the probabilities of the candidates, which are sorted; at least one stays.
bool Sampler::CutTail(double total, float least) {
  const double highest = candidates_[0].logit;
  if (std::isinf(highest)) {
    std::erase_if(candidates_, [&](const Candidate& c) { return c.logit != candidates_[0].logit; });
    return true;
  }
  if (total == 0) {
    for (const Candidate& c : candidates_) total += std::exp(c.logit - highest);
  }
  // Small weights vanish in the sum, so that 1 must be told apart to mean all.
  double sum = 0;
  const auto ends = [&](double weight) {
    return (options_.top_p < 1 && sum >= options_.top_p * total) || weight < options_.min_p;
  };
  size_t keep = 0;
  for (; keep < candidates_.size(); ++keep) {
    const double weight = std::exp(candidates_[keep].logit - highest);
    if (keep > 0 && ends(weight)) break;
    sum += weight;
  }
  candidates_.resize(keep);
  return least == -INFINITY || ends(std::exp(least - highest));
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

double Sampler::Fraction() { return tandem::Fraction(random_); }

}  // namespace tandem
