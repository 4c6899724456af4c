// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Kernels that tests and benchmarks run by themselves, with the time that they took.
#pragma once

#include "devices/vulkan/single_run.h"

namespace tandem::testing {

class VulkanCommands {
 public:
  /// Room for that many kernels.
  VulkanCommands(vulkan::Context& context, vulkan::Pipelines& pipelines, uint32_t dispatches);
  VulkanCommands(const VulkanCommands&) = delete;
  VulkanCommands& operator=(const VulkanCommands&) = delete;
  ~VulkanCommands();

  vulkan::Recorder& recorder() { return run_.recorder(); }
  /// Notes the time, when all before is done: 0, then 1.
  void Stamp(uint32_t index);
  /// Runs everything. Throws what the validation layer has to say.
  void Run() { run_.Run(); }
  /// Between the stamps, once it has run.
  double Seconds() const;

 private:
  vulkan::Context& context_;
  vulkan::SingleRun run_;
  VkQueryPool times_ = VK_NULL_HANDLE;
};

}  // namespace tandem::testing
