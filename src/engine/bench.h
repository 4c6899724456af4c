// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Measures an engine on random tokens: prefill and decode speed, time to first token.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tandem/engine.h"

namespace tandem {

struct BenchOptions {
  std::vector<int64_t> prompts = {32, 128, 512};  ///< Prompt lengths.
  int64_t decode = 64;                            ///< Tokens to decode; 0 = none.
  std::vector<int64_t> contexts = {0};            ///< Tokens in the context before either.
  int repetitions = 5;
  uint64_t seed = 1;
  /// Decode as replies do, the likeliest token each time, which a device may draw itself. Else
  /// random tokens, whose logits are made and not looked at.
  bool greedy = false;
};

/// Tokens per second after `context` others, over the repetitions.
struct BenchRow {
  int64_t tokens = 0;
  int64_t context = 0;
  double tps_median = 0;
  double tps_min = 0;
  double tps_max = 0;
};

struct BenchResult {
  std::string device;
  std::vector<BenchRow> prefill;
  std::vector<BenchRow> decode;
  double ttft_ms = 0;  ///< Median time until the logits of the first row of prefill are there.
};

/// Interleaves the measurements, a warm-up round first. Throws Error kInvalidArgument for lengths
/// that the model's context cannot hold.
BenchResult RunBench(Engine& engine, const BenchOptions& options,
                     const std::function<void(int done, int total)>& progress = {});

/// Highest resident memory of this process so far, in bytes.
uint64_t PeakResidentBytes();

}  // namespace tandem
