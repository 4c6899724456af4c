// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Emulated arrays, one per configuration, each configured on first use: what an NPU's contexts are.
// One thread.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <span>

#include "devices/npu/emulator/emulator.h"
#include "devices/npu/gemm/gemm_stream.h"

namespace tandem::npu {

class EmulatedArrays {
 public:
  /// Runs a stream of PlanGemm's on packed matrices. Throws Error kDeviceLost with the report where
  /// the array stops; it is configured anew for the next run then. `b` is only read.
  void Run(const GemmConfig& config, const Stream& stream, std::span<std::byte> a,
           std::span<const std::byte> b, std::span<std::byte> c);

 private:
  struct Less {
    bool operator()(const GemmConfig& a, const GemmConfig& b) const;
  };
  std::map<GemmConfig, std::unique_ptr<Emulator>, Less> arrays_;
};

}  // namespace tandem::npu
