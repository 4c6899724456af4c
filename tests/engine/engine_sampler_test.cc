// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The sampler against a plain restatement of its rules: what can come out, and how often.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <set>
#include <string>

#include "engine/engine_test_util.h"
#include "engine/sampler.h"
#include "engine/sampler_test_util.h"
#include "tandem/generation.h"

namespace tandem {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

SamplingOptions Biased(double temperature, std::vector<std::pair<int32_t, double>> bias) {
  SamplingOptions options = Plain(temperature);
  options.logit_bias = std::move(bias);
  return options;
}

// Logits after penalties and finite biases.
std::vector<double> Adjusted(const Floats& logits, const Ids& history,
                             const SamplingOptions& options) {
  std::vector<double> out(logits.begin(), logits.end());
  for (const auto& [id, bias] : options.logit_bias) out[static_cast<size_t>(id)] += bias;
  const size_t window = options.penalty_window < 0
                            ? history.size()
                            : std::min(history.size(), static_cast<size_t>(options.penalty_window));
  const Ids recent(history.end() - static_cast<int64_t>(window), history.end());
  for (size_t id = 0; id < out.size(); ++id) {
    const auto count = std::count(recent.begin(), recent.end(), static_cast<int32_t>(id));
    if (count == 0) continue;
    out[id] = out[id] > 0 ? out[id] / options.repeat_penalty : out[id] * options.repeat_penalty;
    out[id] -= static_cast<double>(count) * options.frequency_penalty;
    out[id] -= options.presence_penalty;
  }
  return out;
}

// Probability of every id.
std::vector<double> Expected(const Floats& logits, const Ids& history,
                             const SamplingOptions& options, const std::set<int32_t>& banned) {
  const std::vector<double> adjusted = Adjusted(logits, history, options);
  std::vector<std::pair<double, size_t>> order;
  for (size_t id = 0; id < logits.size(); ++id) {
    if (!banned.count(static_cast<int32_t>(id))) order.emplace_back(-adjusted[id], id);
  }
  std::sort(order.begin(), order.end());
  if (options.top_k > 0 && order.size() > static_cast<size_t>(options.top_k)) {
    order.resize(static_cast<size_t>(options.top_k));
  }
  double total = 0;
  for (const auto& [negative, id] : order) total += std::exp(-negative);
  std::vector<double> weights(logits.size(), 0);
  double before = 0;
  double kept = 0;
  for (const auto& [negative, id] : order) {
    const double probability = std::exp(-negative) / total;
    const double highest = std::exp(-order[0].first) / total;
    const bool first = id == order[0].second;
    if (first || (before < options.top_p && probability >= options.min_p * highest)) {
      weights[id] = std::exp((order[0].first - negative) / options.temperature);
      kept += weights[id];
    }
    before += probability;
  }
  for (double& weight : weights) weight /= kept;
  return weights;
}

std::vector<int> Draws(const SamplingOptions& options, const Floats& logits, const Ids& history,
                       const std::set<int32_t>& banned, int draws) {
  Sampler sampler(options, [&](int32_t id) { return banned.count(id) > 0; });
  std::vector<int> counts(logits.size());
  for (int i = 0; i < draws; ++i) ++counts.at(static_cast<size_t>(sampler.Sample(logits, history)));
  return counts;
}

int32_t Greedy(const Floats& logits, SamplingOptions options = Plain(0), const Ids& history = {}) {
  options.temperature = 0;
  return Sampler(options, {}).Sample(logits, history);
}

// All candidates in a list, sorted: the way of few lines.
std::vector<std::pair<double, int32_t>> AllSorted(const std::vector<double>& logits,
                                                  const std::set<int32_t>& banned) {
  std::vector<std::pair<double, int32_t>> order;
  for (size_t id = 0; id < logits.size(); ++id) {
    const double logit = static_cast<float>(logits[id]);
    if (logit == -kInfinity || banned.count(static_cast<int32_t>(id))) continue;
    order.emplace_back(-logit, static_cast<int32_t>(id));
  }
  std::sort(order.begin(), order.end());
  return order;
}

// A vocabulary of many blocks, with equal logits at the edge of top-k, rising and falling ones, and
// ids that are not allowed among the best: greedy takes the first of the sorted list, and sampling
// at a temperature that makes all alike takes the first top-k of it and no others.
TEST(SamplerTest, LargeVocabulariesGiveTheHeadOfTheSortedList) {
  std::mt19937_64 random(11);
  for (size_t round = 0; round < 40; ++round) {
    const size_t vocab = 3000 + random() % 200;
    Floats logits = RandomLogits(vocab, 8, random);
    // Few different values: ties everywhere.
    if (round % 2) {
      for (float& logit : logits) logit = std::round(logit * 4);
    }
    if (round % 5 == 1) std::sort(logits.begin(), logits.end());
    if (round % 5 == 2) std::sort(logits.rbegin(), logits.rend());
    for (int i = 0; i < 20; ++i) logits[random() % vocab] = -INFINITY;
    SamplingOptions options = Plain(1e2);
    options.seed = random();
    options.top_k = static_cast<int>(1 + random() % 64);
    if (round % 3 == 0) {
      options.repeat_penalty = 1.5;
      options.logit_bias = {{5, 3.0}, {7, -kInfinity}};
    }
    const Ids history = RandomIds(30, random(), vocab);
    const std::vector<double> adjusted = Adjusted(logits, history, options);
    std::set<int32_t> banned;
    auto order = AllSorted(adjusted, {});
    for (size_t i = 0; i < 30; ++i) banned.insert(order[random() % 90].second);
    order = AllSorted(adjusted, banned);
    const auto is_banned = [&](int32_t id) { return banned.count(id) > 0; };
    SamplingOptions greedy = options;
    greedy.temperature = 0;
    EXPECT_EQ(Sampler(greedy, is_banned).Sample(logits, history), order[0].second) << round;
    order.resize(static_cast<size_t>(options.top_k));
    std::set<int32_t> expected, got;
    for (const auto& [negative, id] : order) expected.insert(id);
    Sampler sampler(options, is_banned);
    for (int i = 0; i < 40 * options.top_k && got != expected; ++i) {
      got.insert(sampler.Sample(logits, history));
    }
    EXPECT_EQ(got, expected) << round;
  }
}

// The cuts of top-p and min-p over a vocabulary that is not sorted as a whole, from flat to peaked.
TEST(SamplerTest, CutsOfLargeVocabulariesAreThoseOfTheSortedList) {
  std::mt19937_64 random(12);
  for (size_t round = 0; round < 60; ++round) {
    const size_t vocab = 2000;
    const double spread = std::exp2(static_cast<double>(round % 7) - 3);
    Floats logits = RandomLogits(vocab, spread, random);
    if (round % 4 == 1) logits[random() % vocab] = static_cast<float>(20 * spread);
    if (round % 4 == 2) {
      for (float& logit : logits) logit = std::round(logit * 4) / 4;
    }
    for (int i = 0; i < 20; ++i) logits[random() % vocab] = -INFINITY;
    SamplingOptions options = Plain(1e2);
    options.seed = random();
    if (round % 3 != 1) options.top_p = static_cast<double>(random() % 1000) / 1000;
    if (round % 3 != 0) options.min_p = static_cast<double>(1 + random() % 900) / 1000;
    std::set<int32_t> banned;
    while (banned.size() < 50) banned.insert(static_cast<int32_t>(random() % vocab));
    const auto expected = Expected(logits, {}, options, banned);
    Sampler sampler(options, [&](int32_t id) { return banned.count(id) > 0; });
    const Choices& choices = sampler.Choose(logits, {});
    std::set<int32_t> got, want;
    for (const auto& choice : choices.list) got.insert(choice.id);
    for (size_t id = 0; id < vocab; ++id) {
      if (expected[id] > 0) want.insert(static_cast<int32_t>(id));
    }
    EXPECT_EQ(got, want) << "round " << round << ", top-p " << options.top_p << ", min-p "
                         << options.min_p;
  }
}

TEST(SamplerTest, GreedyTakesTheHighestAndTheLowestIdOfEquals) {
  EXPECT_EQ(Greedy({1, 3, 2}), 1);
  EXPECT_EQ(Greedy({1, 3, 2, 3, 3}), 1);
  EXPECT_EQ(Greedy({-0.0F, 0.0F}), 0);
  EXPECT_EQ(Greedy({-5, -4, -4}), 1);
  EXPECT_EQ(Sampler(Plain(0), [](int32_t id) { return id == 1; }).Sample(Floats{1, 3, 2, 3}, {}),
            3);
}

// At a high temperature all that the tail cuts leave comes out about equally often, and shows.
TEST(SamplerTest, ExactlyTheIdsThatTheCutsLeaveComeOut) {
  std::mt19937_64 random(1);
  for (size_t round = 0; round < 200; ++round) {
    const Floats logits = RandomLogits(40, 8, random);
    SamplingOptions options = Plain(50);
    options.seed = random();
    if (random() % 2) options.top_k = static_cast<int>(1 + random() % 45);
    if (random() % 2) options.top_p = static_cast<double>(random() % 1000) / 1000;
    if (random() % 2) options.min_p = static_cast<double>(random() % 400) / 1000;
    if (random() % 2) options.repeat_penalty = 1.3;
    const Ids history = RandomIds(20, random(), 40);
    std::set<int32_t> banned;
    while (banned.size() < round % 30) banned.insert(static_cast<int32_t>(random() % 40));
    const auto expected = Expected(logits, history, options, banned);
    const auto counts = Draws(options, logits, history, banned, 800);
    for (size_t id = 0; id < logits.size(); ++id) {
      EXPECT_EQ(counts[id] > 0, expected[id] > 0)
          << "round " << round << ", id " << id << ", top-k " << options.top_k << ", top-p "
          << options.top_p << ", min-p " << options.min_p;
    }
  }
}

// Sum of squared deviations over expectations: its mean is the number of ids less one, its variance
// twice that.
TEST(SamplerTest, FrequenciesMatchTheProbabilities) {
  std::mt19937_64 random(2);
  constexpr int kDraws = 20000;
  for (const double temperature : {0.5, 1.0, 1.7}) {
    for (const int top_k : {0, 8}) {
      const Floats logits = RandomLogits(20, 5, random);
      SamplingOptions options = Plain(temperature);
      options.top_k = top_k;
      options.top_p = top_k ? 0.9 : 1;
      options.frequency_penalty = 0.2;
      options.logit_bias = {{3, 0.7}, {4, -0.4}};
      options.seed = random();
      const Ids history = {1, 2, 1, 3};
      const auto expected = Expected(logits, history, options, {7});
      const auto counts = Draws(options, logits, history, {7}, kDraws);
      double statistic = 0;
      int possible = 0;
      for (size_t id = 0; id < logits.size(); ++id) {
        if (expected[id] == 0) {
          EXPECT_EQ(counts[id], 0);
          continue;
        }
        ++possible;
        const double mean = expected[id] * kDraws;
        statistic += (counts[id] - mean) * (counts[id] - mean) / mean;
      }
      const double freedom = possible - 1;
      EXPECT_LT(statistic, freedom + 4 * std::sqrt(2 * freedom)) << temperature << " " << top_k;
    }
  }
}

TEST(SamplerTest, PenaltiesAndBiasesFollowTheirFormulae) {
  std::mt19937_64 random(3);
  int changed = 0;
  for (int round = 0; round < 3000; ++round) {
    const Floats logits = RandomLogits(12, 4, random);
    const Ids history = RandomIds(random() % 30, random(), 14);  // some beyond the vocabulary
    SamplingOptions options = Plain(0);
    const auto fraction = [&] { return static_cast<double>(random() % 1000) / 1000; };
    if (random() % 2) options.repeat_penalty = 0.5 + 1.5 * fraction();
    if (random() % 2) options.frequency_penalty = fraction() - 0.5;
    if (random() % 2) options.presence_penalty = 2 * fraction() - 1;
    options.penalty_window = static_cast<int>(random() % 12) - 1;
    if (random() % 2) options.logit_bias = {{2, fraction()}, {5, -fraction()}, {2, 0.1}};
    const auto adjusted = Adjusted(logits, history, options);
    const auto highest = std::max_element(adjusted.begin(), adjusted.end()) - adjusted.begin();
    EXPECT_EQ(Greedy(logits, options, history), highest) << round;
    changed += highest != Greedy(logits);
  }
  EXPECT_GT(changed, 500);
}

TEST(SamplerTest, InfiniteBiasesMeanAlwaysAndNever) {
  const Floats logits = {1, 2, 3, 4};
  const auto draws = [&](std::vector<std::pair<int32_t, double>> bias,
                         const std::set<int32_t>& banned = {}) {
    return Draws(Biased(5, std::move(bias)), logits, {}, banned, 400);
  };
  EXPECT_EQ(draws({{0, kInfinity}}), (std::vector<int>{400, 0, 0, 0}));
  const auto two = draws({{0, kInfinity}, {2, kInfinity}});
  EXPECT_EQ(two[0] + two[2], 400);
  EXPECT_NEAR(two[0], 200, 50) << "infinities are equal";
  EXPECT_EQ(draws({{3, -kInfinity}})[3], 0);
  EXPECT_EQ(draws({{3, kInfinity}}, {3})[3], 0) << "banned all the same";
  EXPECT_EQ(Greedy(logits, Biased(0, {{1, kInfinity}, {2, kInfinity}})), 1);
  EXPECT_EQ(Greedy(logits, Biased(0, {{3, -kInfinity}})), 2);

  const Error error = Caught([&] {
    draws({{0, -kInfinity}, {1, -kInfinity}, {2, -kInfinity}}, {3});
  });
  EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(error.message(), "no token is allowed");
}

TEST(SamplerTest, ContradictingInfinitiesAreNoNumbersToSortBy) {
  const Floats logits = {1, 2, -INFINITY, 4};
  EXPECT_EQ(Greedy(logits, Biased(0, {{2, kInfinity}})), 2);
  EXPECT_EQ(Greedy(logits, Biased(0, {{0, -kInfinity}, {0, kInfinity}})), 0);
  EXPECT_EQ(Greedy(logits, Biased(0, {{3, kInfinity}, {3, -kInfinity}})), 1);
  const auto counts = Draws(Biased(1, {{2, kInfinity}}), logits, {}, {}, 50);
  EXPECT_EQ(counts[2], 50);
}

TEST(SamplerTest, BiasesOfIdsThatAModelDoesNotHaveAreNothing) {
  EXPECT_EQ(Greedy({1, 2}, Biased(0, {{2, kInfinity}, {1 << 30, kInfinity}})), 1);
}

TEST(SamplerTest, TemperaturesAtTheirLimits) {
  const Floats logits = {3, 3.5, -1, 3.499F};
  for (const double tiny : {1e-6, 1e-300, 5e-324}) {
    EXPECT_EQ(Draws(Plain(tiny), logits, {}, {}, 200)[1], 200) << tiny;
  }
  const auto hot = Draws(Plain(100), logits, {}, {}, 4000);
  for (const int count : hot) EXPECT_NEAR(count, 1000, 130);
}

// Their probability at temperature 1 is too small to count next to 1, but top-p 1 means all.
TEST(SamplerTest, TopPOfOneKeepsTheUnlikeliest) {
  const auto counts = Draws(Plain(100), {30, -30, 0}, {}, {}, 1000);
  for (const int count : counts) EXPECT_GT(count, 100);
}

TEST(SamplerTest, TightestCutsLeaveTheHighest) {
  const Floats logits = {1, 5, 5, 4};
  SamplingOptions options = Plain(100);
  options.top_p = 0;
  EXPECT_EQ(Draws(options, logits, {}, {}, 100)[1], 100);
  options = Plain(100);
  options.top_k = 1;
  EXPECT_EQ(Draws(options, logits, {}, {}, 100)[1], 100);
  options = Plain(100);
  options.min_p = 1;
  const auto counts = Draws(options, logits, {}, {}, 100);
  EXPECT_EQ(counts[1] + counts[2], 100);
  EXPECT_GT(counts[2], 0) << "as likely as the likeliest";
}

TEST(SamplerTest, LogitsThatAreNoNumbersAreAnError) {
  for (const double temperature : {0.0, 1.0}) {
    Sampler sampler(Plain(temperature), [](int32_t id) { return id == 1; });
    for (const size_t place : {0, 1, 2}) {
      Floats logits = {1, 2, 3};
      logits[place] = NAN;
      const Error error = Caught([&] { sampler.Sample(logits, {}); });
      EXPECT_EQ(error.kind(), ErrorKind::kCorruptFile);
      EXPECT_NE(error.message().find("token " + std::to_string(place)), std::string::npos);
    }
    EXPECT_EQ(Caught([&] { sampler.Sample({}, {}); }).kind(), ErrorKind::kInvalidArgument);
    EXPECT_EQ(sampler.Sample(Floats{-INFINITY, 0, 1}, {}), 2) << "usable after errors";
  }
}

TEST(SamplerTest, OptionsOutOfRangeAreRefusedByName) {
  const auto refused = [](const std::string& name, auto member, auto... values) {
    for (const auto& value : {values...}) {
      SamplingOptions options;
      options.*member = value;
      for (const auto& action : {std::function<void()>([&] { Validate(options); }),
                                 std::function<void()>([&] { Sampler(options, {}); })}) {
        const Error error = Caught(action);
        EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
        EXPECT_EQ(error.message().rfind(name + " is ", 0), 0u) << error.message();
      }
    }
  };
  refused("temperature", &SamplingOptions::temperature, -0.1, 100.1, kNan, kInfinity, -kInfinity);
  refused("top-k", &SamplingOptions::top_k, -1, INT32_MIN, INT32_MAX);
  refused("top-p", &SamplingOptions::top_p, -0.1, 1.1, kNan, kInfinity);
  refused("min-p", &SamplingOptions::min_p, -0.1, 1.1, kNan);
  refused("repeat penalty", &SamplingOptions::repeat_penalty, 0.0, -1.0, 101.0, kNan);
  refused("frequency penalty", &SamplingOptions::frequency_penalty, -101.0, 101.0, kNan);
  refused("presence penalty", &SamplingOptions::presence_penalty, -101.0, 101.0, kInfinity);
  refused("penalty window", &SamplingOptions::penalty_window, -2, INT32_MAX);
  using Bias = std::vector<std::pair<int32_t, double>>;
  refused("token id of a logit bias", &SamplingOptions::logit_bias, Bias{{-1, 1.0}},
          Bias{{0, 1.0}, {INT32_MAX, 1.0}});
  const Error error = Caught([] { Validate(Biased(1, {{0, kNan}})); });
  EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
  EXPECT_NE(error.message().find("bias"), std::string::npos);
  Validate(Biased(100, {{0, kInfinity}}));
}

// A device that looks for the likeliest tokens itself must find those of all logits: by hand, from
// all of them, comes the same reply.
TEST(Sampler, RepliesAreThoseOfAllLogits) {
  const auto model = Fable();
  for (const int threads : {1, 3}) {
    Engine engine(model, Options(64, threads));
    std::mt19937_64 random(9);
    for (int n = 0; n < 12; ++n) {
      GenerationOptions options;
      options.max_tokens = 12;
      options.sampling.seed = random();
      options.sampling.temperature = n % 4 == 0 ? 0 : 2;
      options.sampling.top_k = n % 4 == 3 ? 0 : static_cast<int>(1 + random() % 256);
      options.sampling.top_p = n % 3 == 0 ? 0.8 : 1;
      options.sampling.min_p = n % 5 == 0 ? 0.01 : 0;
      const Ids prompt = RandomIds(10, random(), 4000);
      const Ids reply = Generate(*engine.NewSession(128), prompt, options).tokens;
      Sampler sampler(options.sampling, [&](int32_t id) { return model->IsBanned(id); });
      const auto session = engine.NewSession(128);
      Ids by_hand;
      for (auto logits = session->Append(prompt); by_hand.size() < 12;) {
        const int32_t id = sampler.Sample(logits, session->tokens());
        const auto& ends = model->end_tokens();
        if (std::find(ends.begin(), ends.end(), id) != ends.end()) break;
        by_hand.push_back(id);
        logits = session->Append({&id, 1});
      }
      EXPECT_EQ(reply, by_hand) << n;
    }
  }
}

}  // namespace
}  // namespace tandem
