// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/vulkan_commands.h"

namespace tandem::testing {

VulkanCommands::VulkanCommands(vulkan::Context& context, vulkan::Pipelines& pipelines,
                               uint32_t dispatches)
    : context_(context) {
  VolkDeviceTable& vk = context_.vk();
  VkCommandPoolCreateInfo create{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  create.queueFamilyIndex = context_.queue_family();
  context_.Check(vk.vkCreateCommandPool(context_.device(), &create, nullptr, &pool_), "a test");
  VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = pool_;
  allocate.commandBufferCount = 1;
  context_.Check(vk.vkAllocateCommandBuffers(context_.device(), &allocate, &buffer_), "a test");
  const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                  dispatches * vulkan::kMaxBindings};
  VkDescriptorPoolCreateInfo descriptors{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  descriptors.maxSets = dispatches;
  descriptors.poolSizeCount = 1;
  descriptors.pPoolSizes = &size;
  context_.Check(vk.vkCreateDescriptorPool(context_.device(), &descriptors, nullptr, &sets_),
                 "a test");
  VkQueryPoolCreateInfo queries{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
  queries.queryType = VK_QUERY_TYPE_TIMESTAMP;
  queries.queryCount = 2;
  context_.Check(vk.vkCreateQueryPool(context_.device(), &queries, nullptr, &times_), "a test");
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  context_.Check(vk.vkBeginCommandBuffer(buffer_, &begin), "a test");
  vk.vkCmdResetQueryPool(buffer_, times_, 0, 2);
  recorder_.emplace(context_, pipelines, buffer_, sets_);
  recorder_->Isolate();
}
VulkanCommands::~VulkanCommands() {
  VolkDeviceTable& vk = context_.vk();
  vk.vkDestroyQueryPool(context_.device(), times_, nullptr);
  vk.vkDestroyDescriptorPool(context_.device(), sets_, nullptr);
  vk.vkDestroyCommandPool(context_.device(), pool_, nullptr);
}
void VulkanCommands::Stamp(uint32_t index) {
  recorder_->Isolate();
  context_.vk().vkCmdWriteTimestamp2(buffer_, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, times_, index);
}
void VulkanCommands::Run() {
  VolkDeviceTable& vk = context_.vk();
  VkMemoryBarrier2 barrier{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
  barrier.srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
  barrier.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT;
  barrier.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT;
  barrier.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT;
  VkDependencyInfo dependency{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  dependency.memoryBarrierCount = 1;
  dependency.pMemoryBarriers = &barrier;
  vk.vkCmdPipelineBarrier2(buffer_, &dependency);
  context_.Check(vk.vkEndCommandBuffer(buffer_), "a test");
  VkCommandBufferSubmitInfo command{VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO};
  command.commandBuffer = buffer_;
  VkSubmitInfo2 submit{VK_STRUCTURE_TYPE_SUBMIT_INFO_2};
  submit.commandBufferInfoCount = 1;
  submit.pCommandBufferInfos = &command;
  context_.Check(vk.vkQueueSubmit2(context_.queue(), 1, &submit, VK_NULL_HANDLE), "a test");
  context_.Check(vk.vkQueueWaitIdle(context_.queue()), "a test");
  context_.RequireValid();
}

double VulkanCommands::Seconds() const {
  uint64_t ticks[2] = {};
  context_.Check(
      context_.vk().vkGetQueryPoolResults(context_.device(), times_, 0, 2, sizeof ticks, ticks,
                                          sizeof ticks[0], VK_QUERY_RESULT_64_BIT),
      "a test");
  return static_cast<double>(ticks[1] - ticks[0]) * static_cast<double>(context_.timestamp_ns()) *
         1e-9;
}

}  // namespace tandem::testing
