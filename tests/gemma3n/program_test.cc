// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The shape of the Program itself: what runs for which rows, and what Verify refuses.
#include "gemma3n/program.h"

#include <gtest/gtest.h>

#include <functional>

#include "core/error.h"
#include "support/random_model.h"

namespace tandem::testing {
namespace {

using gemma3n::HyperParams;
using gemma3n::LayerKind;

HyperParams E2bLike() {
  HyperParams p;
  p.layers = 10;
  p.width = 32;
  p.heads = 2;
  p.kv_heads = 1;
  p.head_dim = 8;
  p.vocab = 40;
  p.ple_vocab = 40;
  p.ple_width = 8;
  p.laurel_rank = 4;
  p.window = 4;
  p.shared_kv_layers = 5;
  for (int layer = 0; layer < p.layers; ++layer) {
    p.ffn.push_back(48);
    p.kinds.push_back(layer % 5 == 4 ? LayerKind::kFull : LayerKind::kSliding);
    p.sparsity.push_back(layer < 3 ? std::optional(1.64f) : std::nullopt);
  }
  return p;
}

int Count(const Program& program, std::string_view name, RowSet rows) {
  return static_cast<int>(std::count_if(program.ops.begin(), program.ops.end(), [&](const Op& op) {
    return OpName(op.body) == name && op.rows == rows;
  }));
}

TEST(Prefill, RunsOnlyTheLayersThatOwnKeysAndValuesForAllRows) {
  const RandomModel model = MakeRandomModel(E2bLike(), 1);
  const Program program = BuildProgram(model.params, model.weights, gemma3n::Rows::kSomeWanted);
  // Owners are layers 0-4: of the last, unwanted rows run no more than K and V.
  EXPECT_EQ(Count(program, "QkvProject", RowSet::kAll), 5);
  EXPECT_EQ(Count(program, "Attention", RowSet::kAll), 4);
  EXPECT_EQ(Count(program, "GatedMlp", RowSet::kAll), 4);
  EXPECT_EQ(Count(program, "GatedMlp", RowSet::kWanted), 6);
  EXPECT_EQ(Count(program, "LmHead", RowSet::kWanted), 1);
  EXPECT_EQ(Count(program, "LmHead", RowSet::kAll), 0);
  EXPECT_EQ(program.caches.size(), 5u);
  for (const Op& op : program.ops) {
    const auto* project = std::get_if<PleProject>(&op.body);
    if (project == nullptr) continue;
    EXPECT_EQ(project->projections.size(), op.rows == RowSet::kAll ? 4u : 6u);
  }
}

TEST(Prefill, WithoutSharingOnlyTheLastLayerIsCut) {
  HyperParams params = E2bLike();
  params.shared_kv_layers = 0;
  const RandomModel model = MakeRandomModel(params, 1);
  const Program program = BuildProgram(params, model.weights, gemma3n::Rows::kSomeWanted);
  EXPECT_EQ(Count(program, "GatedMlp", RowSet::kAll), 9);
  EXPECT_EQ(Count(program, "GatedMlp", RowSet::kWanted), 1);
  EXPECT_EQ(program.caches.size(), 10u);
}

TEST(Program, SharedLayersReadTheLastOwnerOfTheirKind) {
  const RandomModel model = MakeRandomModel(E2bLike(), 1);
  const Program program = BuildProgram(model.params, model.weights, gemma3n::Rows::kAllWanted);
  for (const Op& op : program.ops) {
    const auto* attention = std::get_if<Attention>(&op.body);
    if (attention == nullptr || op.layer < 5) continue;
    EXPECT_EQ(program.caches[static_cast<size_t>(attention->cache)].layer, op.layer == 9 ? 4 : 3);
  }
}

TEST(Program, PrintsALinePerOp) {
  const RandomModel model = MakeRandomModel(E2bLike(), 1);
  const Program program = BuildProgram(model.params, model.weights, gemma3n::Rows::kSomeWanted);
  const std::string text = Print(program);
  EXPECT_EQ(static_cast<size_t>(std::count(text.begin(), text.end(), '\n')),
            program.ops.size() + 1);
  EXPECT_NE(text.find("SelectRows"), std::string::npos);
}

TEST(Verify, RefusesBrokenPrograms) {
  const RandomModel model = MakeRandomModel(E2bLike(), 1);
  const Program good = BuildProgram(model.params, model.weights, gemma3n::Rows::kSomeWanted);
  EXPECT_NO_THROW(Verify(good));
  const auto refused = [&](const std::function<void(Program&)>& breakage) {
    Program program = good;
    breakage(program);
    EXPECT_THROW(Verify(program), Error);
  };
  const auto first = [](Program & program, auto* type) -> auto& {
    using Body = std::remove_pointer_t<decltype(type)>;
    for (Op& op : program.ops) {
      if (auto* body = std::get_if<Body>(&op.body)) return *body;
    }
    throw std::logic_error("no such op");
  };
  refused([](Program& p) { p.ops.pop_back(); });
  refused([](Program& p) { p.ops.erase(p.ops.begin()); });
  refused([](Program& p) { p.values[0].width += 1; });
  refused([](Program& p) { p.logits = kNoId; });
  refused([](Program& p) { std::swap(p.ops[3], p.ops[6]); });
  refused([&](Program& p) { first(p, static_cast<GatedMlp*>(nullptr)).h = 1000; });
  refused([&](Program& p) { first(p, static_cast<GatedMlp*>(nullptr)).down.rows -= 1; });
  refused([&](Program& p) { first(p, static_cast<Attention*>(nullptr)).window += 1; });
  refused([&](Program& p) { first(p, static_cast<Attention*>(nullptr)).cache = 3; });
  refused([&](Program& p) { first(p, static_cast<QkvProject*>(nullptr)).kv_heads = 2; });
  refused([&](Program& p) { first(p, static_cast<PleGather*>(nullptr)).columns[0] = 1 << 20; });
  refused([&](Program& p) { first(p, static_cast<AltUpPredict*>(nullptr)).active = 4; });
  refused([](Program& p) {
    for (Op& op : p.ops) {
      if (OpName(op.body) == "FinalNorm") op.rows = RowSet::kAll;
    }
  });
}

TEST(NormalQuantile, MatchesPublishedValues) {
  EXPECT_NEAR(gemma3n::NormalQuantile(0.95), 1.6448536269514722, 1e-12);
  EXPECT_NEAR(gemma3n::NormalQuantile(0.5), 0.0, 1e-12);
  EXPECT_NEAR(gemma3n::NormalQuantile(0.001), -3.090232306167813, 1e-11);
}

}  // namespace
}  // namespace tandem::testing
