// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Fused kernels: what the plan fuses and what it says of the rest, and tokens one at a time and
// several together against the CPU, which does the same ops one by one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <list>
#include <memory>
#include <optional>
#include <random>

#include "core/error.h"
#include "devices/cpu/cpu_device.h"
#include "devices/vulkan/fusion.h"
#include "gemma3/program.h"
#include "gemma3n/program.h"
#include "support/random_gemma3.h"
#include "support/random_model.h"
#include "support/vulkan_test.h"

namespace tandem::testing {
namespace {

using vulkan::FusedSpan;
using vulkan::FusionLimits;
using vulkan::Pattern;

constexpr FusionLimits kLimits{uint64_t{1} << 27, 32, 256};

// A model of a shape that everything of a layer fuses in.
gemma3n::HyperParams FusibleParams(uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto pick = [&](std::initializer_list<int> choices) {
    return choices.begin()[random() % choices.size()];
  };
  gemma3n::HyperParams p = RandomParams(seed);
  p.width = pick({32, 96, 256, 1056});  // the last: more than a quad a thread
  p.kv_heads = pick({1, 2, 3});
  p.heads = p.kv_heads * pick({1, 2, 4});
  p.head_dim = pick({32, 64, 96, 128});
  p.ple_width = pick({32, 64});
  p.laurel_rank = pick({8, 32, 64});
  p.altup_inputs = pick({2, 3, 4});
  p.altup_active = static_cast<int>(random() % static_cast<uint64_t>(p.altup_inputs));
  // 1024: rows that several subgroups share.
  for (int64_t& ffn : p.ffn) ffn = pick({32, 160, 1024, 1056});
  p.window = pick({1, 8, 40, 100});
  p.Validate("parameters");
  return p;
}

size_t CountPlain(const std::vector<FusedSpan>& spans, const Program& program) {
  size_t plain = 0;
  for (const FusedSpan& span : spans) {
    plain += program.ops[span.ops.begin].layer >= 0 && span.pattern == Pattern::kPlain ? 1 : 0;
  }
  return plain;
}

// Logits of each token, `together` of them a step, and what the caches hold at the end. The ops
// before `cut` are a segment of their own.
struct Run {
  std::vector<float> logits;
  std::vector<std::vector<float>> caches;
};
Run RunTokens(const Program& program, Device& device, const std::vector<int32_t>& ids,
              int64_t together = 1, KernelCounts* kernels = nullptr, size_t cut = 0) {
  const auto count = static_cast<int64_t>(ids.size());
  std::vector<std::vector<float>> buffers;
  std::vector<float*> pointers;
  for (const Value& value : program.values) {
    buffers.emplace_back(static_cast<size_t>(together * value.planes * value.width), NAN);
    pointers.push_back(buffers.back().data());
  }
  Run run;
  std::vector<KvView> caches;
  for (const CacheTensor& cache : program.caches) {
    run.caches.emplace_back(static_cast<size_t>(2 * count * cache.width()), 0.0F);
    auto* data = reinterpret_cast<std::byte*>(run.caches.back().data());
    caches.push_back({DType::kF32, count, cache.width(), data,
                      data + static_cast<size_t>(count * cache.width()) * sizeof(float)});
  }
  const std::span<const KvView> views = caches;
  std::vector<std::unique_ptr<Segment>> segments;
  if (cut > 0) segments.push_back(device.Compile(program, {0, cut}, {together, together}));
  segments.push_back(device.Compile(program, {cut, program.ops.size()}, {together, together}));
  for (int64_t first = 0; first < count; first += together) {
    std::vector<StepRow> rows;
    for (int64_t t = first; t < std::min(first + together, count); ++t) {
      rows.push_back({ids[static_cast<size_t>(t)], static_cast<int32_t>(t), 0, true});
    }
    Bindings bindings{pointers, {&views, 1}};
    std::vector<OpTime> times;
    if (kernels != nullptr) bindings.times = &times;
    bindings.kernels = kernels;
    for (const auto& segment : segments) segment->Submit(bindings, rows).Wait();
    const float* logits = pointers[static_cast<size_t>(program.logits)];
    run.logits.insert(run.logits.end(), logits,
                      logits + rows.size() * static_cast<size_t>(program.vocab_rows));
  }
  return run;
}

// Root of the mean square of what they differ by, as a share of b's.
double Difference(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, size = 1e-12;
  for (size_t i = 0; i < a.size(); ++i) {
    const double off = double{a[i]} - double{b[i]};
    difference += std::isfinite(off) ? off * off : INFINITY;
    size += double{b[i]} * double{b[i]};
  }
  return std::sqrt(difference / size);
}

void ExpectAsOnTheCpu(const Program& program, const std::vector<int32_t>& ids, double tolerance,
                      const VulkanOptions& options = {}) {
  const Run want = RunTokens(program, *MakeCpuDevice(1), ids);
  const auto device = MakeVulkanDevice(options);
  // One by one, as drafts, and in tiles.
  for (const int64_t together : {1, 3, 20}) {
    SCOPED_TRACE(::testing::Message() << together << " rows a step");
    const Run got = RunTokens(program, *device, ids, together);
    ASSERT_EQ(got.logits.size(), want.logits.size());
    EXPECT_LT(Difference(got.logits, want.logits), tolerance);
    for (size_t i = 0; i < want.caches.size(); ++i) {
      EXPECT_LT(Difference(got.caches[i], want.caches[i]), tolerance) << "cache " << i;
    }
  }
}

class VulkanFused : public ::testing::TestWithParam<uint64_t> {};

TEST_P(VulkanFused, TokensAgreeWithTheCpu) {
  TANDEM_REQUIRE_VULKAN();
  const RandomModel model = MakeRandomModel(FusibleParams(GetParam()), GetParam());
  const Program program = BuildProgram(model.params, model.weights, gemma3n::Rows::kAllWanted);
  const auto spans = vulkan::PlanFusion(program, {0, program.ops.size()}, kLimits);
  EXPECT_EQ(CountPlain(spans, program), 0U);
  VulkanOptions options;
  options.staged = GetParam() % 2 == 0;
  options.validate = GetParam() <= 2;
  try {
    ExpectAsOnTheCpu(program, RandomIds(model.params.vocab, 45, GetParam()), 1e-4, options);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::kNotFound) GTEST_SKIP() << error.message();
    FAIL() << error.message();
  }
}

INSTANTIATE_TEST_SUITE_P(Random, VulkanFused, ::testing::Range<uint64_t>(1, 5));

// All the numbers are the CPU's but for the order of sums; a value that another order moves across
// a border between two codes of 8 bits shows as one step of them.
TEST(VulkanFused, QuantisedWeightsAgreeWithTheCpu) {
  TANDEM_REQUIRE_VULKAN();
  gemma3n::HyperParams params = FusibleParams(3);
  params.width = 256;
  params.heads = 4;
  params.kv_heads = 2;
  params.head_dim = 64;
  params.ple_width = 256;
  params.laurel_rank = 64;
  std::fill(params.ffn.begin(), params.ffn.end(), 512);
  for (const DType type : {DType::kQ4_0, DType::kQ8_0, DType::kQ4_K, DType::kQ6_K, DType::kF16}) {
    SCOPED_TRACE(DTypeName(type));
    const RandomModel model = MakeRandomModel(params, 5, type);
    const Program program = BuildProgram(params, model.weights, gemma3n::Rows::kAllWanted);
    const auto spans = vulkan::PlanFusion(program, {0, program.ops.size()}, kLimits);
    EXPECT_EQ(CountPlain(spans, program), 0U);
    VulkanOptions options;
    options.integer_dot = type != DType::kQ8_0;
    options.staged = type == DType::kQ4_0;
    ExpectAsOnTheCpu(program, RandomIds(params.vocab, 21, 9), 6e-2, options);
  }
}

// Subgroups share rows of `down`, whose slices are no power of two of steps long: with 8, 16 and
// 32 lanes, of floats and of codes.
TEST(VulkanFused, SlicesOfRowsAreOfAnyLength) {
  TANDEM_REQUIRE_VULKAN();
  for (const auto& [type, ffn] : {std::pair(DType::kF32, 1536), {DType::kQ8_0, 6144}}) {
    SCOPED_TRACE(DTypeName(type));
    gemma3n::HyperParams params = FusibleParams(3);
    params.width = 64;
    std::fill(params.ffn.begin(), params.ffn.end(), ffn);
    // Else `down` of codes may be by columns.
    std::fill(params.sparsity.begin(), params.sparsity.end(), std::nullopt);
    const RandomModel model = MakeRandomModel(params, 5, type);
    const Program program = BuildProgram(params, model.weights, gemma3n::Rows::kAllWanted);
    const auto spans = vulkan::PlanFusion(program, {0, program.ops.size()}, kLimits);
    EXPECT_EQ(CountPlain(spans, program), 0U);
    const auto ids = RandomIds(params.vocab, 4, 9);
    const auto want = RunTokens(program, *MakeCpuDevice(1), ids);
    const auto got = RunTokens(program, *MakeVulkanDevice({}), ids);
    EXPECT_LT(Difference(got.logits, want.logits), type == DType::kF32 ? 1e-4 : 6e-2);
  }
}

// Wherever a program is cut patterns begin with what no kernel before them has made: a sparse
// layer's gates, too, which then are no head's, and leave their spread.
TEST(VulkanFused, ProgramsCutAnywhereGiveTheSame) {
  TANDEM_REQUIRE_VULKAN();
  gemma3n::HyperParams params = FusibleParams(2);
  params.width = 256;  // rows that two subgroups of 32 lanes may share
  std::fill(params.ffn.begin(), params.ffn.end(), 160);
  std::fill(params.sparsity.begin(), params.sparsity.end(), 0.9);
  const RandomModel model = MakeRandomModel(params, 5);
  const Program program = BuildProgram(params, model.weights, gemma3n::Rows::kAllWanted);
  const auto ids = RandomIds(params.vocab, 3, 9);
  const auto want = RunTokens(program, *MakeCpuDevice(1), ids);
  const auto device = MakeVulkanDevice({});
  for (size_t cut = 1; cut < program.ops.size(); ++cut) {
    for (const int64_t together : {1, 3}) {
      SCOPED_TRACE(::testing::Message() << "cut before " << OpName(program.ops[cut].body) << ", op "
                                        << cut << ", " << together << " rows a step");
      const auto got = RunTokens(program, *device, ids, together, nullptr, cut);
      EXPECT_LT(Difference(got.logits, want.logits), 1e-4);
    }
  }
}

// Gates that are on the device already, for another program, do not lie before their ups.
TEST(VulkanFused, GatesAndUpsThatLieApartGiveTheSame) {
  TANDEM_REQUIRE_VULKAN();
  gemma3n::HyperParams params = FusibleParams(3);
  params.ple_width = 32;
  std::fill(params.sparsity.begin(), params.sparsity.end(), std::nullopt);
  // With scales of their own, so that gates are not followed by ups by chance.
  const RandomModel model = MakeRandomModel(params, 6, DType::kQ8_0);
  const Program program = BuildProgram(params, model.weights, gemma3n::Rows::kAllWanted);
  const auto ids = RandomIds(params.vocab, 6, 9);
  const auto device = MakeVulkanDevice({});
  std::list<Program> others;
  for (const Op& op : program.ops) {
    const auto* mlp = std::get_if<GatedMlp>(&op.body);
    if (mlp == nullptr) continue;
    Program& other = others.emplace_back();
    other.vocab_rows = mlp->gate.rows;
    const ValueId x = other.AddValue("x", RowSet::kWanted, 1, mlp->gate.cols);
    other.logits = other.AddValue("logits", RowSet::kWanted, 1, mlp->gate.rows);
    other.ops.push_back({LmHead{x, mlp->gate, 0, other.logits}, RowSet::kWanted, kNoId});
    device->Compile(other, {0, 1}, {1, 1});
  }
  ASSERT_FALSE(others.empty());
  const auto together = RunTokens(program, *MakeVulkanDevice({}), ids);
  const auto apart = RunTokens(program, *device, ids);
  EXPECT_LT(Difference(apart.logits, together.logits), 1e-6);
}

TEST(VulkanFused, Gemma3TokensAgreeWithTheCpu) {
  TANDEM_REQUIRE_VULKAN();
  for (uint64_t seed = 1; seed < 3; ++seed) {
    gemma3::HyperParams params = RandomGemma3Params(seed);
    params.width = seed % 2 == 0 ? 64 : 160;
    params.head_dim = 32;
    std::fill(params.ffn.begin(), params.ffn.end(), 96);
    const RandomGemma3 model = MakeRandomGemma3(params, seed);
    const Program program = BuildProgram(params, model.weights, gemma3::Rows::kAllWanted);
    const auto spans = vulkan::PlanFusion(program, {0, program.ops.size()}, kLimits);
    EXPECT_EQ(CountPlain(spans, program), 0U);
    ExpectAsOnTheCpu(program, RandomIds(params.vocab, 40, seed), 2e-4);
  }
}

// Where memory is a card's own, all that comes between two products but the first prediction is
// made by the second of them, the cut of sparse layers included.
TEST(VulkanFused, NextProductsMakeWhatComesBeforeThem) {
  TANDEM_REQUIRE_VULKAN();
  gemma3n::HyperParams params = FusibleParams(1);
  std::fill(params.sparsity.begin(), params.sparsity.end(), std::nullopt);
  params.sparsity.front() = 0.95;
  const RandomModel model = MakeRandomModel(params, 1);
  const Program program = BuildProgram(params, model.weights, gemma3n::Rows::kAllWanted);
  VulkanOptions options;
  options.staged = true;
  KernelCounts counts;
  RunTokens(program, *MakeVulkanDevice(options), {5}, 1, &counts);
  if (counts.times.empty()) GTEST_SKIP() << "no timestamps here";
  std::ptrdiff_t heads = 0, tails = 0;
  for (const KernelTime& kernel : counts.times) {
    heads += kernel.name.ends_with("_head") ? 1 : 0;
    tails += kernel.name == "fused_tail" ? 1 : 0;
  }
  // Of each layer gate and up, and the per-layer gate; of all but the first the projections.
  std::ptrdiff_t expected = -1;
  for (const Op& op : program.ops) {
    const auto* mlp = std::get_if<GatedMlp>(&op.body);
    if (mlp != nullptr) expected += 3;
  }
  EXPECT_EQ(heads, expected);
  // Before the first projections, and before the head.
  EXPECT_EQ(tails, 2);
}

// Where the first stream is the active one, the per-layer gates of all layers but the last have a
// workgroup more, which makes the next prediction's mixes.
TEST(VulkanFused, MixesAreMadeAhead) {
  TANDEM_REQUIRE_VULKAN();
  gemma3n::HyperParams params = FusibleParams(1);
  std::ptrdiff_t workgroups[2] = {0, 0};
  for (const int active : {0, 1}) {
    params.altup_active = active;
    const RandomModel model = MakeRandomModel(params, 1);
    const Program program = BuildProgram(params, model.weights, gemma3n::Rows::kAllWanted);
    KernelCounts counts;
    RunTokens(program, *MakeVulkanDevice({}), {5}, 1, &counts);
    if (counts.times.empty()) GTEST_SKIP() << "no timestamps here";
    for (const KernelTime& kernel : counts.times) {
      const bool gate = std::holds_alternative<PerLayerMix>(program.ops[kernel.op].body);
      if (gate && kernel.name.ends_with("_head")) workgroups[active] += kernel.workgroups;
    }
  }
  EXPECT_EQ(workgroups[0] - workgroups[1], static_cast<std::ptrdiff_t>(params.ffn.size()) - 1);
}

TEST(VulkanFusionPlan, CoversTheRangeAndJoinsNeighbours) {
  const RandomModel model = MakeRandomModel(FusibleParams(1), 1);
  const Program program = BuildProgram(model.params, model.weights, gemma3n::Rows::kAllWanted);
  const auto spans = vulkan::PlanFusion(program, {0, program.ops.size()}, kLimits);
  size_t at = 0;
  std::ptrdiff_t begins = 0, ends = 0;
  for (const FusedSpan& span : spans) {
    EXPECT_EQ(span.ops.begin, at);
    at = span.ops.end;
    begins += span.pattern == Pattern::kBegin ? 1 : 0;
    ends += span.pattern == Pattern::kEnd ? 1 : 0;
    // The first layer's prediction joins what makes the streams.
    if (program.ops[span.ops.begin].layer >= 0) {
      EXPECT_TRUE(span.joined) << OpName(program.ops[span.ops.begin].body);
    }
  }
  EXPECT_EQ(at, program.ops.size());
  EXPECT_EQ(begins, 1);
  EXPECT_EQ(ends, 1);
}

// A span that is cut anywhere is covered all the same, and what is fused lies inside it.
TEST(VulkanFusionPlan, CutsFallBackToPlainOps) {
  const RandomModel model = MakeRandomModel(FusibleParams(2), 2);
  const Program program = BuildProgram(model.params, model.weights, gemma3n::Rows::kAllWanted);
  for (size_t begin = 0; begin < program.ops.size(); ++begin) {
    for (size_t end = begin + 1; end <= std::min(begin + 12, program.ops.size()); ++end) {
      size_t at = begin;
      for (const FusedSpan& span : vulkan::PlanFusion(program, {begin, end}, kLimits)) {
        ASSERT_EQ(span.ops.begin, at);
        at = span.ops.end;
        if (at == begin + 1) {
          EXPECT_FALSE(span.joined);
        }
      }
      ASSERT_EQ(at, end);
    }
  }
}

TEST(VulkanFusionPlan, SaysWhyNot) {
  const auto why = [](const std::function<void(gemma3n::HyperParams&)>& change, Pattern pattern,
                      const FusionLimits& limits = kLimits) {
    gemma3n::HyperParams params = FusibleParams(4);
    change(params);
    const RandomModel model = MakeRandomModel(params, 4);
    const Program program = BuildProgram(params, model.weights, gemma3n::Rows::kAllWanted);
    for (const FusedSpan& span : vulkan::PlanFusion(program, {0, program.ops.size()}, limits)) {
      const OpBody& body = program.ops[span.ops.begin].body;
      if (pattern == Pattern::kMlp && std::holds_alternative<GatedMlp>(body)) return span.why_not;
      if (pattern == Pattern::kAttention && std::holds_alternative<LaurelAndNorm>(body)) {
        return span.why_not;
      }
    }
    return std::string("not there");
  };
  const auto same = [](gemma3n::HyperParams&) {};
  EXPECT_EQ(why(same, Pattern::kMlp), "");
  EXPECT_EQ(why([](auto& p) { p.ffn.assign(p.ffn.size(), 100); }, Pattern::kMlp),
            "100 neurons, not a multiple of 32");
  EXPECT_EQ(why(same, Pattern::kMlp, {64, 32, 256}),
            "gate and up together are more than a binding reaches");
  EXPECT_EQ(why([](auto& p) { p.head_dim = 18; }, Pattern::kAttention),
            "heads of 18 dimensions, not a multiple of 32");
  EXPECT_EQ(why([](auto& p) { p.width = 48; }, Pattern::kAttention),
            "a width of 48, not a multiple of 32");
}

}  // namespace
}  // namespace tandem::testing
