// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Emulated arrays, one per configuration, each configured on first use: what an NPU's contexts are.
// One thread.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>

#include "devices/npu/attention/attention_plan.h"
#include "devices/npu/emulator/emulator.h"
#include "devices/npu/gemm/gemm_stream.h"

namespace tandem::npu {

class EmulatedArrays {
 public:
  /// Runs a stream of PlanGemm's on packed matrices. Throws Error kDeviceLost with the report where
  /// the array stops; it is configured anew for the next run then. `b` is only read.
  void Run(const GemmConfig& config, const Stream& stream, std::span<std::byte> a,
           std::span<const std::byte> b, std::span<std::byte> c);
  /// The same with a stream of PlanAttention's and its four packed buffers.
  void Attend(const Device& device, const Stream& stream, std::span<std::byte> queries,
              std::span<std::byte> keys, std::span<std::byte> values, std::span<std::byte> sums);

 private:
  static void RunOn(std::unique_ptr<Emulator>& array, const Device& device,
                    const std::function<Design()>& design, const Stream& stream,
                    std::span<const std::span<std::byte>> buffers);

  struct Less {
    bool operator()(const GemmConfig& a, const GemmConfig& b) const;
  };
  std::map<GemmConfig, std::unique_ptr<Emulator>, Less> arrays_;
  std::unique_ptr<Emulator> attention_;  ///< Of one device for ever.
};

}  // namespace tandem::npu
