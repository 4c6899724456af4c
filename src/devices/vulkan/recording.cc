// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/recording.h"

#include <algorithm>

namespace tandem::vulkan {
namespace {

constexpr std::string_view kWhat = "recording a step";

// Multiply-adds of one submission at most. New kernels give amdgpu 2 s; the plain kernels are
// assumed to reach a tenth of an iGPU's 4 T multiply-adds a second at least.
constexpr uint64_t kMostWork = uint64_t{100} << 30;

// The host's writes before a step, and a step's before the host reads: the fence alone does not
// make them visible.
void HostBarrier(Context& context, VkCommandBuffer commands, bool end) {
  constexpr VkPipelineStageFlags2 kDevice =
      VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT;
  VkMemoryBarrier2 barrier{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
  barrier.srcStageMask = kDevice;
  barrier.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT;
  barrier.dstStageMask = end ? VK_PIPELINE_STAGE_2_HOST_BIT : kDevice;
  barrier.dstAccessMask =
      end ? VK_ACCESS_2_HOST_READ_BIT : VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT;
  VkDependencyInfo dependency{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  dependency.memoryBarrierCount = 1;
  dependency.pMemoryBarriers = &barrier;
  context.vk().vkCmdPipelineBarrier2(commands, &dependency);
}

}  // namespace

VulkanSegment::Recording::~Recording() {
  VolkDeviceTable& vk = context_.vk();
  const VkDevice device = context_.device();
  if (queries_ != VK_NULL_HANDLE) vk.vkDestroyQueryPool(device, queries_, nullptr);
  if (sets_ != VK_NULL_HANDLE) vk.vkDestroyDescriptorPool(device, sets_, nullptr);
  if (!buffers_.empty()) {
    vk.vkFreeCommandBuffers(device, commands_, static_cast<uint32_t>(buffers_.size()),
                            buffers_.data());
  }
}

void VulkanSegment::Recording::BeginBuffer() {
  VolkDeviceTable& vk = context_.vk();
  VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = commands_;
  allocate.commandBufferCount = 1;
  VkCommandBuffer buffer = VK_NULL_HANDLE;
  buffers_.reserve(buffers_.size() + 1);
  context_.Check(vk.vkAllocateCommandBuffers(context_.device(), &allocate, &buffer), kWhat);
  buffers_.push_back(buffer);
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  context_.Check(vk.vkBeginCommandBuffer(buffer, &begin), kWhat);
  HostBarrier(context_, buffer, false);
  work_ = 0;
}

void VulkanSegment::Recording::EndBuffer() {
  HostBarrier(context_, current(), true);
  context_.Check(context_.vk().vkEndCommandBuffer(current()), kWhat);
}

void VulkanSegment::Recording::Begin(uint32_t dispatches, size_t stamps) {
  VolkDeviceTable& vk = context_.vk();
  dispatches = std::max(dispatches, 1U);
  const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, dispatches * kMaxBindings};
  VkDescriptorPoolCreateInfo pool{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  pool.maxSets = dispatches;
  pool.poolSizeCount = 1;
  pool.pPoolSizes = &size;
  context_.Check(vk.vkCreateDescriptorPool(context_.device(), &pool, nullptr, &sets_), kWhat);
  if (timed) {
    stamps_ = static_cast<uint32_t>(stamps);
    VkQueryPoolCreateInfo queries{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
    queries.queryType = VK_QUERY_TYPE_TIMESTAMP;
    queries.queryCount = stamps_;
    context_.Check(vk.vkCreateQueryPool(context_.device(), &queries, nullptr, &queries_), kWhat);
  }
  BeginBuffer();
  if (timed) vk.vkCmdResetQueryPool(current(), queries_, 0, stamps_);
}

void VulkanSegment::Recording::End(const Counts& counts) {
  EndBuffer();
  counts_ = counts;
}

void VulkanSegment::Recording::Stamp(Recorder& recorder, size_t index) {
  if (!timed) return;
  recorder.Isolate();
  context_.vk().vkCmdWriteTimestamp2(current(), VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, queries_,
                                     static_cast<uint32_t>(index));
}

void VulkanSegment::Recording::CountWork(const Op& op) {
  for (const WeightView& matrix : UseOf(op.body).matrices) {
    work_ += static_cast<uint64_t>(matrix.rows) * static_cast<uint64_t>(matrix.cols) *
             plan.Rows(op.rows);
  }
}

void VulkanSegment::Recording::CutIfLong(Recorder& recorder) {
  if (work_ < kMostWork) return;
  EndBuffer();
  BeginBuffer();
  recorder.Continue(current());
}

void VulkanSegment::Recording::ReadTimes(size_t first, std::vector<OpTime>& times) const {
  std::vector<uint64_t> ticks(stamps_);
  const VkResult read = context_.vk().vkGetQueryPoolResults(
      context_.device(), queries_, 0, stamps_, ticks.size() * sizeof(uint64_t), ticks.data(),
      sizeof(uint64_t), VK_QUERY_RESULT_64_BIT);
  context_.Check(read, "reading times");
  for (size_t i = 0; i + 1 < ticks.size(); ++i) {
    const double ns =
        static_cast<double>(ticks[i + 1] - ticks[i]) * static_cast<double>(context_.timestamp_ns());
    times.push_back({first + i, ns * 1e-9});
  }
}

}  // namespace tandem::vulkan
