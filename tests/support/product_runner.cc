// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/product_runner.h"

#include <algorithm>
#include <cstring>

#include "devices/vulkan/recorder.h"

namespace tandem::testing {

using vulkan::Access;
using vulkan::Constant;
using vulkan::DeviceMatrix;
using vulkan::Gemm;
using vulkan::Kernel;
using vulkan::Layout;
using vulkan::Slice;
using vulkan::Tensor;

namespace {

Access In(const Slice& slice) { return {Tensor::Of(slice), 0, slice.size(), false, false}; }
Access Out(const Slice& slice) { return {Tensor::Of(slice), 0, slice.size(), true, false}; }
Access PlaneOf(const Slice& slice) {
  return slice.empty() ? vulkan::None() : Constant(Tensor::Of(slice));
}

}  // namespace

// A command buffer that is run once.
struct ProductRunner::Commands {
  Commands(vulkan::Context& its_context, vulkan::Pipelines& pipelines, uint32_t dispatches)
      : context(its_context), vk(context.vk()) {
    VkCommandPoolCreateInfo create{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
    create.queueFamilyIndex = context.queue_family();
    context.Check(vk.vkCreateCommandPool(context.device(), &create, nullptr, &pool), "a test");
    VkCommandBufferAllocateInfo allocate{VK_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO};
    allocate.commandPool = pool;
    allocate.commandBufferCount = 1;
    context.Check(vk.vkAllocateCommandBuffers(context.device(), &allocate, &buffer), "a test");
    const VkDescriptorPoolSize size{VK_DESCRIPTOR_TYPE_STORAGE_BUFFER,
                                    dispatches * vulkan::kMaxBindings};
    VkDescriptorPoolCreateInfo descriptors{VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO};
    descriptors.maxSets = dispatches;
    descriptors.poolSizeCount = 1;
    descriptors.pPoolSizes = &size;
    context.Check(vk.vkCreateDescriptorPool(context.device(), &descriptors, nullptr, &sets),
                  "a test");
    VkQueryPoolCreateInfo queries{VK_STRUCTURE_TYPE_QUERY_POOL_CREATE_INFO};
    queries.queryType = VK_QUERY_TYPE_TIMESTAMP;
    queries.queryCount = 2;
    context.Check(vk.vkCreateQueryPool(context.device(), &queries, nullptr, &times), "a test");
    VkCommandBufferBeginInfo begin{VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO};
    context.Check(vk.vkBeginCommandBuffer(buffer, &begin), "a test");
    vk.vkCmdResetQueryPool(buffer, times, 0, 2);
    recorder.emplace(context, pipelines, buffer, sets);
    recorder->Isolate();
  }
  ~Commands() {
    vk.vkDestroyQueryPool(context.device(), times, nullptr);
    vk.vkDestroyDescriptorPool(context.device(), sets, nullptr);
    vk.vkDestroyCommandPool(context.device(), pool, nullptr);
  }
  void Stamp(uint32_t index) {
    recorder->Isolate();
    vk.vkCmdWriteTimestamp2(buffer, VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT, times, index);
  }
  void Run() {
    VkMemoryBarrier2 barrier{VK_STRUCTURE_TYPE_MEMORY_BARRIER_2};
    barrier.srcStageMask = VK_PIPELINE_STAGE_2_ALL_COMMANDS_BIT;
    barrier.srcAccessMask = VK_ACCESS_2_MEMORY_WRITE_BIT;
    barrier.dstStageMask = VK_PIPELINE_STAGE_2_HOST_BIT;
    barrier.dstAccessMask = VK_ACCESS_2_HOST_READ_BIT;
    VkDependencyInfo dependency{VK_STRUCTURE_TYPE_DEPENDENCY_INFO};
    dependency.memoryBarrierCount = 1;
    dependency.pMemoryBarriers = &barrier;
    vk.vkCmdPipelineBarrier2(buffer, &dependency);
    context.Check(vk.vkEndCommandBuffer(buffer), "a test");
    VkCommandBufferSubmitInfo command{VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO};
    command.commandBuffer = buffer;
    VkSubmitInfo2 submit{VK_STRUCTURE_TYPE_SUBMIT_INFO_2};
    submit.commandBufferInfoCount = 1;
    submit.pCommandBufferInfos = &command;
    context.Check(vk.vkQueueSubmit2(context.queue(), 1, &submit, VK_NULL_HANDLE), "a test");
    context.Check(vk.vkQueueWaitIdle(context.queue()), "a test");
    context.RequireValid();
  }

  vulkan::Context& context;
  VolkDeviceTable& vk;
  VkCommandPool pool = VK_NULL_HANDLE;
  VkCommandBuffer buffer = VK_NULL_HANDLE;
  VkDescriptorPool sets = VK_NULL_HANDLE;
  VkQueryPool times = VK_NULL_HANDLE;
  std::optional<vulkan::Recorder> recorder;
};

ProductRunner::ProductRunner(const VulkanOptions& options)
    : context_(options), memory_(context_), pipelines_(context_), weights_(context_, memory_, 1) {}
ProductRunner::~ProductRunner() = default;

void ProductRunner::SetWeights(std::span<const WeightView> views) {
  matrices_.clear();
  for (const WeightView& view : views) matrices_.push_back(&weights_.Matrix(view, {}));
}

void ProductRunner::SetActivations(std::span<const float> x, uint64_t count) {
  const DeviceMatrix& w = *matrices_.front();
  count_ = count;
  const uint64_t groups = x.size() / 32 + 1;
  x_ = memory_.device().Take(x.size_bytes());
  memory_.Write(x_, 0, std::as_bytes(x));
  codes_ = memory_.device().Take(groups * 32);
  groups_ = memory_.device().Take(groups * 8);
  y_ = memory_.device().Take(count * static_cast<uint64_t>(w.rows) * sizeof(float));
  readback_ = memory_.readback().Take(y_.size());
}

void ProductRunner::Quantize(Commands& commands) {
  const DeviceMatrix& w = *matrices_.front();
  if (!w.layout.quantized) return;
  const uint64_t groups = count_ * static_cast<uint64_t>(w.cols) / 32;
  commands.recorder->Dispatch(Kernel::kQuantize, {64}, {In(x_), Out(codes_), Out(groups_)},
                              {0, groups}, vulkan::GridOf((groups + 63) / 64));
}

void ProductRunner::Multiply(Commands& commands, const Gemm& gemm, const DeviceMatrix& w) {
  const vulkan::Grid grid = gemm.GridFor(static_cast<uint64_t>(w.rows), count_);
  if (!w.layout.quantized) {
    commands.recorder->Dispatch(gemm.kernel, gemm.constants, {PlaneOf(w.codes), In(x_), Out(y_)},
                                {w.cols, w.rows, w.sizes.codes / 16, count_, 0, 0, w.rows, 0.0F},
                                grid);
    return;
  }
  commands.recorder->Dispatch(gemm.kernel, gemm.constants,
                              {PlaneOf(w.codes), PlaneOf(w.high), PlaneOf(w.scales),
                               PlaneOf(w.supers), In(codes_), In(groups_), Out(y_)},
                              {w.cols / 32, w.rows, w.sizes.scales / 4, count_, 0, w.rows, 0.0F},
                              grid);
}

std::vector<float> ProductRunner::Read(Commands& commands) {
  commands.recorder->Copy(Tensor::Of(y_), Tensor::Of(readback_), y_.size());
  commands.Run();
  std::vector<float> y(count_ * static_cast<uint64_t>(matrices_.front()->rows));
  std::memcpy(y.data(), readback_.mapped(), y.size() * sizeof(float));
  return y;
}

std::vector<float> ProductRunner::Plain() {
  const DeviceMatrix& w = *matrices_.front();
  const Layout& layout = w.layout;
  constexpr uint32_t kThreads = 128, kRows = 2, kColumns = 4;
  const uint64_t together = kThreads / context_.subgroup() * kRows;
  const auto rows = static_cast<uint64_t>(w.rows);
  const vulkan::Grid grid = vulkan::GridOf((rows + together - 1) / together,
                                           static_cast<uint32_t>((count_ + 3) / kColumns));
  Commands commands(context_, pipelines_, 2);
  Quantize(commands);
  if (layout.quantized) {
    commands.recorder->Dispatch(
        context_.integer_dot() ? Kernel::kMatMulInt8Dot : Kernel::kMatMulInt8,
        {kThreads, layout.bits, layout.group, static_cast<uint32_t>(layout.minus), layout.scales,
         kRows, kColumns},
        {PlaneOf(w.codes), PlaneOf(w.high), PlaneOf(w.scales), PlaneOf(w.supers), In(codes_),
         In(groups_), Out(y_)},
        {w.cols / 32, w.rows, w.sizes.scales / 4, count_, 0, w.rows, 0.0F}, grid);
  } else {
    commands.recorder->Dispatch(
        Kernel::kMatMulFloat, {kThreads, layout.float_type, 0, 0, 0, kRows, kColumns},
        {PlaneOf(w.codes), In(x_), Out(y_)},
        {w.cols, w.rows, w.sizes.codes / 16, count_, 0, 0, w.rows, 0.0F}, grid);
  }
  return Read(commands);
}

std::vector<float> ProductRunner::Run(const Gemm& gemm) {
  Commands commands(context_, pipelines_, 2);
  Quantize(commands);
  Multiply(commands, gemm, *matrices_.front());
  return Read(commands);
}

double ProductRunner::Time(const Gemm& gemm, int repeats) {
  Commands commands(context_, pipelines_, static_cast<uint32_t>(repeats) + 1);
  Quantize(commands);
  commands.Stamp(0);
  for (int i = 0; i < repeats; ++i) {
    Multiply(commands, gemm, *matrices_[static_cast<size_t>(i) % matrices_.size()]);
  }
  commands.Stamp(1);
  commands.Run();
  uint64_t ticks[2] = {};
  context_.Check(
      context_.vk().vkGetQueryPoolResults(context_.device(), commands.times, 0, 2, sizeof ticks,
                                          ticks, sizeof ticks[0], VK_QUERY_RESULT_64_BIT),
      "a test");
  const double ns =
      static_cast<double>(ticks[1] - ticks[0]) * static_cast<double>(context_.timestamp_ns());
  return ns * 1e-9 / repeats;
}

}  // namespace tandem::testing
