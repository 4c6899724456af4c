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

  /// Seconds of a prompt of `tokens`.
  double Prefill(int64_t tokens);
  /// Fills the context with `depth` tokens, at least one.
  void Fill(int64_t depth);
  /// Seconds of `tokens` new ones, one by one.
  double Decode(int64_t tokens);

 private:
  std::vector<int32_t> RandomIds(int64_t count);

  int64_t vocab_;
  std::mt19937_64 random_;
  std::unique_ptr<Session> session_;
};

}  // namespace tandem
