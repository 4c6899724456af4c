// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What choosing a token costs on a vocabulary of Gemma's size.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "engine/sampler.h"

namespace tandem {
namespace {

constexpr size_t kVocab = 262144;

void Sample(benchmark::State& state, double temperature, int top_k, double top_p,
            double repeat_penalty) {
  SamplingOptions options;
  options.temperature = temperature;
  options.top_k = top_k;
  options.top_p = top_p;
  options.repeat_penalty = repeat_penalty;
  std::vector<bool> banned(kVocab);
  banned[0] = true;
  Sampler sampler(options, [&](int32_t id) { return banned[static_cast<size_t>(id)]; });
  // As logits are: a wide bell, here from a hash.
  std::vector<float> logits(kVocab);
  std::mt19937_64 random(1);
  for (float& logit : logits) {
    double sum = 0;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(random() >> 11) * 0x1p-53 - 0.5;
    logit = static_cast<float>(3 * sum);
  }
  const std::vector<int32_t> history(64, 5);
  for (auto _ : state) benchmark::DoNotOptimize(sampler.Sample(logits, history));
}

BENCHMARK_CAPTURE(Sample, greedy, 0.0, 0, 0.95, 1.0);
BENCHMARK_CAPTURE(Sample, top_k_64, 1.0, 64, 0.95, 1.0);
BENCHMARK_CAPTURE(Sample, top_k_64_penalty, 1.0, 64, 0.95, 1.1);
BENCHMARK_CAPTURE(Sample, top_p_only, 1.0, 0, 0.95, 1.0);
BENCHMARK_CAPTURE(Sample, temperature_only, 1.0, 0, 1.0, 1.0);

}  // namespace
}  // namespace tandem

BENCHMARK_MAIN();
