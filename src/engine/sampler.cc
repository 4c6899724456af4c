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

[[noreturn]] void ThrowNothingAllowed() {
  throw Error(ErrorKind::kInvalidArgument, "no token is allowed", "relax logit biases");
}

// Ids whose weights have one sum: where the token lies is looked for in those of one block.
constexpr size_t kSumBlock = 256;

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
  if (options_.temperature != 0) tempered_ = TokenWeights(options_.temperature);
}

int32_t Sampler::Sample(std::span<const float> logits, std::span<const int32_t> history) {
  if (FromAll()) return DrawFromAll(AdjustedLogits(logits, history));
  return DrawFrom(Choose(logits, history));
}

int32_t Sampler::Sample(std::span<const float> logits, std::span<const int32_t> history,
                        const Choices& draft, int32_t proposed) {
  const Choices& target = Choose(logits, history);
  if (options_.temperature == 0) return target.list[0].id;
  const double keep = Fraction();
  return DrawProposed(target, draft, proposed, keep, Fraction());
}

int32_t Sampler::Sample(const Drawn& drawn) {
  if (FromAll()) {
    Fraction();
    return drawn.token;
  }
  candidates_.assign(drawn.likeliest.begin(), drawn.likeliest.end());
  ChooseAmongCandidates(options_.top_k == 0 ? drawn.total : 0);
  return DrawFrom(choices_);
}

std::optional<DrawParams> Sampler::DrawAhead(size_t ahead) const {
  if (!options_.logit_bias.empty() || Penalises()) return std::nullopt;
  if (options_.temperature == 0) return DrawParams{.top_k = kGreedyCandidates};
  if (options_.top_k > kMaxDrawn) return std::nullopt;
  std::mt19937_64 random = random_;
  random.discard(ahead);
  return DrawParams{.top_k = options_.top_k,
                    .temperature = options_.temperature,
                    .top_p = options_.top_p,
                    .min_p = options_.min_p,
                    .fraction = tandem::Fraction(random)};
}

int32_t Sampler::DrawFrom(const Choices& choices) {
  // Greedy choices take no random number.
  return options_.temperature == 0 ? choices.list[0].id : Draw(choices, Fraction());
}

const Choices& Sampler::Choose(std::span<const float> logits, std::span<const int32_t> history) {
  const std::span<const float> adjusted = AdjustedLogits(logits, history);
  if (options_.temperature == 0 || options_.top_k != 0) {
    FindLikeliest(adjusted, Keeps(adjusted.size()), -INFINITY);
    ChooseAmongCandidates(0);
  } else if (Cuts()) {
    FindKept(adjusted);
    Weigh();
  } else {
    ChooseAll(adjusted);
  }
  return choices_;
}

void Sampler::ChooseAmongCandidates(uint64_t total) {
  if (candidates_.empty()) ThrowNothingAllowed();
  if (options_.temperature == 0) return TakeFirst();
  CutTail(total);
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

size_t Sampler::Keeps(size_t all) const {
  if (options_.temperature == 0) return std::min<size_t>(all, kGreedyCandidates);
  return options_.top_k == 0 ? all : std::min(all, static_cast<size_t>(options_.top_k));
}

// Most of a large vocabulary cannot be among the best: a block of logits none of which is above the
// least of the candidates so far is passed over in a few vector instructions.
void Sampler::FindLikeliest(std::span<const float> logits, size_t keep, float least) {
  constexpr size_t kBlock = 64;
  const size_t all = logits.size();
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
        std::pop_heap(candidates_.begin(), candidates_.end(), kIsLikelier);
        candidates_.back() = candidate;
        std::push_heap(candidates_.begin(), candidates_.end(), kIsLikelier);
      } else {
        candidates_.push_back(candidate);
        if (candidates_.size() < keep) continue;
        std::make_heap(candidates_.begin(), candidates_.end(), kIsLikelier);
      }
      least = candidates_.front().logit;
    }
  }
  std::sort(candidates_.begin(), candidates_.end(), kIsLikelier);
}

float Sampler::Most(std::span<const float> logits) {
  FindLikeliest(logits, 1, -INFINITY);
  if (candidates_.empty()) ThrowNothingAllowed();
  return candidates_[0].logit;
}

template <typename Add>
void Sampler::EachOf(std::span<const float> logits, size_t first, float most,
                     const TokenWeights& weights, Add add) const {
  for (size_t i = 0; i < logits.size(); ++i) {
    // Above the most is only what is banned.
    if (!(logits[i] <= most)) continue;
    const uint32_t halvings = weights.Halvings(logits[i], most);
    if (halvings >= TokenWeights::kNone) continue;
    const auto id = static_cast<int32_t>(first + i);
    if (!banned_ || !banned_(id)) add(id, halvings);
  }
}

// Sums by blocks, then the token inside of one: no list of a vocabulary's weights, and no order but
// that of the ids.
int32_t Sampler::DrawFromAll(std::span<const float> logits) {
  const float most = Most(logits);
  const auto of_block = [&](size_t first, auto add) {
    const size_t count = std::min(kSumBlock, logits.size() - first);
    EachOf(logits.subspan(first, count), first, most, tempered_, add);
  };
  sums_.clear();
  uint64_t total = 0;
  for (size_t first = 0; first < logits.size(); first += kSumBlock) {
    uint64_t sum = 0;
    of_block(first, [&](int32_t, uint32_t halvings) { sum += TokenWeights::WeightOf(halvings); });
    sums_.push_back(sum);
    total += sum;
  }
  uint64_t target = PartOf(ShareOf(Fraction()), total);
  size_t block = 0;
  for (; target >= sums_[block]; ++block) target -= sums_[block];
  int32_t token = -1;
  of_block(block * kSumBlock, [&](int32_t id, uint32_t halvings) {
    const uint64_t weight = TokenWeights::WeightOf(halvings);
    if (token >= 0) return;
    if (target < weight) token = id;
    target -= weight;
  });
  return token;
}

void Sampler::ChooseAll(std::span<const float> logits) {
  choices_.list.clear();
  choices_.total = 0;
  EachOf(logits, 0, Most(logits), tempered_, [&](int32_t id, uint32_t halvings) {
    choices_.list.push_back({id, TokenWeights::WeightOf(halvings)});
    choices_.total += choices_.list.back().weight;
  });
  choices_.confidence = static_cast<double>(kFullWeight) / static_cast<double>(choices_.total);
}

// Sums of weights by ranges of them tell which ranges the cuts reach, and only what lies in those
// is sorted.
void Sampler::FindKept(std::span<const float> logits) {
  constexpr uint32_t kRange = TokenWeights::kHalf / 32;
  const float most = Most(logits);
  sums_.assign(TokenWeights::kNone / kRange + 1, 0);
  uint64_t total = 0;
  EachOf(logits, 0, most, plain_, [&](int32_t, uint32_t halvings) {
    const uint64_t weight = TokenWeights::WeightOf(halvings);
    sums_[halvings / kRange] += weight;
    total += weight;
  });
  const uint64_t least = LeastWeight(options_.min_p),
                 enough = PartOf(ShareOf(options_.top_p), total);
  uint32_t end = 0;  // of the halvings of what may be kept
  uint64_t before = 0;
  for (const uint64_t sum : sums_) {
    if ((options_.top_p < 1 && before >= enough) || TokenWeights::WeightOf(end) < least) break;
    before += sum;
    end += kRange;
  }
  FindLikeliest(logits, logits.size(), plain_.GreatestOf(std::max(end, 1U), most));
  CutTail(total);
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
void Sampler::CutTail(uint64_t total) {
  if (!Cuts()) return;
  const float most = candidates_[0].logit;
  if (total == 0) {
    for (const Candidate& c : candidates_) total += plain_.Weight(c.logit, most);
  }
  const uint64_t least = LeastWeight(options_.min_p),
                 enough = PartOf(ShareOf(options_.top_p), total);
  uint64_t sum = 0;
  size_t keep = 0;
  for (; keep < candidates_.size(); ++keep) {
    const uint64_t weight = plain_.Weight(candidates_[keep].logit, most);
    // Weights of nothing add nothing to a sum, so that top-p 1 must be told apart to mean all.
    if (keep > 0 && ((options_.top_p < 1 && sum >= enough) || weight < least)) break;
    sum += weight;
  }
  candidates_.resize(keep);
}

void Sampler::Weigh() {
  const float most = candidates_[0].logit;
  choices_.list.clear();
  choices_.total = 0;
  for (const Candidate& c : candidates_) {
    const uint64_t weight = tempered_.Weight(c.logit, most);
    if (weight == 0) break;
    choices_.list.push_back({c.id, weight});
    choices_.total += weight;
  }
  choices_.confidence = static_cast<double>(kFullWeight) / static_cast<double>(choices_.total);
}

double Sampler::Fraction() { return tandem::Fraction(random_); }

}  // namespace tandem
