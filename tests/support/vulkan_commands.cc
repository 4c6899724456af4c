// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/vulkan_commands.h"

namespace tandem::testing {

VulkanCommands::VulkanCommands(vulkan::Context& context, vulkan::Pipelines& pipelines,
                               uint32_t dispatches)
    : context_(context), run_(context, pipelines, dispatches) {
  VolkDeviceTable& vk = context_.vk();
  VkQueryPoolCreateInfo queries{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
  queries.queryType = VK_QUERY_TYPE_TIMESTAMP;
  queries.queryCount = 2;
  context_.Check(vk.vkCreateQueryPool(context_.device(), &queries, nullptr, &times_), "a test");
  vk.vkCmdResetQueryPool(run_.commands(), times_, 0, 2);
  recorder().Isolate();
}

VulkanCommands::~VulkanCommands() {
  context_.vk().vkDestroyQueryPool(context_.device(), times_, nullptr);
}

void VulkanCommands::Stamp(uint32_t index) {
  recorder().Isolate();
  context_.vk().vkCmdWriteTimestamp2(run_.commands(), VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, times_,
                                     index);
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
