// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/single_run.h"

#include <string_view>

namespace tandem::vulkan {
namespace {

constexpr std::string_view kWhat = "running a kernel by itself";

}  // namespace

SingleRun::SingleRun(Context& context, Pipelines& pipelines, uint32_t dispatches)
    : context_(context) {
  try {
    Make(dispatches);
  } catch (...) {
    Destroy();
    throw;
  }
  recorder_.emplace(context_, pipelines, buffer_, sets_);
}

SingleRun::~SingleRun() { Destroy(); }

void SingleRun::Make(uint32_t dispatches) {
  VolkDeviceTable& vk = context_.vk();
  VkCommandPoolCreateInfo create{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  create.queueFamilyIndex = context_.queue_family();
  context_.Check(vk.vkCreateCommandPool(context_.device(), &create, nullptr, &pool_), kWhat);
  VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
  allocate.commandPool = pool_;
  allocate.commandBufferCount = 1;
  context_.Check(vk.vkAllocateCommandBuffers(context_.device(), &allocate, &buffer_), kWhat);
  const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER, dispatches * kMaxBindings};
  VkDescriptorPoolCreateInfo descriptors{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
  descriptors.maxSets = dispatches;
  descriptors.poolSizeCount = 1;
  descriptors.pPoolSizes = &size;
  context_.Check(vk.vkCreateDescriptorPool(context_.device(), &descriptors, nullptr, &sets_),
                 kWhat);
  VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
  context_.Check(vk.vkBeginCommandBuffer(buffer_, &begin), kWhat);
}

void SingleRun::Destroy() {
  VolkDeviceTable& vk = context_.vk();
  if (sets_ != VK_NULL_HANDLE) vk.vkDestroyDescriptorPool(context_.device(), sets_, nullptr);
  if (pool_ != VK_NULL_HANDLE) vk.vkDestroyCommandPool(context_.device(), pool_, nullptr);
}

void SingleRun::Run() {
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
  context_.Check(vk.vkEndCommandBuffer(buffer_), kWhat);
  context_.Submit(buffer_, VK_NULL_HANDLE, kWhat);
  context_.Check(vk.vkQueueWaitIdle(context_.queue()), kWhat);
  context_.RequireValid();
}

}  // namespace tandem::vulkan
