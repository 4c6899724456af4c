// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Programs of random shapes of Gemma 3n and Gemma 3 with an NPU that multiplies everything, each op
// against the CPU's from the same inputs. Devices know weights by their address: each model has its
// own.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <variant>

#include "devices/cpu/cpu_device.h"
#include "devices/npu/prefill/large_inputs.h"
#include "devices/npu/prefill/npu_device.h"
#include "gemma3/program.h"
#include "gemma3n/program.h"
#include "support/random_gemma3.h"
#include "support/random_model.h"

namespace tandem::testing {
namespace {

using Buffers = std::vector<std::vector<float>>;

/// Runs ops one by one on two devices, the second from the inputs of the first.
class SideBySide {
 public:
  SideBySide(const Program& program, const std::vector<int32_t>& ids) : program_(program) {
    const auto count = static_cast<int64_t>(ids.size());
    for (const Value& value : program.values) {
      values_.emplace_back(static_cast<size_t>(count * value.planes * value.width), NAN);
    }
    for (const CacheTensor& cache : program.caches) {
      kv_.emplace_back(static_cast<size_t>(2 * count * cache.width()), NAN);
    }
    for (int32_t t = 0; t < count; ++t) rows_.push_back({ids[static_cast<size_t>(t)], t, 0, true});
  }

  /// Expects of each op's results that their errors are within that share of them; of those that
  /// can be lists that they are, one call each, if `lists`.
  void Run(Device& want, Device& got, double tolerance, bool lists) {
    const auto count = static_cast<int64_t>(rows_.size());
    for (size_t i = 0; i < program_.ops.size(); ++i) {
      const Op& op = program_.ops[i];
      Buffers values = values_;
      Buffers kv = kv_;
      const auto reference = want.Compile(program_, {i, i + 1}, {count, count});
      Submit(*reference, values_, kv_);
      const auto tried = got.Compile(program_, {i, i + 1}, {count, count});
      const uint64_t calls = counts_.calls;
      Submit(*tried, values, kv);
      if (lists && CanBeList(op.body)) {
        EXPECT_EQ(counts_.calls - calls, 1U) << OpName(op.body);
        ++lists_;
      }
      const OpUse use = UseOf(op.body);
      for (const ValueId id : use.writes) {
        const auto at = static_cast<size_t>(id);
        Compare(i, values_[at], values[at], tolerance);
      }
      if (use.cache_written != kNoId) {
        const auto at = static_cast<size_t>(use.cache_written);
        Compare(i, kv_[at], kv[at], tolerance);
      }
    }
  }
  const ArrayCounts& counts() const { return counts_; }
  int lists() const { return lists_; }

 private:
  static bool CanBeList(const OpBody& body) {
    if (!std::holds_alternative<GatedMlp>(body) && !std::holds_alternative<PerLayerMix>(body)) {
      return false;
    }
    for (const auto& group : ProductGroups(body)) {
      for (const WeightView& matrix : group) {
        if (matrix.type == DType::kF32) return false;
      }
    }
    return true;
  }

  void Submit(Segment& segment, Buffers& values, Buffers& kv) {
    std::vector<float*> pointers;
    pointers.reserve(values.size());
    for (std::vector<float>& value : values) pointers.push_back(value.data());
    std::vector<KvView> caches;
    for (size_t i = 0; i < kv.size(); ++i) {
      const int64_t width = program_.caches[i].width();
      const auto count = static_cast<int64_t>(rows_.size());
      auto* data = reinterpret_cast<std::byte*>(kv[i].data());
      caches.push_back({DType::kF32, count, width, data,
                        data + static_cast<size_t>(count * width) * sizeof(float)});
    }
    const std::span<const KvView> views = caches;
    Bindings bindings{pointers, {&views, 1}};
    bindings.array = &counts_;
    segment.Submit(bindings, rows_).Wait();
  }

  void Compare(size_t i, const std::vector<float>& want, const std::vector<float>& got,
               double tolerance) {
    // Of all results together: the norm of a head that is nearly nothing enlarges any error.
    double size = 1e-9;
    double error = 0;
    for (size_t j = 0; j < want.size(); ++j) {
      // Caches have room for positions that nobody wrote.
      if (std::isnan(want[j]) && std::isnan(got[j])) continue;
      const double difference = static_cast<double>(got[j]) - want[j];
      size += static_cast<double>(want[j]) * want[j];
      error += std::isfinite(difference) ? difference * difference : INFINITY;
    }
    EXPECT_LE(std::sqrt(error / size), tolerance) << fmt::format(
        "op {}: {}, layer {}", i, OpName(program_.ops[i].body), program_.ops[i].layer);
  }

  const Program& program_;
  std::vector<StepRow> rows_;
  Buffers values_, kv_;
  ArrayCounts counts_;
  int lists_ = 0;
};

/// Products that the ops offer. The head's is not among them.
size_t ProductGroupsOf(const Program& program) {
  size_t groups = 0;
  for (const Op& op : program.ops) groups += ProductGroups(op.body).size();
  return groups;
}

/// Returns how many ops were lists.
int ExpectAgreement(const Program& program, const std::vector<int32_t>& ids, uint64_t seed,
                    double tolerance, size_t of_calls = 1, bool precise = false) {
  const std::shared_ptr<HostDevice> host = MakeCpuDevice(1);
  NpuOptions options;
  options.generation = seed % 2 == 0 ? npu::Generation::kNpu1 : npu::Generation::kNpu2;
  options.least_side = 1;
  options.precise = precise;
  const auto npu = MakeNpuDevice(host, options);
  SideBySide both(program, ids);
  both.Run(*MakeCpuDevice(1, cpu::Isa::kReference), *npu, tolerance, !precise);
  EXPECT_GE(both.counts().calls * of_calls, ProductGroupsOf(program));
  return both.lists();
}

class NpuShapes : public ::testing::TestWithParam<uint64_t> {};

TEST_P(NpuShapes, EveryOpOfGemma3nAgreesWithTheCpu) {
  const RandomModel model = MakeRandomModel(RandomParams(GetParam()), GetParam());
  const auto ids = RandomIds(model.params.vocab, 17 + GetParam() * 3, GetParam());
  ExpectAgreement(BuildProgram(model.params, model.weights, gemma3n::Rows::kAllWanted), ids,
                  GetParam(), 0.02);
}

TEST_P(NpuShapes, EveryOpOfGemma3AgreesWithTheCpu) {
  const RandomGemma3 model = MakeRandomGemma3(RandomGemma3Params(GetParam()), GetParam());
  const auto ids = RandomIds(model.params.vocab, 17 + GetParam() * 3, GetParam());
  ExpectAgreement(BuildProgram(model.params, model.weights, gemma3::Rows::kAllWanted), ids,
                  GetParam(), 0.02);
}

TEST_P(NpuShapes, QuantisedGemma3AgreesWithTheCpu) {
  const DType type = GetParam() % 3 == 0 ? DType::kQ4_0 : DType::kQ8_0;
  const RandomGemma3 model = MakeRandomGemma3(RandomGemma3Params(GetParam()), GetParam(), type);
  const auto ids = RandomIds(model.params.vocab, 40, GetParam());
  // Rows that no blocks fit stay floats, and some of those on the CPU.
  constexpr size_t kOfCalls = 2;
  const Program program = BuildProgram(model.params, model.weights, gemma3::Rows::kAllWanted);
  ExpectAgreement(program, ids, GetParam(), 0.03, kOfCalls, true);
  // One part: each value is off by up to 1/127 of the largest beside it, which a head's norm or a
  // gate enlarges.
  ExpectAgreement(program, ids, GetParam(), 0.1, kOfCalls, false);
}

// Dense and sparse layers, and per-layer mixes.
TEST_P(NpuShapes, QuantisedGemma3nAgreesWithTheCpu) {
  const DType type = GetParam() % 2 == 0 ? DType::kQ4_0 : DType::kQ8_0;
  gemma3n::HyperParams params = RandomParams(GetParam());
  params.width = 96;
  params.ple_width = GetParam() == 1 ? 160 : 32;
  for (size_t layer = 0; layer < params.ffn.size(); ++layer) {
    params.ffn[layer] = 64 * static_cast<int64_t>(1 + layer);
    if (layer > 0) params.sparsity[layer] = std::nullopt;
  }
  const RandomModel model = MakeRandomModel(params, GetParam(), type);
  const auto ids = RandomIds(params.vocab, 40, GetParam());
  const Program program = BuildProgram(model.params, model.weights, gemma3n::Rows::kAllWanted);
  ExpectAgreement(program, ids, GetParam(), 0.03, 3, true);
  EXPECT_GE(ExpectAgreement(program, ids, GetParam(), 0.1, 3, false), params.layers);
}

/// A model of Gemma 3 whose norms make the same two channels of each product's inputs large.
struct LoudGemma3 {
  LoudGemma3() : model(MakeRandomGemma3(Params(), 1, DType::kQ8_0)), norm(kWidth, 1) {
    norm[kLoud[0]] = 25;
    norm[kLoud[1]] = 15;
    for (gemma::BlockWeights& layer : model.weights.layers) {
      layer.attention_norm = layer.ffn_norm = norm;
    }
    program = BuildProgram(model.params, model.weights, gemma3::Rows::kAllWanted);
  }
  static gemma3::HyperParams Params() {
    gemma3::HyperParams params = RandomGemma3Params(1);
    params.width = kWidth;
    return params;
  }
  static constexpr int64_t kWidth = 320;
  static constexpr size_t kLoud[] = {77, 290};
  RandomGemma3 model;
  std::vector<float> norm;
  Program program;
};

TEST(NpuOutliers, AreFoundInAStepOfMadeUpTokens) {
  const LoudGemma3 loud;
  const ShapeClass shape{64, 64};
  const OpRange all{0, loud.program.ops.size()};
  const npu::PlanOptions options{{npu::Generation::kNpu1, 4}, UINT64_MAX, 1, false, nullptr};
  npu::ProductPlan plan = npu::PlanProducts(loud.program, all, shape, options);
  const std::shared_ptr<HostDevice> host = MakeCpuDevice(1);
  npu::EaseOutliers(plan, {}, *host, loud.program, all, shape);
  int parts = 0;
  std::set<npu::PartKey> held;
  for (const npu::ProductPart& part : plan.parts) {
    held.insert(npu::KeyOf(part));
    if (!part.sets_apart) {
      EXPECT_TRUE(part.apart.empty());
      continue;
    }
    ++parts;
    ASSERT_EQ(part.apart.size(), 128U);
    for (const size_t channel : LoudGemma3::kLoud) {
      EXPECT_TRUE(std::binary_search(part.apart.begin(), part.apart.end(), channel));
    }
    EXPECT_EQ(part.divisors.empty(), !part.gated);
  }
  EXPECT_GE(parts, 2 * loud.model.params.layers - 1);
  // The same every time; of what is held nothing is asked.
  npu::ProductPlan again = npu::PlanProducts(loud.program, all, shape, options);
  npu::EaseOutliers(again, held, *host, loud.program, all, shape);
  for (const npu::ProductPart& part : again.parts) EXPECT_TRUE(part.apart.empty());
  npu::EaseOutliers(again, {}, *host, loud.program, all, shape);
  for (size_t i = 0; i < plan.parts.size(); ++i) {
    EXPECT_EQ(again.parts[i].apart, plan.parts[i].apart);
    EXPECT_EQ(again.parts[i].divisors, plan.parts[i].divisors);
  }
}

// Through the device. As they are, they make QKV's heads up to 0.12 off.
TEST(NpuOutliers, CostPromptsLittle) {
  const LoudGemma3 loud;
  const auto ids = RandomIds(loud.model.params.vocab, 40, 1);
  ExpectAgreement(loud.program, ids, 1, 0.03, 2, false);
}

INSTANTIATE_TEST_SUITE_P(Random, NpuShapes, ::testing::Range<uint64_t>(1, 4));

}  // namespace
}  // namespace tandem::testing
