// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Attention on the emulated array, of random and of edge shapes, against a softmax in double; and
// its kernels' arithmetic.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <deque>
#include <memory>
#include <random>
#include <vector>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/attention/attention_pack.h"
#include "devices/npu/attention/attention_plan.h"
#include "devices/npu/emulator/emulator.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/kernels/attention_kernels.h"
#include "devices/npu/kernels/attention_tile.h"
#include "devices/npu/kernels/native_lanes.h"
#include "devices/npu/timing/attention_time.h"

namespace tandem::npu::test {
namespace {

constexpr GemmConfig kNpu1{{Generation::kNpu1, 4}, GemmType::kI4, GemmOutput::kI32};
constexpr GemmConfig kNpu2{{Generation::kNpu2, 8}, GemmType::kI8, GemmOutput::kI32};
constexpr GemmConfig kHalfNpu2{{Generation::kNpu2, 4}, GemmType::kBf16, GemmOutput::kF32};

float ToBf16(float value) { return Bf16ToFloat(FloatToBf16(value)); }

// ---- kernels ----

kernels::Ints Lanes(int32_t start, int32_t step) {
  kernels::Ints lanes;
  for (int32_t i = 0; i < 16; ++i) lanes[static_cast<unsigned>(i)] = start + i * step;
  return lanes;
}

TEST(NpuAttentionKernels, PowersOfTwoAreWithinTheirBound) {
  kernels::SetModes();
  double worst = 0;
  for (int32_t x = -126 * 1024; x < 0; x += 16) {
    const auto powers = kernels::PowerOfTwo(Lanes(x, 1));
    for (unsigned i = 0; i < 16 && x + static_cast<int32_t>(i) < 0; ++i) {
      const double want = std::exp2((x + static_cast<double>(i)) / 1024);
      const double error = std::abs(static_cast<float>(powers[i]) / want - 1);
      worst = std::max(worst, error);
    }
  }
  EXPECT_LE(worst, std::ldexp(1, -8) + 1.6e-4);
  EXPECT_GT(worst, std::ldexp(1, -9));  // as coarse as bfloat16 is
  // Below, and where a key is hidden: nothing.
  for (const int32_t x : {-126 * 1024 - 1, -127 * 1024, -4096 * 1024, -(1 << 30) - (1 << 22)}) {
    const auto powers = kernels::PowerOfTwo(kernels::AllOf(x));
    EXPECT_EQ(powers[3].bits, 0) << x;
  }
  EXPECT_EQ(static_cast<float>(kernels::PowerOfTwo(kernels::AllOf(-1024))[0]), 0.5F);
}

TEST(NpuAttentionKernels, ScoresAreFixedToTheNearestAndHeld) {
  const auto fix = [](float score) {
    return kernels::FixedPoint(native::broadcast<float, 16>(score))[7];
  };
  std::mt19937 random(1);
  std::uniform_real_distribution<float> scores(-4096, 4096);
  for (int i = 0; i < 10000; ++i) {
    const float score = i % 2 == 0 ? scores(random) : scores(random) / 1000;
    ASSERT_LE(std::abs(fix(score) - double{score} * 1024), 0.5) << score;
  }
  EXPECT_EQ(fix(0), 0);
  EXPECT_EQ(fix(-0.0F), 0);
  constexpr int32_t kMost = kMostScore * 1024;
  for (const float size : {4096.0F, 5e3F, 1e5F, 1e30F, INFINITY}) {
    EXPECT_EQ(fix(size), kMost) << size;
    EXPECT_EQ(fix(-size), -kMost) << size;
  }
}

TEST(NpuAttentionKernels, SumsAreLoweredExactly) {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  for (int i = 0; i < 1000; ++i) {
    const float value = std::exp(normal(random) * 10) * (i % 2 == 0 ? 1 : -1);
    const auto shift = static_cast<int32_t>(random() % 255);
    const float got = kernels::Lower(native::broadcast<float, 16>(value), kernels::AllOf(shift))[5];
    const float want = std::ldexp(value, -shift);
    EXPECT_EQ(got, std::fpclassify(want) == FP_NORMAL ? want : 0) << value << " " << shift;
  }
  EXPECT_EQ(kernels::Lower(native::broadcast<float, 16>(0), kernels::AllOf(0))[0], 0);
}

// ---- the array ----

/// An array that is configured once and attends many times.
class AttentionArray {
 public:
  explicit AttentionArray(const GemmConfig& config) : config_(config), emulator_(config.device) {
    emulator_.Load(MakeGemmDesign(config));
  }
  const GemmConfig& config() const { return config_; }

  std::vector<std::byte> Run(const AttentionPlan& plan, std::vector<std::byte> keys,
                             std::vector<std::byte> queries) {
    return Run(AttentionStream(plan), plan.sum_bytes, std::move(keys), std::move(queries));
  }
  std::vector<std::byte> Run(const Stream& stream, int64_t bytes, std::vector<std::byte> a,
                             std::vector<std::byte> b) {
    std::vector<std::byte> out(static_cast<size_t>(bytes), std::byte{0xA5});
    std::vector<uint64_t> arguments;
    for (auto* buffer : {&a, &b, &out}) arguments.push_back(emulator_.AddBuffer(*buffer));
    const std::optional<Stall> stall = emulator_.Run(stream, arguments);
    EXPECT_FALSE(stall) << stall->Text();
    for (const uint64_t argument : arguments) emulator_.RemoveBuffer(argument);
    return out;
  }

 private:
  GemmConfig config_;
  Emulator emulator_;
};

struct Problem {
  AttentionShape shape;
  int64_t rows;
  int64_t keys;
  int64_t window;
  double size = 2;  ///< Scores deviate by so much.
  float scale = 1;  ///< Of scores.
};

/// What came of it beside what should have.
struct Outcome {
  double worst = 0;  ///< Largest error.
  double error = 0;  ///< Its root mean square,
  double value = 0;  ///< and that of the context.
  double largest_value = 0;
};

Outcome Attend(AttentionArray& array, const Problem& problem, std::mt19937& random) {
  const auto [heads, kv_heads, dims] = problem.shape;
  const AttentionPlan plan = PlanAttention(array.config(), problem.shape,
                                           CausalRows(problem.rows, problem.keys, problem.window));
  std::normal_distribution<double> normal;
  const auto fill = [&](int64_t count, double size) {
    std::vector<float> values(static_cast<size_t>(count));
    for (float& value : values) value = ToBf16(static_cast<float>(size * normal(random)));
    return values;
  };
  const std::vector<float> q =
      fill(problem.rows * heads * dims,
           problem.size / std::sqrt(static_cast<double>(dims)) / problem.scale);
  const std::vector<float> k = fill(problem.keys * kv_heads * dims, 1);
  const std::vector<float> v = fill(problem.keys * kv_heads * dims, 1);

  const auto bytes = [](int64_t count) {
    return std::vector<std::byte>(static_cast<size_t>(count), std::byte{0x5A});
  };
  auto packed_q = bytes(plan.query_bytes);
  auto packed_k = bytes(plan.key_bytes);
  PackQueries(plan, q, problem.scale, packed_q);
  KeyPacker packer(plan, packed_k);
  const auto width = static_cast<size_t>(kv_heads * dims);
  for (int64_t p = plan.rows.front().first; p < problem.keys; ++p) {
    const size_t at = static_cast<size_t>(p) * width;
    packer.Set(p, std::span(k).subspan(at, width), std::span(v).subspan(at, width));
  }
  std::vector<float> context(q.size());
  UnpackContext(plan, array.Run(plan, packed_k, packed_q), context);

  Outcome outcome;
  for (int64_t row = 0; row < problem.rows; ++row) {
    const int64_t position = problem.keys - problem.rows + row;
    const int64_t first =
        problem.window > 0 ? std::max<int64_t>(0, position - problem.window + 1) : 0;
    for (int64_t head = 0; head < heads; ++head) {
      const int64_t kv_head = head / (heads / kv_heads);
      const int64_t at = (row * heads + head) * dims;
      std::vector<double> weights;
      for (int64_t p = first; p <= position; ++p) {
        double score = 0;
        for (int64_t i = 0; i < dims; ++i) {
          // The array sees queries times log2(e), rounded.
          const double one = ToBf16(q[static_cast<size_t>(at + i)] *
                                    static_cast<float>(problem.scale * 1.4426950408889634));
          score += one * k[static_cast<size_t>((p * kv_heads + kv_head) * dims + i)];
        }
        weights.push_back(score);
      }
      const double highest = *std::max_element(weights.begin(), weights.end());
      double total = 0;
      for (double& weight : weights) total += weight = std::exp2(weight - highest);
      for (int64_t i = 0; i < dims; ++i) {
        double want = 0;
        for (int64_t p = first; p <= position; ++p) {
          const float value = v[static_cast<size_t>((p * kv_heads + kv_head) * dims + i)];
          want += weights[static_cast<size_t>(p - first)] * value;
          outcome.largest_value = std::max(outcome.largest_value, std::abs(double{value}));
        }
        want /= total;
        const double error = std::abs(context[static_cast<size_t>(at + i)] - want);
        outcome.worst = error <= outcome.worst ? outcome.worst : error;  // NaN is the worst
        outcome.error += error * error;
        outcome.value += want * want;
      }
    }
  }
  outcome.error = std::sqrt(outcome.error / static_cast<double>(q.size()));
  outcome.value = std::sqrt(outcome.value / static_cast<double>(q.size()));
  return outcome;
}

void Check(AttentionArray& array, const Problem& problem, std::mt19937& random) {
  SCOPED_TRACE(testing::Message() << GenerationName(array.config().device.generation) << ": "
                                  << problem.rows << " of " << problem.keys << ", window "
                                  << problem.window << ", heads " << problem.shape.heads << ":"
                                  << problem.shape.kv_heads << " of " << problem.shape.head_dim);
  const Outcome outcome = Attend(array, problem, random);
  // Each weight is off by 0.45 % at most, and as good as independently of the others.
  EXPECT_LE(outcome.worst, 2 * 0.0046 * outcome.largest_value);
  EXPECT_LE(outcome.error, 0.003 * outcome.value);
}

TEST(NpuAttention, LengthsAroundTilesAndWindows) {
  std::mt19937 random(3);
  for (const GemmConfig& config : {kNpu1, kNpu2}) {
    AttentionArray array(config);
    const bool npu1 = config.device.generation == Generation::kNpu1;
    for (const int64_t keys : {1, 15, 16, 17, 63, 64, 65}) {
      // All queries of a prompt; head dims of the smallest and of the largest.
      Check(array, {{2, 1, npu1 ? 64 : 256}, keys, keys, 0}, random);
      Check(array, {{2, 1, 64}, keys, keys, 16}, random);
    }
    for (const int64_t keys : {511, 512, 513}) {
      // The end of a prompt, with the window of Gemma 3n and without.
      Check(array, {{2, 1, 64}, 33, keys, 512}, random);
      Check(array, {{2, 1, 64}, 18, keys, 0}, random);
    }
    Check(array, {{2, 1, 64}, 40, 700, 512}, random);
  }
}

TEST(NpuAttention, HeadsInGroupsAndOfAnySize) {
  std::mt19937 random(4);
  for (const GemmConfig& config : {kNpu1, kNpu2}) {
    AttentionArray array(config);
    for (const AttentionShape& shape :
         {AttentionShape{8, 2, 256}, AttentionShape{4, 4, 64}, AttentionShape{4, 1, 128},
          AttentionShape{6, 2, 96}, AttentionShape{5, 1, 192}, AttentionShape{1, 1, 1},
          AttentionShape{3, 3, 18}, AttentionShape{36, 1, 80}}) {
      Check(array, {shape, 21, 50, 0}, random);
      Check(array, {shape, 19, 60, 24}, random);
    }
  }
}

TEST(NpuAttention, RandomShapesOnOneConfiguration) {
  std::mt19937 random(5);
  const auto up_to = [&](int64_t most) { return 1 + static_cast<int64_t>(random() % most); };
  for (const GemmConfig& config : {kNpu1, kNpu2, kHalfNpu2}) {
    AttentionArray array(config);
    for (int i = 0; i < 6; ++i) {
      const int64_t kv_heads = up_to(3);
      const int64_t keys = up_to(200);
      const int64_t rows = up_to(std::min<int64_t>(keys, 70));
      Check(array,
            {{kv_heads * up_to(5), kv_heads, up_to(256)},
             rows,
             keys,
             random() % 2 == 0 ? 0 : up_to(keys)},
            random);
    }
  }
}

// Sums are lowered as scores grow: much, and not at all; far keys weigh nothing.
TEST(NpuAttention, ScoresOfAnySize) {
  std::mt19937 random(6);
  AttentionArray array(kNpu1);
  for (const double size : {0.0, 1e-3, 30.0, 300.0}) {
    const Outcome outcome = Attend(array, {{4, 2, 64}, 40, 90, 0, size}, random);
    EXPECT_LE(outcome.worst, 2 * 0.006 * outcome.largest_value) << size;
  }
  // A scale as other models have it.
  Check(array, {{4, 2, 64}, 40, 90, 0, 2, 0.125F}, random);
}

TEST(NpuAttention, RowsMayStandAnywhere) {
  // Of several places, as rows whose logits are wanted do, with what each sees.
  const AttentionShape shape{2, 1, 16};
  const std::vector<KeyRange> rows = {{0, 5}, {100, 227}, {3, 3}, {0, 300}};
  const AttentionPlan plan = PlanAttention(kNpu1, shape, rows);
  EXPECT_EQ(plan.tiles, 19);
  std::vector<std::byte> q(static_cast<size_t>(plan.query_bytes));
  std::vector<std::byte> k(static_cast<size_t>(plan.key_bytes));
  // Queries of nothing weigh all keys alike: averages of positions.
  PackQueries(plan, std::vector<float>(rows.size() * 32), 1, q);
  KeyPacker packer(plan, k);
  for (int64_t p = 0; p <= 300; ++p) {
    packer.Set(p, std::vector<float>(16, 1), std::vector<float>(16, static_cast<float>(p % 128)));
  }
  AttentionArray array(kNpu1);
  std::vector<float> context(rows.size() * 32);
  UnpackContext(plan, array.Run(plan, k, q), context);
  for (size_t i = 0; i < rows.size(); ++i) {
    double want = 0;
    for (int64_t p = rows[i].first; p <= rows[i].last; ++p) want += static_cast<double>(p % 128);
    want /= static_cast<double>(rows[i].last - rows[i].first + 1);
    EXPECT_NEAR(context[32 * i + 20], want, 1e-4) << i;
  }
}

// Products of odd numbers of tiles leave either half of the buffers next.
TEST(NpuAttention, TakesTurnsWithProducts) {
  std::mt19937 random(7);
  for (const GemmConfig& config : {kNpu1, kNpu2, kHalfNpu2}) {
    AttentionArray array(config);
    for (const int64_t steps : {1, 2, 1, 3}) {
      const GemmShape shape{5, steps * DesignTile(config.type).k, 7};
      const GemmPlan plan = PlanGemm(config, shape);
      std::vector<std::byte> a(static_cast<size_t>(plan.a_bytes));
      std::vector<std::byte> b(static_cast<size_t>(plan.b_bytes));
      const auto inputs = static_cast<size_t>(shape.m * shape.k);
      const auto weights = static_cast<size_t>(shape.k * shape.n);
      const auto k = static_cast<float>(shape.k);
      if (config.type == GemmType::kBf16) {
        PackA(plan, std::vector<uint16_t>(inputs, FloatToBf16(1)), a);
        PackB(plan, std::vector<uint16_t>(weights, FloatToBf16(3)), 0, b);
        std::vector<float> c(35);
        UnpackC<float>(plan, array.Run(GemmStream(plan), plan.c_bytes, a, b), c);
        EXPECT_EQ(c, std::vector<float>(35, 3 * k));
      } else {
        PackA(plan, std::vector<int8_t>(inputs, 1), a);
        if (config.type == GemmType::kI8) {
          PackB(plan, std::vector<int8_t>(weights, 3), 0, b);
        } else {
          std::vector<float> scales(7);
          PackB4(plan, std::vector<int8_t>(weights, 8 - 5),
                 std::vector<float>(static_cast<size_t>(7 * ((shape.k + 31) / 32)), 1), scales, b);
        }
        std::vector<int32_t> c(35);
        UnpackC<int32_t>(plan, array.Run(GemmStream(plan), plan.c_bytes, a, b), c);
        // A ratio of 127, and three bits behind the point: 48 of each weight.
        const int32_t weight = config.type == GemmType::kI8 ? 3 : 48;
        EXPECT_EQ(c, std::vector<int32_t>(35, weight * static_cast<int32_t>(shape.k)));
      }
      Check(array, {{4, 2, 32}, 20, 30 * steps, 0}, random);
    }
  }
}

// ---- plans and streams ----

TEST(NpuAttention, KeysOutsideOfTheWindowAreNotSent) {
  const AttentionShape shape{8, 2, 256};
  const AttentionPlan plan = PlanAttention(kNpu1, shape, CausalRows(256, 2048, 512));
  // 16 positions of four heads are a job on four columns, 32 on eight.
  ASSERT_EQ(plan.jobs.size(), 32U);
  EXPECT_EQ(plan.first_position, 2048 - 256 - 511 - 1);  // a multiple of 16
  for (const AttentionJob& job : plan.jobs) EXPECT_EQ(job.tiles, 33);
  EXPECT_EQ(PlanAttention(kNpu2, shape, CausalRows(256, 2048, 512)).jobs[3].tiles, 34);
  const AttentionPlan full = PlanAttention(kNpu1, shape, CausalRows(256, 2048, 0));
  EXPECT_EQ(full.jobs.front().tiles, (2048 - 256) / 16 + 1);
  EXPECT_EQ(full.jobs.back().tiles, 128);
}

TEST(NpuAttention, StreamsReadAsTheyWereWritten) {
  for (const GemmConfig& config : {kNpu1, kNpu2}) {
    const Stream stream =
        AttentionStream(PlanAttention(config, {8, 2, 256}, CausalRows(200, 900, 512)));
    const std::vector<uint32_t> words = WriteStream(stream);
    EXPECT_EQ(ReadStream(std::as_bytes(std::span(words)), "stream").stream, stream);
  }
}

TEST(NpuAttention, TheModelOfTimeKnowsTheDesign) {
  for (const GemmConfig& config : {kNpu1, kNpu2}) {
    const AttentionPlan plan = PlanAttention(config, {4, 4, 64}, CausalRows(1, 1, 0));
    EXPECT_EQ(plan.rounds(), 1);
    const GemmTime time = ModelAttention(WorkOf(plan), KernelClass::kPeano);
    EXPECT_EQ(time.dram_bytes, static_cast<double>(plan.bytes()));
  }
  const AttentionWork work = WorkOf(PlanAttention(kNpu2, {8, 2, 256}, CausalRows(40, 100, 16)));
  EXPECT_EQ(work.macs, 40.0 * 16 * 8 * 512);
  // Two jobs for each head of keys.
  ASSERT_EQ(work.rounds.size(), 1U);
  EXPECT_EQ(work.rounds[0].longest, 4);
}

TEST(NpuAttention, RefusesWhatItHasNoDesignFor) {
  const auto kind = [](const GemmConfig& config, const AttentionShape& shape,
                       const std::vector<KeyRange>& rows) {
    try {
      PlanAttention(config, shape, rows);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::kInternal;
  };
  const std::vector<KeyRange> fine = {{0, 3}};
  EXPECT_EQ(kind(kNpu1, {8, 2, 64}, fine), ErrorKind::kInternal);  // none
  EXPECT_EQ(kind(kNpu1, {8, 2, 257}, fine), ErrorKind::kUnsupported);
  EXPECT_EQ(kind({kNpu1.device, GemmType::kI8, GemmOutput::kI8}, {8, 2, 64}, fine),
            ErrorKind::kUnsupported);
  EXPECT_EQ(kind({{Generation::kNpu2, 6}, GemmType::kI8, GemmOutput::kI32}, {8, 2, 64}, fine),
            ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind(kNpu1, {8, 3, 64}, fine), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind(kNpu1, {0, 0, 64}, fine), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind(kNpu1, {8, 2, 64}, {}), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind(kNpu1, {8, 2, 64}, {{4, 3}}), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind(kNpu1, {8, 2, 64}, {{0, kMostAttentionKeys}}), ErrorKind::kInvalidArgument);
  EXPECT_EQ(kind(kNpu1, {1024, 1, 256}, CausalRows(kMostAttentionRows, kMostAttentionRows, 0)),
            ErrorKind::kInvalidArgument);
}

}  // namespace
}  // namespace tandem::npu::test
