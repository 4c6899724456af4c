// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/workbench/attention_trial.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <random>

#include "core/error.h"
#include "core/float_types.h"
#include "devices/npu/attention/attention_pack.h"
#include "devices/npu/runner/emulator_runner.h"

namespace tandem::npu {
namespace {

using Bytes = std::vector<std::byte>;

constexpr double kLog2E = 1.4426950408889634;
/// Of the scores of made-up data: their standard deviation, in nats.
constexpr double kScoreSize = 2;

float ToBf16(float value) { return Bf16ToFloat(FloatToBf16(value)); }

class Trial {
 public:
  Trial(ArrayRunner& runner, std::chrono::milliseconds timeout, const GemmConfig& config,
        const AttentionShape& shape, int64_t rows, int64_t keys, int64_t window, uint64_t seed)
      : runner_(runner), timeout_(timeout), random_(seed) {
    if (rows < 1 || rows > keys) {
      throw Error(ErrorKind::kInvalidArgument,
                  "attention: queries are the last of the keys' "
                  "positions: no more of them than those");
    }
    if (keys > kMostAttentionKeys || rows > kMostAttentionRows) {
      throw Error(ErrorKind::kInvalidArgument, "attention: too many positions");
    }
    trial_.plan = PlanAttention(config, shape, CausalRows(rows, keys, window));
    trial_.stream = AttentionStream(trial_.plan);
    trial_.keys = keys;
  }

  AttentionTrial Run() {
    const auto [heads, kv_heads, dims] = trial_.plan.shape;
    const auto rows = static_cast<int64_t>(trial_.plan.rows.size());
    const auto fill = [&](std::vector<float>& values, int64_t count, double size) {
      values.resize(static_cast<size_t>(count));
      for (float& value : values) {
        value = ToBf16(static_cast<float>(size * normal_(random_)));
      }
    };
    // What the array has: queries in powers of two, rounded.
    const double size = kScoreSize * kLog2E / std::sqrt(static_cast<double>(dims));
    fill(trial_.q, rows * heads * dims, size);
    fill(trial_.k, trial_.keys * kv_heads * dims, 1);
    fill(trial_.v, trial_.keys * kv_heads * dims, 1);
    Attend();
    Compare();
    for (float& value : trial_.q) value = static_cast<float>(value / kLog2E);
    return std::move(trial_);
  }

 private:
  void Attend() {
    const AttentionPlan& plan = trial_.plan;
    Bytes keys(static_cast<size_t>(plan.key_bytes));
    Bytes queries(static_cast<size_t>(plan.query_bytes));
    Bytes sums(static_cast<size_t>(plan.sum_bytes));
    // The packer multiplies with log2(e): that much less before, and what it rounds is q again, or
    // next to it, within a rounding of float.
    PackQueries(plan, trial_.q, static_cast<float>(1 / kLog2E), queries);
    KeyPacker packer(plan, keys);
    const auto width = static_cast<size_t>(plan.shape.kv_heads * plan.shape.head_dim);
    for (int64_t p = plan.rows.front().first; p < trial_.keys; ++p) {
      const size_t at = static_cast<size_t>(p) * width;
      packer.Set(p, std::span(trial_.k).subspan(at, width), std::span(trial_.v).subspan(at, width));
    }
    const std::span<std::byte> arguments[] = {keys, queries, sums};
    runner_.Run(trial_.stream, arguments, timeout_);
    trial_.o.resize(trial_.q.size());
    UnpackContext(plan, sums, trial_.o);
  }

  void Compare() {
    const int64_t heads = trial_.plan.shape.heads;
    const int64_t dims = trial_.plan.shape.head_dim;
    const int64_t stride = trial_.plan.shape.kv_heads * dims;
    // A score is at most |q| |k|.
    const auto longest = [&](const std::vector<float>& vectors) {
      double most = 0;
      for (size_t i = 0; i < vectors.size(); i += static_cast<size_t>(dims)) {
        double square = 0;
        for (size_t j = 0; j < static_cast<size_t>(dims); ++j) {
          square += double{vectors[i + j]} * vectors[i + j];
        }
        most = std::max(most, square);
      }
      return std::sqrt(most);
    };
    float value = 0;
    for (const float one : trial_.v) value = std::max(value, std::abs(one));
    const double bound =
        AttentionBound(longest(trial_.q) * longest(trial_.k), value, dims, trial_.keys);
    for (size_t i = 0; i < trial_.q.size(); i += static_cast<size_t>(dims)) {
      const auto head = static_cast<int64_t>(i) / dims % heads;
      const KeyRange& seen = trial_.plan.rows[i / static_cast<size_t>(heads * dims)];
      const int64_t offset = head / trial_.plan.group() * dims;
      const std::vector<double> want = PlainAttention(
          std::span(trial_.q).subspan(i, static_cast<size_t>(dims)), trial_.k.data() + offset,
          trial_.v.data() + offset, stride, seen, 1 / kLog2E);
      for (size_t j = 0; j < want.size(); ++j) {
        const double error = std::abs(trial_.o[i + j] - want[j]);
        // What is no number is as wrong as can be.
        trial_.max_abs_error = error <= trial_.max_abs_error ? trial_.max_abs_error : error;
      }
    }
    trial_.ok = trial_.max_abs_error <= bound;
  }

  ArrayRunner& runner_;
  const std::chrono::milliseconds timeout_;
  std::mt19937_64 random_;
  std::normal_distribution<double> normal_;
  AttentionTrial trial_;
};

}  // namespace

std::vector<double> PlainAttention(std::span<const float> q, const float* keys, const float* values,
                                   int64_t stride, const KeyRange& seen, double scale) {
  std::vector<double> weights;
  for (int64_t p = seen.first; p <= seen.last; ++p) {
    double score = 0;
    for (size_t i = 0; i < q.size(); ++i) {
      score += double{q[i]} * keys[p * stride + static_cast<int64_t>(i)];
    }
    weights.push_back(scale * score);
  }
  const double highest = *std::max_element(weights.begin(), weights.end());
  std::vector<double> context(q.size());
  double total = 0;
  for (size_t j = 0; j < weights.size(); ++j) {
    const double weight = std::exp(weights[j] - highest);
    total += weight;
    const float* const value = values + (seen.first + static_cast<int64_t>(j)) * stride;
    for (size_t i = 0; i < q.size(); ++i) context[i] += weight * value[i];
  }
  for (double& one : context) one /= total;
  return context;
}

double AttentionBound(double score, double value, int64_t head_dim, int64_t keys) {
  constexpr double kLn2 = 0.6931471805599453;
  // bfloat16; cubic and its 16-bit products; half a step of fixed point.
  const double weight = std::ldexp(1, -8) + 1.6e-4 + kLn2 * std::ldexp(1, -11);
  // Scores summed in float, and added to 12288 before they are fixed.
  const double sums = kLn2 * static_cast<double>(head_dim) * std::ldexp(score, -24);
  const double relative = (weight + sums) * (1 + 2 * (weight + sums));
  // |sum w' v / sum w' - o| <= relative x the largest |v - o|; and the sums in float.
  return 2 * value * (relative + static_cast<double>(keys) * std::ldexp(1, -24) * 2);
}

AttentionTrial TryAttention(const GemmConfig& config, const AttentionShape& shape, int64_t rows,
                            int64_t keys, int64_t window, uint64_t seed) {
  // It takes the emulator as long as it takes.
  constexpr std::chrono::hours kTimeout(24 * 365);
  EmulatorRunner runner(config.device);
  runner.Configure({GemmDesignName(config), MakeGemmDesign(config)});
  return TryAttentionOn(runner, config, shape, rows, keys, window, seed, kTimeout);
}

AttentionTrial TryAttentionOn(ArrayRunner& runner, const GemmConfig& config,
                              const AttentionShape& shape, int64_t rows, int64_t keys,
                              int64_t window, uint64_t seed, std::chrono::milliseconds timeout) {
  return Trial(runner, timeout, config, shape, rows, keys, window, seed).Run();
}

}  // namespace tandem::npu
