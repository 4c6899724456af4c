// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The Attention op of a prompt's step on the array: keys and values out of the session's cache, as
// bfloat16, in the array's order. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "devices/npu/attention/attention_plan.h"
#include "devices/products.h"

namespace tandem::npu {

/// Packed queries, keys, values and results of a call, at most: more stays with the host.
inline constexpr int64_t kMostCallBytes = int64_t{256} << 20;

/// Why heads of a cache stay with the host, whatever a step is; empty where they do not.
std::string_view AttentionRefusal(const Attention& op, const CacheTensor& tensor);

/// How a call reaches the array: memory of its arguments, and a run on them. What the memory holds
/// lasts until the next use of the same argument.
class AttentionRunner {
 public:
  virtual ~AttentionRunner() = default;
  /// Which configuration is there; it attends.
  virtual const GemmConfig& config() const = 0;
  virtual std::span<std::byte> Memory(size_t argument, int64_t bytes) = 0;
  /// Throws Error kDeviceLost.
  virtual void Run(const AttentionPlan& plan, const Stream& stream) = 0;
};
inline constexpr size_t kKeyArgument = 0;
inline constexpr size_t kQueryArgument = 1;
inline constexpr size_t kSumArgument = 2;

class ArrayAttention {
 public:
  /// What a step's attention was on the array.
  struct Work {
    uint64_t calls = 0;
    uint64_t macs = 0;
    double seconds = 0;  ///< Modelled.
  };

  /// Nothing, and the context as it was, where it stays with the host: few rows of a sequence,
  /// heads that the design does not take, memory beyond kMostCallBytes, values that are no numbers,
  /// or scores that could leave the kernels' range. Throws as the runner.
  std::optional<Work> Attend(const AttentionCall& call, AttentionRunner& runner);

 private:
  /// Rows of one sequence.
  bool PackRun(const AttentionPlan& plan, const AttentionCall& call, const KvView& cache,
               std::span<const float> q, AttentionRunner& runner);
  /// Once for each reason.
  void SayLeft(std::string_view reason);

  std::vector<float> context_;
  std::vector<std::string_view> said_;
};

}  // namespace tandem::npu
