// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// One recorded step of a segment: its command buffers, descriptors and memory. More than one buffer
// where the work of one could take so long that a driver's watchdog thinks it hangs.
#pragma once

#include <cstdint>
#include <vector>

#include "devices/vulkan/segment.h"

namespace tandem::vulkan {

struct VulkanSegment::Recording {
  Recording(const Program& program, Context& its_context, VkCommandPool its_commands,
            const RecordingKey& its_key)
      : plan(program, its_key.rows, its_key.wanted),
        key(its_key),
        context_(its_context),
        commands_(its_commands) {}
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording();

  /// Makes room for that many kernels, and for a time after each kernel and copy, and begins.
  void Begin(const Counts& counts);
  void End(const Counts& counts);
  /// Notes the time, at the end of a kernel of op `op` after the first.
  void Stamp(Recorder& recorder, size_t op, std::string_view kernel, uint32_t workgroups);
  /// Counts the multiply-adds of an op; ends the command buffer when there are many.
  void CountWork(const Op& op);
  void CutIfLong(Recorder& recorder);
  /// Adds the times of the ops in `range`, and of their kernels.
  void ReadTimes(OpRange range, std::vector<OpTime>& times, KernelCounts* kernels) const;

  VkCommandBuffer current() const { return buffers_.back(); }
  const std::vector<VkCommandBuffer>& buffers() const { return buffers_; }
  VkDescriptorPool sets() const { return sets_; }
  /// Of the last of its buffers.
  VkFence fence() const { return fence_; }
  const Counts& counts() const { return counts_; }

  StepPlan plan;
  const RecordingKey key;
  uint64_t generation = 0;  ///< Of the workspace.
  Slice upload;
  Slice readback;

 private:
  void BeginBuffer();
  void EndBuffer();

  Context& context_;
  VkCommandPool commands_;
  std::vector<VkCommandBuffer> buffers_;
  VkDescriptorPool sets_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
  VkQueryPool queries_ = VK_NULL_HANDLE;
  uint32_t stamps_ = 0;            ///< Room for so many.
  std::vector<KernelTime> marks_;  ///< What has a stamp, without its time.
  uint64_t work_ = 0;              ///< Multiply-adds of the current buffer.
  Counts counts_;
};

}  // namespace tandem::vulkan
