// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/bench_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "core/error.h"

namespace tandem {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
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

}  // namespace

BenchRunner::BenchRunner(Engine& engine, const BenchOptions& options)
    : vocab_(engine.model().vocab_rows()), random_(options.seed) {
  CheckOptions(options, engine.model().context_length());
  int64_t longest = 1;
  for (const int64_t tokens : options.prompts) longest = std::max(longest, tokens);
  for (const int64_t depth : options.contexts) {
    longest = std::max(longest, std::max<int64_t>(depth, 1) + options.decode);
  }
  session_ = engine.NewSession(longest);
}

double BenchRunner::Prefill(int64_t tokens) {
  const std::vector<int32_t> ids = RandomIds(tokens);
  session_->Reset();
  const auto start = Clock::now();
  session_->Append(ids);
  return SecondsSince(start);
}

void BenchRunner::Fill(int64_t depth) {
  session_->Reset();
  session_->Append(RandomIds(std::max<int64_t>(depth, 1)));
}

double BenchRunner::Decode(int64_t tokens) {
  const std::vector<int32_t> ids = RandomIds(tokens);
  const auto start = Clock::now();
  for (const int32_t id : ids) session_->Append({&id, 1});
  return SecondsSince(start);
}

std::vector<int32_t> BenchRunner::RandomIds(int64_t count) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = static_cast<int32_t>(random_() % static_cast<uint64_t>(vocab_));
  return ids;
}

}  // namespace tandem
