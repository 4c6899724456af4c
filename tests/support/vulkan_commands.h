// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A command buffer for tests and benchmarks of single kernels: recorded, run once, waited for.
#pragma once

#include <optional>

#include "devices/vulkan/recorder.h"

namespace tandem::testing {

class VulkanCommands {
 public:
  /// Room for that many kernels.
  VulkanCommands(vulkan::Context& context, vulkan::Pipelines& pipelines, uint32_t dispatches);
  VulkanCommands(const VulkanCommands&) = delete;
  VulkanCommands& operator=(const VulkanCommands&) = delete;
  ~VulkanCommands();

  vulkan::Recorder& recorder() { return *recorder_; }
  /// Notes the time, when all before is done: 0, then 1.
  void Stamp(uint32_t index);
  /// Runs everything. Throws what the validation layer has to say.
  void Run();
  /// Between the stamps, once it has run.
  double Seconds() const;

 private:
  vulkan::Context& context_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer buffer_ = VK_NULL_HANDLE;
  VkDescriptorPool sets_ = VK_NULL_HANDLE;
  VkQueryPool times_ = VK_NULL_HANDLE;
  std::optional<vulkan::Recorder> recorder_;
};

}  // namespace tandem::testing
