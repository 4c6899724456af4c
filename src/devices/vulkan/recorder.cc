// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/recorder.h"

#include <algorithm>
#include <cstring>

namespace tandem::vulkan {
namespace {

// Every device takes 65535 workgroups in a dimension.
constexpr uint64_t kGridWidth = 32768;

}  // namespace

Word::Word(float value) : bits(0) { std::memcpy(&bits, &value, sizeof bits); }

Grid GridOf(uint64_t count, uint32_t y) {
  const uint64_t x = std::min(count, kGridWidth);
  return {static_cast<uint32_t>(x), y, static_cast<uint32_t>((count + x - 1) / x)};
}

void Recorder::Order(std::span<const Access> accesses) {
  const auto overlaps = [](const std::vector<Range>& ranges, const Range& range) {
    return std::any_of(ranges.begin(), ranges.end(), [&](const Range& other) {
      return other.buffer == range.buffer && other.begin < range.end && range.begin < other.end;
    });
  };
  const auto range_of = [](const Access& access) {
    const uint64_t begin = access.tensor.offset + access.first;
    return Range{access.tensor.buffer, begin, begin + access.bytes};
  };
  const bool waits = std::any_of(accesses.begin(), accesses.end(), [&](const Access& access) {
    if (access.constant) return false;
    const Range range = range_of(access);
    return overlaps(written_, range) || (access.writes && overlaps(read_, range));
  });
  if (waits) Barrier();
  for (const Access& access : accesses) {
    if (!access.constant) (access.writes ? written_ : read_).push_back(range_of(access));
  }
}

void Recorder::Continue(VkCommandBuffer commands) {
  commands_ = commands;
  read_.clear();
  written_.clear();
  ++counts_.barriers;
}

void Recorder::Barrier() {
  read_.clear();
  written_.clear();
  ++counts_.barriers;
  Isolate();
}

void Recorder::Isolate() {
  if (counts_only()) return;
  constexpr VkPipelineStageFlags2 kStages =
      VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT;
  VkMemoryBarrier2 barrier{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
  barrier.srcStageMask = kStages;
  barrier.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT;
  barrier.dstStageMask = kStages;
  barrier.dstAccessMask = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT;
  VkDependencyInfo dependency{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
  dependency.memoryBarrierCount = 1;
  dependency.pMemoryBarriers = &barrier;
  context_.vk().vkCmdPipelineBarrier2(commands_, &dependency);
}

void Recorder::Dispatch(Kernel kernel, std::span<const uint32_t> constants,
                        std::span<const Access> bindings, std::span<const Word> push, Grid grid,
                        std::span<const Access> also) {
  std::vector<Access> all(bindings.begin(), bindings.end());
  all.insert(all.end(), also.begin(), also.end());
  Order(all);
  ++counts_.dispatches;
  if (counts_only()) return;
  VolkDeviceTable& vk = context_.vk();
  const VkDescriptorSetLayout layout = pipelines_.set_layout();
  VkDescriptorSetAllocateInfo allocate{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
  allocate.descriptorPool = sets_;
  allocate.descriptorSetCount = 1;
  allocate.pSetLayouts = &layout;
  VkDescriptorSet set = VK_NULL_HANDLE;
  context_.Check(vk.vkAllocateDescriptorSets(context_.device(), &allocate, &set),
                 "allocating descriptors");
  // What a kernel leaves out by a constant counts as used all the same: it gets something.
  const auto real = std::find_if(bindings.begin(), bindings.end(), [](const Access& access) {
    return access.tensor.buffer != VK_NULL_HANDLE;
  });
  VkDescriptorBufferInfo buffers[kMaxBindings];
  VkWriteDescriptorSet writes[kMaxBindings];
  uint32_t count = 0;
  for (const Access& access : bindings) {
    const Tensor& tensor = access.tensor.buffer != VK_NULL_HANDLE ? access.tensor : real->tensor;
    buffers[count] = {tensor.buffer, tensor.offset, tensor.bytes};
    VkWriteDescriptorSet write{VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    write.dstSet = set;
    write.dstBinding = count;
    write.descriptorCount = 1;
    write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    write.pBufferInfo = &buffers[count];
    writes[count++] = write;
  }
  vk.vkUpdateDescriptorSets(context_.device(), count, writes, 0, nullptr);
  const VkPipeline pipeline = pipelines_.Get(kernel, constants);
  vk.vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  vk.vkCmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipelines_.layout(), 0, 1,
                             &set, 0, nullptr);
  uint32_t words[kPushBytes / 4];
  uint32_t size = 0;
  for (const Word& word : push) words[size++] = word.bits;
  vk.vkCmdPushConstants(commands_, pipelines_.layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0, 4 * size,
                        words);
  vk.vkCmdDispatch(commands_, grid.x, grid.y, grid.z);
}

void Recorder::Copy(const Tensor& from, const Tensor& to, uint64_t bytes) {
  const Access accesses[] = {{from, 0, bytes, false, false}, {to, 0, bytes, true, false}};
  Order(accesses);
  ++counts_.copies;
  if (counts_only()) return;
  const VkBufferCopy region{from.offset, to.offset, bytes};
  context_.vk().vkCmdCopyBuffer(commands_, from.buffer, to.buffer, 1, &region);
}

}  // namespace tandem::vulkan
