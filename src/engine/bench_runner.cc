// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/bench_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "core/error.h"
#include "engine/reply_steps.h"
#include "engine/sampler.h"

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
    int64_t after = options.decode > 0 && depth == 0 ? options.decode + 1 : options.decode;
    if (options.greedy) ++after;
    for (const int64_t tokens : options.prompts) after = std::max(after, tokens);
    require(depth >= 0 && depth <= longest && after <= longest - depth,
            fmt::format("{} tokens after a context of {}: the context holds {}", after, depth,
                        longest));
  }
}

}  // namespace

BenchRunner::BenchRunner(Engine& engine, const BenchOptions& options)
    : vocab_(engine.model().vocab_rows()), random_(options.seed), greedy_(options.greedy) {
  CheckOptions(options, engine.model().context_length());
  int64_t longest = 1;
  for (const int64_t depth : options.contexts) {
    for (const int64_t tokens : options.prompts) longest = std::max(longest, depth + tokens);
    longest =
        std::max(longest, std::max<int64_t>(depth, 1) + options.decode + (options.greedy ? 1 : 0));
  }
  session_ = engine.NewSession(longest);
}

double BenchRunner::Prefill(int64_t tokens, int64_t depth) {
  const std::vector<int32_t> ids = RandomIds(tokens);
  Fill(depth);
  const auto start = Clock::now();
  session_->Append(ids);
  return SecondsSince(start);
}

void BenchRunner::Fill(int64_t depth) {
  if (depth == depth_) {
    // From the mark, whose rings are whole: nothing runs again.
    session_->Rewind(depth);
    return;
  }
  session_->Reset();
  depth_ = depth;
  if (depth == 0) return;
  session_->Append(RandomIds(depth));
  session_->MarkTurn();
}

double BenchRunner::Decode(int64_t tokens, int64_t depth) {
  const std::vector<int32_t> ids = RandomIds(tokens);
  Fill(std::max<int64_t>(depth, 1));
  if (greedy_) return DecodeGreedily(tokens);
  const auto start = Clock::now();
  for (const int32_t id : ids) session_->Append({&id, 1});
  return SecondsSince(start);
}

double BenchRunner::DecodeGreedily(int64_t tokens) {
  const Model& model = session_->model();
  SamplingOptions greedy;
  greedy.temperature = 0;
  Sampler sampler(greedy, [&model](int32_t id) { return model.IsBanned(id); });
  AfterToken after{session_->Append(RandomIds(1))};
  const auto start = Clock::now();
  ReplySteps steps(
      *session_, 1, {}, [](int32_t) { return false; },
      [&](size_t ahead) { return *sampler.DrawAhead(ahead); });
  for (int64_t more = tokens - 1; more >= 0; --more) {
    after = steps.Add(Next(sampler, after, steps.tokens()), more);
  }
  return SecondsSince(start);
}

std::vector<int32_t> BenchRunner::RandomIds(int64_t count) {
  std::vector<int32_t> ids(static_cast<size_t>(count));
  for (int32_t& id : ids) id = static_cast<int32_t>(random_() % static_cast<uint64_t>(vocab_));
  return ids;
}

}  // namespace tandem
