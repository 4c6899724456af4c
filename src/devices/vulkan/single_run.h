// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A command buffer of its own for a few kernels, recorded, run once and waited for: the checks of
// products, tests and benchmarks. Everything it binds must outlive it. One thread.
#pragma once

#include <cstdint>
#include <optional>

#include "devices/vulkan/recorder.h"

namespace tandem::vulkan {

class SingleRun {
 public:
  /// Room for that many kernels. Throws Error kResource, kDeviceLost.
  SingleRun(Context& context, Pipelines& pipelines, uint32_t dispatches);
  SingleRun(const SingleRun&) = delete;
  SingleRun& operator=(const SingleRun&) = delete;
  ~SingleRun();

  Recorder& recorder() { return *recorder_; }
  VkCommandBuffer commands() const { return buffer_; }
  /// Runs what was recorded; then the host may read what it wrote. Once. Throws as above, and
  /// kInternal for what the validation layer has to say.
  void Run();

 private:
  void Make(uint32_t dispatches);
  void Destroy();

  Context& context_;
  VkCommandPool pool_ = VK_NULL_HANDLE;
  VkCommandBuffer buffer_ = VK_NULL_HANDLE;
  VkDescriptorPool sets_ = VK_NULL_HANDLE;
  std::optional<Recorder> recorder_;
};

}  // namespace tandem::vulkan
