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
  vk.vkDestroyFence(device, fence_, nullptr);
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

void VulkanSegment::Recording::Begin(const Counts& counts) {
  VolkDeviceTable& vk = context_.vk();
  const uint32_t dispatches = std::max(counts.dispatches, 1U);
  const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, dispatches * kMaxBindings};
  VkDescriptorPoolCreateInfo pool{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  pool.maxSets = dispatches;
  pool.poolSizeCount = 1;
  pool.pPoolSizes = &size;
  context_.Check(vk.vkCreateDescriptorPool(context_.device(), &pool, nullptr, &sets_), kWhat);
  const VkFenceCreateInfo fence{VK_STRUCTURE_TYPE_FENCE_CREATE_INFO};
  context_.Check(vk.vkCreateFence(context_.device(), &fence, nullptr, &fence_), kWhat);
  if (key.timed) {
    stamps_ = counts.dispatches + counts.copies + 1;
    VkQueryPoolCreateInfo queries{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
    queries.queryType = VK_QUERY_TYPE_TIMESTAMP;
    queries.queryCount = stamps_;
    context_.Check(vk.vkCreateQueryPool(context_.device(), &queries, nullptr, &queries_), kWhat);
  }
  BeginBuffer();
  if (key.timed) vk.vkCmdResetQueryPool(current(), queries_, 0, stamps_);
}

void VulkanSegment::Recording::End(const Counts& counts) {
  EndBuffer();
  counts_ = counts;
}

void VulkanSegment::Recording::Stamp(Recorder& recorder, size_t op, std::string_view kernel,
                                     uint32_t workgroups) {
  if (!key.timed) return;
  recorder.Isolate();
  context_.vk().vkCmdWriteTimestamp2(current(), VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, queries_,
                                     static_cast<uint32_t>(marks_.size()));
  marks_.push_back({op, kernel, workgroups, 0});
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

void VulkanSegment::Recording::ReadTimes(OpRange range, std::vector<OpTime>& times,
                                         KernelCounts* kernels) const {
  std::vector<uint64_t> ticks(marks_.size());
  const VkResult read = context_.vk().vkGetQueryPoolResults(
      context_.device(), queries_, 0, static_cast<uint32_t>(ticks.size()),
      ticks.size() * sizeof(uint64_t), ticks.data(), sizeof(uint64_t), VK_QUERY_RESULT_64_BIT);
  context_.Check(read, "reading times");
  std::vector<double> seconds(range.end - range.begin, 0.0);
  for (size_t i = 1; i < ticks.size(); ++i) {
    KernelTime time = marks_[i];
    time.seconds = static_cast<double>(ticks[i] - ticks[i - 1]) *
                   static_cast<double>(context_.timestamp_ns()) * 1e-9;
    seconds[time.op - range.begin] += time.seconds;
    if (kernels != nullptr) kernels->times.push_back(time);
  }
  for (size_t i = 0; i < seconds.size(); ++i) times.push_back({range.begin + i, seconds[i]});
}

}  // namespace tandem::vulkan
