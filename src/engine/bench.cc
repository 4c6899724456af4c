// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/bench.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

#include "engine/bench_runner.h"

namespace tandem {
namespace {

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t middle = values.size() / 2;
  return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

BenchRow ToRow(int64_t tokens, int64_t context, const std::vector<double>& seconds) {
  std::vector<double> rates;
  rates.reserve(seconds.size());
  for (const double s : seconds) rates.push_back(static_cast<double>(tokens) / s);
  return {tokens, context, Median(rates), *std::min_element(rates.begin(), rates.end()),
          *std::max_element(rates.begin(), rates.end())};
}

}  // namespace

BenchResult RunBench(Engine& engine, const BenchOptions& options,
                     const std::function<void(int done, int total)>& progress) {
  BenchRunner runner(engine, options);
  const size_t depths = options.contexts.size();
  const size_t prompts = options.prompts.size();
  std::vector<std::vector<double>> prefill(depths * prompts);
  std::vector<std::vector<double>> decode(options.decode > 0 ? depths : 0);
  for (int round = 0; round <= options.repetitions; ++round) {
    // Round 0 warms up: pages come in, buffers grow.
    for (size_t d = 0; d < depths; ++d) {
      const int64_t depth = options.contexts[d];
      for (size_t i = 0; i < prompts; ++i) {
        const double seconds = runner.Prefill(options.prompts[i], depth);
        if (round > 0) prefill[d * prompts + i].push_back(seconds);
      }
      if (decode.empty()) continue;
      const int64_t tokens = round == 0 ? std::min<int64_t>(options.decode, 2) : options.decode;
      const double seconds = runner.Decode(tokens, depth);
      if (round > 0) decode[d].push_back(seconds);
    }
    if (progress) progress(round, options.repetitions);
  }
  BenchResult result;
  result.device = engine.DecodeDevice();
  const std::string& prompts_on = engine.options().prefill;
  if (!prompts_on.empty() && prompts_on != "auto" && prompts_on != result.device) {
    result.device = fmt::format("{}, prompts on {}", result.device, engine.Description());
  }
  for (size_t i = 0; i < prefill.size(); ++i) {
    result.prefill.push_back(
        ToRow(options.prompts[i % prompts], options.contexts[i / prompts], prefill[i]));
  }
  for (size_t i = 0; i < decode.size(); ++i) {
    result.decode.push_back(ToRow(options.decode, options.contexts[i], decode[i]));
  }
  if (!prefill.empty()) result.ttft_ms = Median(prefill[0]) * 1e3;
  return result;
}

uint64_t PeakResidentBytes() {
  struct rusage usage {};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace tandem
