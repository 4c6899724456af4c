// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/bench.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <random>

#include "core/error.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

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

void CheckOptions(const BenchOptions& options, int64_t longest) {
  const auto require = [](bool condition, std::string what) {
    if (!condition) throw Error(ErrorKind::kInvalidArgument, std::move(what));
  };
  require(options.repetitions >= 1 && options.repetitions <= 10000,
          fmt::format("{} repetitions", options.repetitions));
  for (const int64_t tokens : options.prompts) {
    require(tokens >= 1 && tokens <= longest,
            fmt::format("a prompt of {} tokens: the context holds {}", tokens, longest));
  }
  require(options.decode >= 0, fmt::format("{} tokens to decode", options.decode));
  for (const int64_t depth : options.contexts) {
    require(
        depth >= 0 && depth <= longest && options.decode <= longest - std::max<int64_t>(depth, 1),
        fmt::format("{} tokens after a context of {}: the context holds {}", options.decode, depth,
                    longest));
  }
}

// Runs of one engine, timed one by one so that the caller can interleave them.
class Runner {
 public:
  Runner(Engine& engine, const BenchOptions& options)
      : vocab_(engine.model().vocab_rows()), random_(options.seed) {
    int64_t longest = 1;
    for (const int64_t tokens : options.prompts) longest = std::max(longest, tokens);
    for (const int64_t depth : options.contexts) {
      longest = std::max(longest, std::max<int64_t>(depth, 1) + options.decode);
    }
    session_ = engine.NewSession(longest);
  }

  double Prefill(int64_t tokens) {
    const std::vector<int32_t> ids = RandomIds(tokens);
    session_->Reset();
    const auto start = Clock::now();
    session_->Append(ids);
    return SecondsSince(start);
  }

  double Decode(int64_t tokens, int64_t depth) {
    session_->Reset();
    session_->Append(RandomIds(std::max<int64_t>(depth, 1)));
    const std::vector<int32_t> ids = RandomIds(tokens);
    const auto start = Clock::now();
    for (const int32_t id : ids) session_->Append({&id, 1});
    return SecondsSince(start);
  }

 private:
  std::vector<int32_t> RandomIds(int64_t count) {
    std::vector<int32_t> ids(static_cast<size_t>(count));
    for (int32_t& id : ids) id = static_cast<int32_t>(random_() % static_cast<uint64_t>(vocab_));
    return ids;
  }

  int64_t vocab_;
  std::mt19937_64 random_;
  std::unique_ptr<Session> session_;
};

}  // namespace

BenchResult RunBench(Engine& engine, const BenchOptions& options,
                     const std::function<void(int done, int total)>& progress) {
  CheckOptions(options, engine.model().context_length());
  Runner runner(engine, options);
  const size_t depths = options.decode > 0 ? options.contexts.size() : 0;
  std::vector<std::vector<double>> prefill(options.prompts.size());
  std::vector<std::vector<double>> decode(depths);
  for (int round = 0; round <= options.repetitions; ++round) {
    // Round 0 warms up: pages come in, buffers grow.
    for (size_t i = 0; i < prefill.size(); ++i) {
      const double seconds = runner.Prefill(options.prompts[i]);
      if (round > 0) prefill[i].push_back(seconds);
    }
    for (size_t i = 0; i < decode.size(); ++i) {
      const int64_t tokens = round == 0 ? std::min<int64_t>(options.decode, 2) : options.decode;
      const double seconds = runner.Decode(tokens, options.contexts[i]);
      if (round > 0) decode[i].push_back(seconds);
    }
    if (progress) progress(round, options.repetitions);
  }
  BenchResult result;
  result.device = engine.DecodeDevice();
  for (size_t i = 0; i < prefill.size(); ++i) {
    result.prefill.push_back(ToRow(options.prompts[i], 0, prefill[i]));
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
