// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How long an attention takes on the array, by the model of gemm_time.h. What is its own is
// reckoned from the design, and nothing of it was measured: docs/npu.md. Pure functions;
// thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "devices/npu/timing/gemm_time.h"

namespace tandem::npu {

/// What groups of columns have to do.
struct AttentionWork {
  struct Group {
    int64_t jobs = 0;
    int64_t tiles = 0;  ///< Of keys, of all its jobs.
  };
  Device device;
  int64_t dims = 0;           ///< Of a head, that are multiplied.
  std::vector<Group> groups;  ///< Those that have something to do, one at least.
  double macs = 0;            ///< Of the problem: 2 head_dim for each key that a query sees.
};

GemmTime ModelAttention(const AttentionWork& work, KernelClass kernel,
                        std::optional<double> clock_hz = {});

}  // namespace tandem::npu
