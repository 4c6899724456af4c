// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs of one engine on random tokens, timed one by one so that the caller can interleave them.
#pragma once

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "engine/bench.h"
#include "tandem/engine.h"

namespace tandem {

class BenchRunner {
 public:
  /// Throws Error kInvalidArgument for lengths that the model's context cannot hold.
  BenchRunner(Engine& engine, const BenchOptions& options);

  /// Seconds of a prompt of `tokens` after `depth` others.
  double Prefill(int64_t tokens, int64_t depth = 0);
  /// Fills the context with `depth` tokens, unless they are there and can be gone back to.
  void Fill(int64_t depth);
  /// Seconds of `tokens` new ones, one by one, after `depth` others, at least one.
  double Decode(int64_t tokens, int64_t depth);

 private:
  std::vector<int32_t> RandomIds(int64_t count);
  double DecodeGreedily(int64_t tokens);

  int64_t vocab_;
  std::mt19937_64 random_;
  std::unique_ptr<Session> session_;
  bool greedy_;
  int64_t depth_ = 0;  ///< What the session was filled with last.
};

}  // namespace tandem
