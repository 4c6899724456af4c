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

/// What rows of cores have to do, a job each in a round.
struct AttentionWork {
  struct Round {
    int64_t longest = 0;  ///< Tiles of keys of its longest job,
    int64_t tiles = 0;    ///< and of all.
  };
  Device device;
  int64_t dims = 0;              ///< Of a head, that are multiplied.
  int64_t query_tile_bytes = 0;  ///< Of a part of a core's queries.
  std::vector<Round> rounds;
  double macs = 0;  ///< Of the problem: 2 head_dim for each key that a query sees.
};

GemmTime ModelAttention(const AttentionWork& work, KernelClass kernel,
                        std::optional<double> clock_hz = {});

}  // namespace tandem::npu
