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

bool Recorder::Order(std::span<const Access> accesses, bool copies) {
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
  const bool barrier = waits || (copies && unseen_by_copies_);
  if (barrier) {
    read_.clear();
    written_.clear();
    ++counts_.barriers;
  }
  for (const Access& access : accesses) {
    if (!access.constant) (access.writes ? written_ : read_).push_back(range_of(access));
  }
  return barrier;
}

void Recorder::Continue(VkCommandBuffer commands) {
  commands_ = commands;
  bound_set_ = VK_NULL_HANDLE;
  read_.clear();
  written_.clear();
  ++counts_.barriers;
}

void Recorder::Barrier(bool before_copy) {
  // Kernels wait for kernels alone where they can: a barrier for copies too takes a GPU longer.
  constexpr VkPipelineStageFlags2 kCompute = VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT;
  constexpr VkPipelineStageFlags2 kCopy = VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT;
  VkMemoryBarrier2 barrier{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
  const bool computed = computed_ || (before_copy && unseen_by_copies_);
  barrier.srcStageMask = (computed ? kCompute : 0) | (copied_ ? kCopy : 0);
  barrier.srcAccessMask = (computed ? VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT : 0) |
                          (copied_ ? VK_ACCESS_2_TRANSFER_WRITE_BIT : 0);
  barrier.dstStageMask = kCompute | (before_copy ? kCopy : 0);
  barrier.dstAccessMask =
      VK_ACCESS_2_SHADER_STORAGE_READ_BIT | VK_ACCESS_2_SHADER_STORAGE_WRITE_BIT |
      (before_copy ? VK_ACCESS_2_TRANSFER_READ_BIT | VK_ACCESS_2_TRANSFER_WRITE_BIT : 0);
  computed_ = copied_ = false;
  unseen_by_copies_ = !before_copy;
  Wait(barrier);
}

void Recorder::Isolate() {
  constexpr VkPipelineStageFlags2 kStages =
      VK_PIPELINE_STAGE_2_COMPUTE_SHADER_BIT | VK_PIPELINE_STAGE_2_ALL_TRANSFER_BIT;
  VkMemoryBarrier2 barrier{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
  barrier.srcStageMask = kStages;
  barrier.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT;
  barrier.dstStageMask = kStages;
  barrier.dstAccessMask = VK_ACCESS_2_MEMORY_READ_BIT | VK_ACCESS_2_MEMORY_WRITE_BIT;
  Wait(barrier);
}

void Recorder::Wait(const VkMemoryBarrier2& barrier) {
  if (counts_only()) return;
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
  const bool waits = Order(all, false);
  ++counts_.dispatches;
  if (counts_only()) return;
  VolkDeviceTable& vk = context_.vk();
  // What a kernel leaves out by a constant counts as used all the same: it gets something.
  const auto real = std::find_if(bindings.begin(), bindings.end(), [](const Access& access) {
    return access.tensor.buffer != VK_NULL_HANDLE;
  });
  std::vector<Tensor> tensors;
  for (const Access& access : bindings) {
    tensors.push_back(access.tensor.buffer != VK_NULL_HANDLE ? access.tensor : real->tensor);
  }
  const VkDescriptorSet set = SetOf(std::move(tensors));
  const VkPipeline pipeline = pipelines_.Get(kernel, constants);
  vk.vkCmdBindPipeline(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipeline);
  if (set != bound_set_) {
    vk.vkCmdBindDescriptorSets(commands_, VK_PIPELINE_BIND_POINT_COMPUTE, pipelines_.layout(), 0, 1,
                               &set, 0, nullptr);
    bound_set_ = set;
  }
  uint32_t words[kPushBytes / 4];
  uint32_t size = 0;
  for (const Word& word : push) words[size++] = word.bits;
  vk.vkCmdPushConstants(commands_, pipelines_.layout(), VK_SHADER_STAGE_COMPUTE_BIT, 0, 4 * size,
                        words);
  if (waits) Barrier(false);
  computed_ = true;
  vk.vkCmdDispatch(commands_, grid.x, grid.y, grid.z);
  if (observer_) observer_(KernelName(kernel), grid.x * grid.y * grid.z);
}

VkDescriptorSet Recorder::SetOf(std::vector<Tensor> tensors) {
  const auto [it, is_new] = known_sets_.try_emplace(std::move(tensors), VK_NULL_HANDLE);
  if (!is_new) return it->second;
  VolkDeviceTable& vk = context_.vk();
  const VkDescriptorSetLayout layout = pipelines_.set_layout();
  VkDescriptorSetAllocateInfo allocate{VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO};
  allocate.descriptorPool = sets_;
  allocate.descriptorSetCount = 1;
  allocate.pSetLayouts = &layout;
  context_.Check(vk.vkAllocateDescriptorSets(context_.device(), &allocate, &it->second),
                 "allocating descriptors");
  VkDescriptorBufferInfo buffers[kMaxBindings];
  VkWriteDescriptorSet writes[kMaxBindings];
  uint32_t count = 0;
  for (const Tensor& tensor : it->first) {
    buffers[count] = {tensor.buffer, tensor.offset, tensor.bytes};
    VkWriteDescriptorSet write{VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET};
    write.dstSet = it->second;
    write.dstBinding = count;
    write.descriptorCount = 1;
    write.descriptorType = VK_DESCRIPTOR_TYPE_STORAGE_BUFFER;
    write.pBufferInfo = &buffers[count];
    writes[count++] = write;
  }
  vk.vkUpdateDescriptorSets(context_.device(), count, writes, 0, nullptr);
  return it->second;
}

void Recorder::Copy(const Tensor& from, const Tensor& to, uint64_t bytes) {
  const Access accesses[] = {{from, 0, bytes, false, false}, {to, 0, bytes, true, false}};
  const bool waits = Order(accesses, true);
  ++counts_.copies;
  if (counts_only()) return;
  if (waits) Barrier(true);
  copied_ = true;
  const VkBufferCopy region{from.offset, to.offset, bytes};
  context_.vk().vkCmdCopyBuffer(commands_, from.buffer, to.buffer, 1, &region);
  if (observer_) observer_("copy", 1);
}

}  // namespace tandem::vulkan
