// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Whole models whose prompts are multiplied on the emulated NPU: goldens of the reference
// implementation within what rounding does, what runs there and what does not, and what is refused.
#include <algorithm>
#include <cmath>
#include <cstdio>

#include "engine/engine_impl.h"
#include "engine/engine_test_util.h"
#include "engine/profile.h"
#include "engine/tiny_model.h"
#include "support/model_test.h"

namespace tandem {
namespace {

EngineOptions OnNpu(const std::string& generation, int64_t chunk = 64) {
  EngineOptions options = Options(chunk, 1);
  options.prefill = "npu";
  options.decode = "cpu";
  options.npu_generation = generation;
  return options;
}

/// Of a row of logits, in nats.
std::vector<double> LogProbabilities(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  std::vector<double> result;
  for (const float logit : logits) result.push_back(logit - most - std::log(sum));
  return result;
}

struct Closeness {
  double divergence = 0;  ///< Mean, in nats.
  double same = 0;        ///< Share of rows with the same likeliest token.
};
Closeness Compare(const std::vector<Floats>& got, const Floats& want) {
  Closeness closeness;
  for (size_t t = 0; t < got.size(); ++t) {
    const std::span<const float> row = std::span(want).subspan(t * got[t].size(), got[t].size());
    const std::vector<double> p = LogProbabilities(row);
    const std::vector<double> q = LogProbabilities(got[t]);
    for (size_t i = 0; i < p.size(); ++i) closeness.divergence += std::exp(p[i]) * (p[i] - q[i]);
    const auto best = [](const auto& all) {
      return std::max_element(all.begin(), all.end()) - all.begin();
    };
    closeness.same += best(p) == best(q) ? 1 : 0;
  }
  const auto rows = static_cast<double>(got.size());
  return {closeness.divergence / rows, closeness.same / rows};
}

/// Of the steps since it was made.
class Counting {
 public:
  explicit Counting(Phase& phase) : phase_(phase) { phase_.RecordInto(&steps_); }
  ~Counting() { phase_.RecordInto(nullptr); }
  Counting(const Counting&) = delete;
  Counting& operator=(const Counting&) = delete;
  ArrayCounts counts() const {
    ArrayCounts sum;
    for (const StepTimes& step : steps_) sum += step.array;
    return sum;
  }

 private:
  Phase& phase_;
  std::vector<StepTimes> steps_;
};

class NpuGoldens : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {};

// Float weights are rounded to 8 bits of mantissa, and so are activations; without any slack of
// training these models make the most of it.
TEST_P(NpuGoldens, LogitsAgreeWithinRounding) {
  const auto& [name, generation] = GetParam();
  const std::filesystem::path golden = "data/random/" + name + "/golden.safetensors";
  const Ids ids = test::GoldenIds(golden);
  Engine engine(RandomModel(name), OnNpu(generation));
  const std::vector<Floats> got = Scored(*engine.NewSession(), ids);
  ASSERT_EQ(got.size(), ids.size());
  ASSERT_NE(engine.impl().scoring, nullptr) << "scored on the CPU";
  const Closeness close = Compare(got, test::GoldenLogits(golden));
  EXPECT_LT(close.divergence, 0.02);
  EXPECT_GE(close.same, 0.88);
}

INSTANTIATE_TEST_SUITE_P(Models, NpuGoldens,
                         ::testing::Combine(::testing::Values("base", "mha"),
                                            ::testing::Values("npu1", "npu2")));

TEST(NpuEngine, PromptsAreMultipliedThereAndNothingElseIs) {
  Engine engine(Fable(), OnNpu("npu1"));
  EXPECT_EQ(engine.DecodeDevice(), "cpu");
  EXPECT_NE(engine.Description().find("npu1, emulated"), std::string::npos);
  const auto session = engine.NewSession();
  const Ids ids = RandomIds(64 + 20, 3, 2400);
  {
    // Two steps: QKV, attention, O and the MLP of four layers, all sparse, K and V of a fifth, the
    // streams, PLE: all in one configuration.
    const Counting prompt(*engine.impl().prefill);
    Append(*session, ids);
    EXPECT_EQ(prompt.counts().calls, 2U * (15 + 4));
    EXPECT_GT(prompt.counts().modelled_seconds, 0);
    EXPECT_LE(prompt.counts().switches, 1U);
  }
  const Counting few(*engine.impl().prefill);
  const Counting one(*engine.impl().decode);
  Append(*session, std::span(ids).first(16));
  Append(*session, std::span(ids).first(1));
  Scored(*session, std::span(ids).first(5));
  EXPECT_EQ(few.counts().calls, 0U);
  EXPECT_EQ(one.counts().calls, 0U);
  EXPECT_EQ(engine.impl().scoring, nullptr);
}

// A score wants all rows of all layers, and attention runs there as in a prompt.
TEST(NpuEngine, WhatAScoreRunsThereIsSaid) {
  Engine engine(Fable(), OnNpu("npu1"));
  const auto session = engine.NewSession();
  const Ids ids = RandomIds(40, 3, 2400);
  Scored(*session, ids);
  ASSERT_NE(engine.impl().scoring, nullptr) << "scored on the CPU";
  const Counting step(*engine.impl().scoring);
  Scored(*session, ids);
  const std::string said = engine.Description();
  const size_t at = said.find("emulated: ");
  ASSERT_NE(at, std::string::npos) << said;
  uint64_t products = 0;
  uint64_t attentions = 0;
  ASSERT_EQ(std::sscanf(said.c_str() + at, "emulated: %lu products and %lu attentions a step",
                        &products, &attentions),
            2)
      << said;
  EXPECT_GT(attentions, 0U) << said;
  EXPECT_EQ(products + attentions, step.counts().calls) << said;
}

// Five calls are a layer of Gemma 3n, and seven where nothing is a list; a sparse one has a run
// more in its MLP's.
TEST(NpuEngine, MlpsAndPerLayerMixesAreOneCallEach) {
  gemma3n::HyperParams params = testing::RandomParams(1);
  params.layers = 4;
  params.shared_kv_layers = 1;
  params.width = params.ple_width = params.vocab = params.ple_vocab = 128;
  params.heads = 4;
  params.kv_heads = 2;
  params.head_dim = 64;
  params.altup_inputs = 2;
  params.altup_active = 0;
  params.ffn.assign(4, 256);
  params.kinds.assign(4, gemma3n::LayerKind::kSliding);
  params.sparsity = {1.6F, std::nullopt, std::nullopt, std::nullopt};
  params.Validate("four layers");
  for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
    const auto model = test::TinyModel(params, 5, type);
    for (const bool precise : {false, true}) {
      EngineOptions options = test::TinyOptions(64);
      options.prefill = "npu";
      options.decode = "cpu";
      options.precise = precise;
      Engine engine(model, options);
      const Counting prompt(*engine.impl().prefill);
      Append(*engine.NewSession(), RandomIds(40, 1, 128));
      // Of the third layer keys and values alone are needed for all tokens; beside the layers the
      // second stream of AltUp and the per-layer inputs.
      constexpr uint64_t kOthers = 1 + 2;
      EXPECT_EQ(prompt.counts().runs, (precise ? 7U : 8U) + 7 + kOthers);
      EXPECT_EQ(prompt.counts().calls, (precise ? 7U + 7 : 5U + 5) + kOthers);
      EXPECT_LE(prompt.counts().switches, 1U);
    }
  }
}

// Close to the CPU's, which rounds activations otherwise, whatever the chunks and the generation.
TEST(NpuEngine, LogitsAreNextToTheCpus) {
  const Ids ids = RandomIds(70, 4, 2400);
  EngineOptions exact = Options(64, 1);
  exact.precise = true;
  Engine cpu(Fable(), exact);
  const Floats want = Fresh(cpu, ids);
  for (const auto& [generation, chunk] : {std::pair("npu1", 64), {"npu1", 256}, {"npu2", 30}}) {
    Engine npu(Fable(), OnNpu(generation, chunk));
    const Floats got = Fresh(npu, ids);
    EXPECT_LT(Compare({got}, want).divergence, 0.02) << generation << " " << chunk;
  }
}

TEST(NpuEngine, ProfilesSayCallsAndModelledTime) {
  Engine engine(Fable(), OnNpu("npu2"));
  BenchOptions options;
  options.prompts = {24};
  options.decode = 1;
  options.repetitions = 1;
  const ProfileResult result = RunProfile(engine, options);
  ASSERT_EQ(result.phases.size(), 2U);
  EXPECT_EQ(result.phases[0].array.calls, 19U);
  EXPECT_GT(result.phases[0].array.seconds, 19 * 1e-4);  // a call takes 0.1 ms if it does nothing
  EXPECT_EQ(result.phases[1].array.calls, 0U);
}

TEST(NpuEngine, EverythingOnTheNpuIsPrompts) {
  EngineOptions options = OnNpu("npu1");
  options.prefill = options.decode = "";
  options.device = "npu";
  Engine engine(RandomModel("base"), options);
  EXPECT_EQ(engine.DecodeDevice(), "cpu");
  EXPECT_NE(engine.impl().prefill_device, engine.impl().decode_device);
}

TEST(NpuEngine, RefusesWhatMakesNoSense) {
  const auto error_of = [](EngineOptions options) {
    return Caught([&] { Engine(Fable(), options); });
  };
  EngineOptions options = OnNpu("npu3");
  Error error = error_of(options);
  EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
  EXPECT_EQ(error.message(), "there is no NPU generation 'npu3'");
  options = OnNpu("npu1");
  options.npu_budget = 0;
  EXPECT_EQ(error_of(options).kind(), ErrorKind::kInvalidArgument);
  options.npu_budget = 1000;
  error = error_of(options);
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  EXPECT_NE(error.message().find("19 beyond the budget"), std::string::npos) << error.message();
  EXPECT_NE(error.hint().find("the smallest takes 0.1 MB"), std::string::npos) << error.hint();
  options = OnNpu("npu1");
  options.decode = "npu";
  EXPECT_EQ(error_of(options).kind(), ErrorKind::kUnsupported);
}

TEST(NpuEngine, RefusesModelsThatAreTooNarrow) {
  EngineOptions options = test::TinyOptions(64);
  options.prefill = "npu";
  options.decode = "cpu";
  const auto model = test::TinyModel(1, 64);
  const Error error = Caught([&] { Engine(model, options); });
  EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
  EXPECT_NE(error.message().find("narrower than 128"), std::string::npos) << error.message();
}

// What does not fit is the CPU's, and the replies stay.
TEST(NpuEngine, KeepsToItsBudget) {
  EngineOptions options = OnNpu("npu1");
  options.npu_budget = 1'500'000;
  Engine engine(Fable(), options);
  EXPECT_NE(engine.Description().find("beyond the budget"), std::string::npos)
      << engine.Description();
  Engine cpu(Fable(), Options(64, 1));
  const Ids ids = RandomIds(30, 5, 2400);
  EXPECT_LT(Compare({Fresh(engine, ids)}, Fresh(cpu, ids)).divergence, 0.01);
}

}  // namespace
}  // namespace tandem
