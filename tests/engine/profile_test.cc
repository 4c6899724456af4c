// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Bytes and multiply-adds of a Program made by hand, counted by hand; their sums by kind of op; and
// profiles of an engine.
#include "engine/profile.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/engine_impl.h"
#include "engine/op_work.h"
#include "engine_test_util.h"

namespace tandem {
namespace {

// Two heads of 32 over one of keys and values, width 64, window 4; a dense and a sparse FFN.
class HandMade : public testing::Test {
 protected:
  HandMade() {
    x_ = program_.AddValue("x", RowSet::kAll, 1, 64);
    q_ = program_.AddValue("q", RowSet::kAll, 1, 64);
    streams_ = program_.AddValue("streams", RowSet::kAll, 4, 64);
    h_ = program_.AddValue("h", RowSet::kAll, 1, 64);
    late_ = program_.AddValue("late", RowSet::kWanted, 1, 64);
    logits_ = program_.AddValue("logits", RowSet::kWanted, 1, 10);
    program_.caches.push_back({"kv", 0, 1, 32, 4});
    Add(EmbedTokens{View(DType::kQ8_0, 10, 64), 1, x_});
    QkvProject qkv;
    qkv.normed = x_;
    qkv.heads = 2;
    qkv.kv_heads = 1;
    qkv.head_dim = 32;
    qkv.query = View(DType::kQ4_0, 64, 64);
    qkv.key = qkv.value = View(DType::kF16, 32, 64);
    qkv.q = q_;
    qkv.cache = 0;
    Add(qkv);
    Add(Attention{q_, 0, 2, 4, 1, h_});
    GatedMlp mlp;
    mlp.h = h_;
    mlp.gate = mlp.up = View(DType::kQ8_0, 96, 64);
    mlp.down = View(DType::kQ8_0, 64, 96);
    mlp.out = x_;
    Add(mlp);
    mlp.sparse = true;
    Add(mlp);
    AltUpPredict predict;
    predict.streams = predict.predictions = streams_;
    Add(predict);
    Add(SelectRows{x_, late_});
    Add(LmHead{late_, View(DType::kQ8_0, 10, 64), 0, logits_}, RowSet::kWanted);
  }

  template <typename Body>
  void Add(Body body, RowSet rows = RowSet::kAll) {
    Op op;
    op.body = std::move(body);
    op.rows = std::holds_alternative<SelectRows>(op.body) ? RowSet::kWanted : rows;
    program_.ops.push_back(std::move(op));
  }
  WeightView View(DType type, int64_t rows, int64_t cols) const {
    return {type, rows, cols, RowBytes(type, cols), &byte_};
  }
  OpWork Work(size_t op) const {
    return WorkOf(program_, program_.ops[op], rows_, DType::kF16, int8_);
  }

  enum {
    kEmbed,
    kQkv,
    kAttention,
    kDense,
    kSparse,
    kPredict,
    kSelect,
    kHead
  };
  std::byte byte_{};
  Program program_;
  ValueId x_, q_, streams_, h_, late_, logits_;
  // Positions 6 and 7 of one sequence, the last one wanted.
  std::vector<StepRow> rows_ = {{1, 6, 0, false}, {2, 7, 0, true}};
  Int8Test int8_ = [](const WeightView& w) { return w.type != DType::kF16; };
};

TEST_F(HandMade, MatricesCountOnceAndMultiplyPerRow) {
  const OpWork work = Work(kQkv);
  EXPECT_EQ(work.weight_bytes, 64u * 36 + 2 * 32 * 128);
  EXPECT_EQ(work.int8_macs, 2u * 64 * 64);
  EXPECT_EQ(work.float_macs, 2u * 2 * 32 * 64);
  EXPECT_EQ(work.kv_bytes, 2u * 2 * 32 * 2);        // rows, keys and values, dims, halves
  EXPECT_EQ(work.value_bytes, 2u * (64 + 64) * 4);  // x and q
  EXPECT_EQ(work.streamed_bytes() + work.value_bytes, work.bytes());
}

TEST_F(HandMade, LookUpsReadTheirRows) {
  EXPECT_EQ(Work(kEmbed).weight_bytes, 2u * 68);
  EXPECT_EQ(Work(kEmbed).macs(), 0u);
}

TEST_F(HandMade, AttentionReadsTheUnionOfWindowsAndMultipliesEach) {
  // Row 6 sees 3..6 and row 7 sees 4..7.
  EXPECT_EQ(Work(kAttention).kv_bytes, 5u * 2 * 32 * 2);
  EXPECT_EQ(Work(kAttention).float_macs, 2u * (4 + 4) * 2 * 32);
  rows_[1].sequence = 1;
  EXPECT_EQ(Work(kAttention).kv_bytes, 8u * 2 * 32 * 2);
  rows_ = {{1, 1, 0, true}};
  EXPECT_EQ(Work(kAttention).kv_bytes, 2u * 2 * 32 * 2);
}

TEST_F(HandMade, SparseLayersAreUpperBounds) {
  EXPECT_FALSE(Work(kDense).at_most);
  EXPECT_TRUE(Work(kSparse).at_most);
  EXPECT_EQ(Work(kDense).weight_bytes, Work(kSparse).weight_bytes);
  EXPECT_EQ(Work(kDense).weight_bytes, 2u * 96 * 68 + 64 * 102);
}

TEST_F(HandMade, AltUpMixesInFloat) {
  EXPECT_EQ(Work(kPredict).float_macs, 2u * (4 * 64 + 64 + 16 * 64));
  EXPECT_EQ(Work(kPredict).value_bytes, 2u * 2 * 4 * 64 * 4);
}

TEST_F(HandMade, WantedRowsOnly) {
  EXPECT_EQ(Work(kHead).int8_macs, 10u * 64);
  EXPECT_EQ(Work(kSelect).value_bytes, 2u * 64 * 4);
  rows_[1].wanted = false;
  EXPECT_EQ(Work(kHead).bytes(), 0u);
}

TEST_F(HandMade, SumsAreByKindAndTheMostTimeFirst) {
  StepTimes step{&program_, rows_, {}, {}, {}};
  for (size_t op = 0; op < program_.ops.size(); ++op) {
    step.ops.push_back({op, op == kAttention ? 0.5 : 0.01});
  }
  StepTimes single{&program_, {{3, 8, 0, true}}, {{kDense, 0.25}, {kHead, 0.125}}, {}, {}};
  // An op that ran for no row took no time that counts.
  StepTimes unwanted{&program_, {{4, 9, 0, false}}, {{kHead, 9}}, {}, {}};
  const PhaseProfile phase = SumSteps(std::vector{step, single, unwanted}, 2, DType::kF16, int8_);
  EXPECT_EQ(phase.tokens, 4);
  ASSERT_FALSE(phase.ops.empty());
  EXPECT_EQ(phase.ops[0].label(), "Attention window");
  double sum = 0;
  OpWork work;
  const auto find = [&](const std::string& label) {
    for (const OpLine& op : phase.ops) {
      if (op.label() == label) return op;
    }
    ADD_FAILURE() << "no " << label;
    return OpLine{};
  };
  for (const OpLine& op : phase.ops) {
    sum += op.seconds;
    work += op.work;
  }
  EXPECT_EQ(find("GatedMlp dense").calls, 2);
  EXPECT_DOUBLE_EQ(find("GatedMlp dense").seconds, 0.26);
  EXPECT_TRUE(find("GatedMlp sparse").work.at_most);
  EXPECT_DOUBLE_EQ(find("LmHead last row").seconds, 0.01);
  EXPECT_DOUBLE_EQ(find("LmHead").seconds, 0.125);
  EXPECT_DOUBLE_EQ(phase.between(), 2 - sum);
  EXPECT_EQ(phase.total.work.bytes(), work.bytes());
  EXPECT_EQ(phase.total.work.macs(), work.macs());
  EXPECT_DOUBLE_EQ(phase.streamed_per_token() * 4, static_cast<double>(work.streamed_bytes()));
}

TEST(OpLineRates, ShareOfThePeakWeighsEachKind) {
  OpLine op;
  op.seconds = 2;
  op.work.weight_bytes = 4'000'000'000;
  op.work.int8_macs = 100'000'000'000;
  op.work.float_macs = 10'000'000'000;
  const MachineLimits limits{8, 7, 100, 20, 1, "avx2"};
  EXPECT_DOUBLE_EQ(op.gb_s(), 2);
  EXPECT_DOUBLE_EQ(op.read_share(limits), 0.25);
  EXPECT_DOUBLE_EQ(op.gmac_s(), 55);
  EXPECT_DOUBLE_EQ(op.peak_share(limits), (1.0 + 0.5) / 2);
  EXPECT_EQ(OpLine{}.gb_s(), 0);
  EXPECT_EQ(OpLine{}.peak_share(limits), 0);
}

TEST(RunProfile, CoversTheProgramsOfAModel) {
  Engine engine(RandomModel("base"), Options(16));
  BenchOptions options;
  options.prompts = {40};
  options.decode = 3;
  options.contexts = {5};
  options.repetitions = 2;
  const ProfileResult result = RunProfile(engine, options);
  ASSERT_EQ(result.phases.size(), 2u);
  EXPECT_EQ(result.phases[0].tokens, 40);
  EXPECT_EQ(result.phases[1].tokens, 3);
  EXPECT_EQ(result.phases[1].context, 5);
  EXPECT_EQ(PhaseTitle(result.phases[0]), "prefill of 40 tokens after 5");
  EXPECT_EQ(PhaseTitle(result.phases[1]), "decode of 3 tokens after 5");
  const Program& decode = engine.model().data().decode;
  EXPECT_EQ(result.phases[1].total.calls, 3 * static_cast<int64_t>(decode.ops.size()));
  EXPECT_EQ(result.phases[1].total.work.weight_bytes % 3, 0u);
  EXPECT_GE(result.phases[1].total.work.weight_bytes / 3, MatrixBytesPerToken(decode));
  for (const PhaseProfile& phase : result.phases) {
    EXPECT_GT(phase.seconds, 0);
    EXPECT_GE(phase.between(), 0);
    EXPECT_TRUE(std::isfinite(phase.streamed_gb_s()));
  }
  // Nothing is noted after the profile.
  const auto session = engine.NewSession();
  session->Append(RandomIds(3, 1));
}

TEST(RunProfile, TakesOneLengthAndOneDepth) {
  Engine engine(RandomModel("base"), Options(16));
  BenchOptions options;
  options.prompts = {4, 8};
  EXPECT_EQ(Caught([&] { RunProfile(engine, options); }).kind(), ErrorKind::kInvalidArgument);
  options.prompts = {4};
  options.contexts = {};
  EXPECT_EQ(Caught([&] { RunProfile(engine, options); }).kind(), ErrorKind::kInvalidArgument);
  options.contexts = {100000};
  EXPECT_EQ(Caught([&] { RunProfile(engine, options); }).kind(), ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace tandem
