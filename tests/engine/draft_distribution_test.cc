// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Replies with a draft model are distributed as replies without: whole replies of a small model are
// counted against their exact probabilities.
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include "engine/draft_test_util.h"
#include "engine/engine_impl.h"
#include "engine/sampler.h"
#include "engine/tiny_model.h"
#include "support/chi_square.h"

namespace tandem {
namespace {

constexpr int32_t kUsed = 4;   ///< Ids that may come.
constexpr int32_t kEnd = 3;    ///< Of these, the one that ends a reply.
constexpr size_t kLength = 4;  ///< Tokens that are counted.
const Ids kPrompt = {5, 1, 4};

std::shared_ptr<const Model> Tiny(uint64_t seed) {
  gemma3n::HyperParams params;
  params.layers = 1;
  params.width = 32;
  params.ffn = {16};
  params.heads = 1;
  params.kv_heads = 1;
  params.head_dim = 8;
  params.vocab = params.ple_vocab = 6;
  params.ple_width = 8;
  params.laurel_rank = 1;
  params.shared_kv_layers = 0;
  params.kinds = {gemma::LayerKind::kFull};
  params.window = 4;
  params.altup_inputs = 2;
  params.sparsity.assign(1, std::nullopt);
  params.logit_soft_cap = 5;
  params.context_length = 32;
  params.Validate("tiny model");
  return test::TinyModel(params, seed);
}

SamplingOptions Sampling() {
  SamplingOptions sampling;
  sampling.temperature = 1.2;
  sampling.top_k = 0;
  sampling.top_p = 1;
  for (int32_t id = kUsed; id < 6; ++id) {
    sampling.logit_bias.emplace_back(id, -std::numeric_limits<double>::infinity());
  }
  return sampling;
}

// Penalties, and tails that are cut differently in the two models.
SamplingOptions CutSampling() {
  SamplingOptions sampling = Sampling();
  sampling.top_k = 3;
  sampling.top_p = 0.9;
  sampling.min_p = 0.05;
  sampling.repeat_penalty = 1.2;
  sampling.frequency_penalty = 0.3;
  return sampling;
}

/// A reply as far as it is counted; kEnd is its last where it ended.
Ids Counted(const GenerationResult& result) {
  Ids reply = result.tokens;
  if (result.reason == EndReason::kEndOfTurn) reply.push_back(kEnd);
  if (reply.size() > kLength) reply.resize(kLength);
  return reply;
}

// The probability of every reply, of one engine without drafts.
void AddExact(Session& session, const SamplingOptions& sampling, const Ids& reply,
              double probability, std::map<Ids, double>& exact) {
  if (reply.size() == kLength || (!reply.empty() && reply.back() == kEnd)) {
    exact[reply] = probability;
    return;
  }
  const Ids history = Joined(kPrompt, reply);
  session.Reset();
  const Floats logits = Append(session, history);
  Sampler sampler(sampling, {});
  const Choices choices = sampler.Choose(logits, history);
  for (const Choice& c : choices.list) {
    AddExact(session, sampling, Joined(reply, Ids{c.id}), probability * choices.Probability(c.id),
             exact);
  }
}

std::map<Ids, double> Exact(const std::shared_ptr<const Model>& model,
                            const SamplingOptions& sampling) {
  Engine engine(model, test::TinyOptions(16));
  std::map<Ids, double> exact;
  AddExact(*engine.NewSession(), sampling, {}, 1, exact);
  return exact;
}

double Sigmas(const std::map<Ids, int64_t>& counts, const std::map<Ids, double>& exact) {
  std::vector<int64_t> cells;
  std::vector<double> probabilities;
  std::set<Ids> all;
  for (const auto& [reply, count] : counts) all.insert(reply);
  for (const auto& [reply, probability] : exact) all.insert(reply);
  for (const Ids& reply : all) {
    cells.push_back(counts.contains(reply) ? counts.at(reply) : 0);
    probabilities.push_back(exact.contains(reply) ? exact.at(reply) : 0);
  }
  return test::ChiSquareSigmas(cells, probabilities);
}

class DraftDistributionTest : public ::testing::Test {
 protected:
  std::map<Ids, int64_t> Count(const SamplingOptions& sampling, int draft_tokens, bool adapt,
                               int samples) {
    EngineOptions engine_options = test::TinyOptions(16);
    engine_options.draft_model = draft_;
    Engine engine(target_, engine_options);
    engine.impl().draft_costs = {0.2, 0.1};
    GenerationOptions options;
    options.sampling = sampling;
    options.draft = Draft::kModel;
    options.draft_tokens = draft_tokens;
    options.draft_adapt = adapt;
    options.stop_tokens = {kEnd};
    options.max_tokens = kLength + 3;  // The last ones are drafted less.
    std::map<Ids, int64_t> counts;
    const auto session = engine.NewSession();
    for (int i = 0; i < samples; ++i) {
      options.sampling.seed = static_cast<uint64_t>(i);
      session->Rewind(0);
      const GenerationResult result = Generate(*session, kPrompt, options);
      ++counts[Counted(result)];
      drafted_ += result.drafted;
      accepted_ += result.accepted;
    }
    return counts;
  }

  const std::shared_ptr<const Model> target_ = Tiny(1);
  const std::shared_ptr<const Model> draft_ = Tiny(2);
  int64_t drafted_ = 0;
  int64_t accepted_ = 0;
};

TEST_F(DraftDistributionTest, RepliesComeAsOftenAsWithoutDrafts) {
  const auto counts = Count(Sampling(), 3, false, 20000);
  EXPECT_LT(Sigmas(counts, Exact(target_, Sampling())), 5);
  // The draft model says something else, which this test would see.
  EXPECT_GT(Sigmas(counts, Exact(draft_, Sampling())), 20);
  EXPECT_GT(accepted_, 1000);
  EXPECT_GT(drafted_ - accepted_, 1000);
}

TEST_F(DraftDistributionTest, CutTailsAndPenaltiesToo) {
  const auto counts = Count(CutSampling(), 2, true, 20000);
  EXPECT_LT(Sigmas(counts, Exact(target_, CutSampling())), 5);
  EXPECT_GT(Sigmas(counts, Exact(draft_, CutSampling())), 20);
  EXPECT_GT(accepted_, 500);
}

}  // namespace
}  // namespace tandem
