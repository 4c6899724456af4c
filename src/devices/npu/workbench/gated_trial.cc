// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/workbench/gated_trial.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "devices/npu/gemm/scaled_rows.h"
#include "devices/npu/workbench/differences.h"

namespace tandem::npu {
namespace {

using Bytes = std::vector<std::byte>;

/// Of all results together: far less than the worst case of each.
constexpr double kMostRelative = 0.05;
constexpr int64_t kLeastCutInputs = 32;

double GeluOf(double x) {
  return 0.5 * x * (1 + std::tanh(0.7978845608028654 * (x + 0.044715 * x * x * x)));
}

/// Columns of a weight matrix: what the array multiplies, times the column's scale.
using Columns = std::vector<std::vector<double>>;

double Dot(const std::vector<double>& w, const double* x) {
  double sum = 0;
  for (size_t i = 0; i < w.size(); ++i) sum += w[i] * x[i];
  return sum;
}

class Trial {
 public:
  Trial(ArrayRunner& runner, std::chrono::milliseconds timeout, const GemmConfig& config,
        const GatedShape& shape, uint64_t seed, std::optional<float> deviations)
      : runner_(runner), timeout_(timeout), random_(seed), deviations_(deviations) {
    if (deviations) {
      trial_.cut = PlanCut(config, shape);
      trial_.plan = trial_.cut->gated;
    } else {
      trial_.plan = PlanGated(config, shape);
    }
  }

  GatedTrial Run() {
    MakeInputs();
    std::vector<Bytes> b = PackNeurons();
    Bytes down(static_cast<size_t>(plan().down.b_bytes));
    ColumnPacker down_packer(plan().down, 0, down);
    for (int64_t n = 0; n < plan().shape.n; ++n) {
      down_.push_back(Pack(down_packer, n, plan().down.shape.k, nullptr));
    }
    Bytes h(static_cast<size_t>(plan().h_bytes), kBefore);
    PackGatedHeaders(plan(), h);
    Bytes c(static_cast<size_t>(plan().down.c_bytes), kBefore);
    std::vector<std::array<std::span<std::byte>, 3>> arguments;
    if (trial_.cut) {
      trial_.streams.push_back(EncodeSequence(CutGatesSequence(*trial_.cut)));
      trial_.streams.push_back(EncodeSequence(CutUpSequence(*trial_.cut)));
      arguments.push_back({a_, b.front(), a_});
    } else {
      trial_.streams.push_back(EncodeSequence(GatedSequence(plan())));
    }
    trial_.streams.push_back(EncodeSequence(GatedDownSequence(plan())));
    arguments.push_back({a_, b.back(), h});
    arguments.push_back({h, down, c});
    std::vector<ListedRun> list;
    for (size_t i = 0; i < arguments.size(); ++i) {
      list.push_back({&trial_.streams[i], arguments[i]});
    }
    runner_.RunList(list, timeout_);
    std::vector<float> got(static_cast<size_t>(plan().shape.m * plan().shape.n));
    UnpackC<float>(plan().down, c, got);
    Check(got);
    return std::move(trial_);
  }

 private:
  /// What memory holds that the array is to write.
  static constexpr std::byte kBefore{0xA5};

  const GatedPlan& plan() const { return trial_.plan; }

  /// Gate and up, as the runs in front of down have them.
  std::vector<Bytes> PackNeurons() {
    std::vector<Bytes> b;
    const auto pack = [&](ColumnPacker& gates, ColumnPacker& ups, int64_t first_up) {
      const int64_t up_k = plan().shared() ? plan().shape.gate_k : plan().shape.up_k;
      for (int64_t f = 0; f < plan().shape.neurons; ++f) {
        gate_.push_back(Pack(gates, f, plan().shape.gate_k, &gates));
        up_.push_back(Pack(ups, first_up + f, up_k, &ups));
      }
    };
    if (trial_.cut) {
      b = {Bytes(static_cast<size_t>(trial_.cut->gates_b_bytes)),
           Bytes(static_cast<size_t>(trial_.cut->up_b_bytes))};
      CutPacker gates(*trial_.cut, b.front());
      CutPacker ups(*trial_.cut, *deviations_, b.back());
      pack(gates, ups, 0);
    } else {
      b = {Bytes(static_cast<size_t>(plan().b_bytes))};
      GatedPacker packer(plan(), b.front());
      pack(packer, packer, packer.UpColumn(0));
    }
    return b;
  }

  /// Where up's inputs begin in a row of A.
  size_t UpFirst() const {
    return plan().shared() ? 0 : static_cast<size_t>(plan().gate_steps * kTileKI8);
  }

  /// Normal rows, some larger than others, as the array has them.
  void MakeInputs() {
    std::normal_distribution<float> normal;
    const auto k = static_cast<size_t>(plan().a.shape.k);
    const auto steps = static_cast<size_t>(plan().a.k_steps);
    const auto m = static_cast<size_t>(plan().shape.m);
    std::vector<int8_t> bytes(m * k);
    std::vector<int8_t> exponents(m * steps);
    x_.assign(m * k, 0);
    std::vector<float> row(k);
    const auto fill = [&](size_t first, int64_t count, float size) {
      for (size_t i = 0; i < static_cast<size_t>(count); ++i)
        row[first + i] = normal(random_) * size;
    };
    for (size_t t = 0; t < m; ++t) {
      const float size = std::exp2(static_cast<float>(t % 5));
      fill(0, plan().shape.gate_k, size);
      if (!plan().shared()) fill(UpFirst(), plan().shape.up_k, size);
      const auto to = std::span(bytes).subspan(t * k, k);
      const auto to_exponents = std::span(exponents).subspan(t * steps, steps);
      ScaleRow(row, to, to_exponents);
      for (size_t i = 0; i < k; ++i) {
        x_[t * k + i] = std::ldexp(double{1} * to[i], to_exponents[i / kTileKI8]);
      }
    }
    const auto a_bytes = static_cast<size_t>(plan().a.a_bytes);
    a_.assign(trial_.cut ? static_cast<size_t>(trial_.cut->memory_bytes) : a_bytes, kBefore);
    PackScaledA(plan().a, bytes, exponents, std::span(a_).first(a_bytes));
  }

  /// A random column; what it stands for. Scales of gates and ups are the packer's, which the core
  /// knows; those of down are left to Check.
  std::vector<double> Pack(ColumnPacker& packer, int64_t column, int64_t depth,
                           ColumnPacker* scaled) {
    const bool four = plan().config().type == GemmType::kI4;
    const auto k = static_cast<size_t>(depth);
    const int64_t used = scaled != nullptr ? depth : plan().shape.neurons;
    std::vector<int8_t> weights(k);
    for (int64_t i = 0; i < used; ++i) {
      const int64_t place = scaled != nullptr ? i : plan().DownPlace(i);
      weights[static_cast<size_t>(place)] = static_cast<int8_t>(
          four ? static_cast<int>(random_() % 16) - 8 : static_cast<int>(random_() % 255) - 127);
    }
    std::vector<double> values(weights.begin(), weights.end());
    const float root = std::sqrt(static_cast<float>(used));
    float scale = RoundScaleUp(0.01F / root);
    if (four) {
      std::vector<float> scales((k + kI4Block - 1) / kI4Block);
      for (float& one : scales) one = static_cast<float>(random_() % 100 + 1) / (400 * root);
      scale = packer.Set4(column, weights, scales, true);
      for (size_t i = 0; i < k; ++i) {
        const double ratio = std::nearbyint(scales[i / kI4Block] * 8.0 / scale);
        values[i] = std::nearbyint(weights[i] * ratio / 8);
      }
    } else {
      packer.Set(column, weights);
    }
    if (scaled != nullptr) {
      scaled->SetScale(column, scale);
    } else {
      down_scales_.push_back(scale);
    }
    for (double& value : values) value *= scale;
    return values;
  }

  /// What gates of a row are cut by, and how far it may be off: gates are off by 2^-8 of
  /// themselves, which moves no deviation by more than their root mean square.
  std::pair<double, double> CutOf(const std::vector<double>& gates) const {
    const auto count = static_cast<double>(gates.size());
    double sum = 0;
    double sizes = 0;
    double squares = 0;
    for (const double gate : gates) {
      sum += gate;
      sizes += std::abs(gate);
      squares += gate * gate;
    }
    const double mean = sum / count;
    const double variance = std::max(squares / count - mean * mean, 0.0);
    // Sums in float leave what the root of 2^-22 makes of a deviation that is none.
    const double slack = std::ldexp(sizes / count, -8) + (std::ldexp(1, -8) + std::ldexp(1, -11)) *
                                                             std::abs(*deviations_) *
                                                             std::sqrt(squares / count);
    return {mean + *deviations_ * std::sqrt(variance), slack};
  }

  /// Whether nothing is left of a gate, however it is rounded.
  static bool IsCut(double gate, double cut, double slack) {
    return gate + std::ldexp(std::abs(gate), -8) < cut - slack;
  }

  /// h of a row, and how far each of it may be off.
  void MakeH(const double* x, std::vector<double>& h, std::vector<double>& slack) const {
    std::vector<double> gates;
    for (const std::vector<double>& w : gate_) gates.push_back(Dot(w, x));
    const auto [cut, cut_slack] = deviations_ ? CutOf(gates) : std::pair{0.0, 0.0};
    for (size_t f = 0; f < gate_.size(); ++f) {
      const double up = Dot(up_[f], x + UpFirst());
      const double gate = deviations_ ? std::max(gates[f] - cut, 0.0) : gates[f];
      h[f] = GeluOf(gate) * up;
      slack[f] = 0;
      // Nothing is exact.
      if (deviations_ && IsCut(gates[f], cut, cut_slack)) continue;
      // The gate is rounded to bfloat16 twice, and x gelu'(x) is at most 1.13 of |x|; GELU itself
      // is 0.5 % off, where it is more than nothing, and h rounded to bfloat16 four times. What is
      // left of a gate that is cut is rounded once more.
      double of_gate = std::ldexp(std::abs(gates[f]), -8);
      if (deviations_) of_gate += cut_slack + std::ldexp(gate, -9);
      slack[f] = std::abs(up) * (1.13 * of_gate + 1e-7) + 0.013 * std::abs(h[f]);
    }
    // A byte of h is within 0.75 of its step, which is 2/127.5 of the tile's largest at most.
    const auto of_tile = static_cast<size_t>(plan().tile_neurons());
    for (size_t first = 0; first < h.size(); first += of_tile) {
      double most = 0;
      for (size_t f = first; f < first + of_tile; ++f) {
        most = std::max(most, std::abs(h[f]) + slack[f]);
      }
      for (size_t f = first; f < first + of_tile; ++f) {
        if (slack[f] > 0) slack[f] += 0.75 * 2 * most / 127.5;
      }
    }
  }

  void Check(const std::vector<float>& got) {
    const auto k = static_cast<size_t>(plan().a.shape.k);
    const auto n = static_cast<size_t>(plan().shape.n);
    std::vector<double> h(static_cast<size_t>(plan().padded_neurons()));
    std::vector<double> slack(h.size());
    Differences differences(plan().shape.n);
    double errors = 0;
    double size = 0;
    for (size_t t = 0; t < static_cast<size_t>(plan().shape.m); ++t) {
      MakeH(x_.data() + t * k, h, slack);
      for (size_t i = 0; i < n; ++i) {
        const std::vector<double>& w = down_[i];
        double want = 0;
        double bound = 1e-12;
        for (size_t f = 0; f < gate_.size(); ++f) {
          const double weight = w[static_cast<size_t>(plan().DownPlace(static_cast<int64_t>(f)))];
          want += weight * h[f];
          bound += std::abs(weight) * (slack[f] + 1e-5 * std::abs(h[f]));
        }
        const double result = double{got[t * n + i]} * down_scales_[i];
        const double error = std::abs(result - want);
        // What is no number is as wrong as can be.
        if (!(error <= bound)) differences.Add(t * n + i, result, want);
        trial_.max_abs_error = error <= trial_.max_abs_error ? trial_.max_abs_error : error;
        errors += error * error;
        size += want * want;
      }
    }
    trial_.difference = differences.Text(got.size());
    trial_.relative_error = size == 0 ? 0 : std::sqrt(errors / size);
    // Of a few inputs all rows are cut alike: what is left of gates may be of the size of what
    // their own rounding is.
    const bool judged = !deviations_ || plan().shape.gate_k >= kLeastCutInputs;
    if (judged && trial_.difference.empty() && !(trial_.relative_error <= kMostRelative)) {
      trial_.difference = fmt::format("all together are {:.1f} % off", 100 * trial_.relative_error);
    }
    trial_.ok = trial_.difference.empty();
  }

  ArrayRunner& runner_;
  const std::chrono::milliseconds timeout_;
  std::mt19937_64 random_;
  const std::optional<float> deviations_;
  GatedTrial trial_;
  Bytes a_;
  std::vector<double> x_;
  Columns gate_, up_, down_;
  std::vector<float> down_scales_;
};

}  // namespace

GatedTrial TryGatedOn(ArrayRunner& runner, const GemmConfig& config, const GatedShape& shape,
                      uint64_t seed, std::chrono::milliseconds timeout,
                      std::optional<float> deviations) {
  return Trial(runner, timeout, config, shape, seed, deviations).Run();
}

}  // namespace tandem::npu
