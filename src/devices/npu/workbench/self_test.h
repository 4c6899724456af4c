// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A test of an array from the least that it can do up to the products of a whole layer, each step
// resting on those before. One thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "devices/npu/runner/array_runner.h"

namespace tandem::npu {

struct SelfTestStep {
  std::string name;    ///< "copy"
  std::string what;    ///< What it does, one line.
  std::string design;  ///< The configuration that it runs on.
  bool ok = false;
  std::string problem;  ///< What differs, or what stopped it.
  int runs = 0;
  double seconds = 0;  ///< Of all its runs, packing and comparing not among them.
};

/// What a step that failed was about, for those who look into it.
struct SelfTestEvidence {
  Stream stream;
  std::vector<std::vector<std::byte>> arguments;  ///< As they were after the run.
};

struct SelfTestOptions {
  uint64_t seed = 1;
  /// The layer's products as large as those of Gemma 3n E2B, or small ones.
  bool full_size = false;
  std::chrono::milliseconds timeout{10000};          ///< Of each run.
  std::function<void(const SelfTestStep&)> on_step;  ///< After each.
  /// Before each: how many came before it, how many there are, and its name.
  std::function<void(int done, int planned, const std::string& name)> on_start;
};

struct SelfTestReport {
  std::vector<SelfTestStep> steps;  ///< Those that ran; the last one failed, if any did.
  int planned = 0;
  SelfTestEvidence evidence;  ///< Of the step that failed; empty without.

  bool ok() const { return static_cast<int>(steps.size()) == planned && steps.back().ok; }
};

/// Runs the steps in order until one fails. What a runner throws is that step's problem; only what
/// is a mistake of the test itself is thrown on.
SelfTestReport RunSelfTest(ArrayRunner& runner, const SelfTestOptions& options);

}  // namespace tandem::npu
