// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "support/product_runner.h"

#include <algorithm>
#include <cstring>

#include "support/vulkan_commands.h"

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
Access PlaneOf(const Tensor& plane) {
  return plane.buffer == VK_NULL_HANDLE ? vulkan::None() : Constant(plane);
}

}  // namespace

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

void ProductRunner::Quantize(VulkanCommands& commands) {
  const DeviceMatrix& w = *matrices_.front();
  if (!w.layout.quantized) return;
  const uint64_t quads = count_ * static_cast<uint64_t>(w.cols) / 4;
  commands.recorder().Dispatch(Kernel::kQuantize, {128}, {In(x_), Out(codes_), Out(groups_)},
                               {0, quads}, vulkan::GridOf((quads + 127) / 128));
}

void ProductRunner::Multiply(VulkanCommands& commands, const Gemm& gemm, const DeviceMatrix& w) {
  const vulkan::Grid grid = gemm.GridFor(static_cast<uint64_t>(w.rows), count_);
  if (!w.layout.quantized) {
    commands.recorder().Dispatch(gemm.kernel, gemm.constants, {PlaneOf(w.codes), In(x_), Out(y_)},
                                 {w.cols, w.rows, w.sizes.codes / 16, count_, 0, 0, w.rows, 0.0F},
                                 grid);
    return;
  }
  commands.recorder().Dispatch(gemm.kernel, gemm.constants,
                               {PlaneOf(w.codes), PlaneOf(w.high), PlaneOf(w.scales),
                                PlaneOf(w.supers), In(codes_), In(groups_), Out(y_)},
                               {w.cols / 32, w.rows, w.sizes.scales / 4, count_, 0, w.rows, 0.0F},
                               grid);
}

std::vector<float> ProductRunner::Read(VulkanCommands& commands) {
  commands.recorder().Copy(Tensor::Of(y_), Tensor::Of(readback_), y_.size());
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
  VulkanCommands commands(context_, pipelines_, 2);
  Quantize(commands);
  if (layout.quantized) {
    commands.recorder().Dispatch(
        context_.integer_dot() ? Kernel::kMatMulInt8Dot : Kernel::kMatMulInt8,
        {kThreads, layout.bits, layout.group, static_cast<uint32_t>(layout.minus), layout.scales,
         kRows, kColumns},
        {PlaneOf(w.codes), PlaneOf(w.high), PlaneOf(w.scales), PlaneOf(w.supers), In(codes_),
         In(groups_), Out(y_)},
        {w.cols / 32, w.rows, w.sizes.scales / 4, count_, 0, w.rows, 0.0F}, grid);
  } else {
    commands.recorder().Dispatch(
        Kernel::kMatMulFloat, {kThreads, layout.float_type, 0, 0, 0, kRows, kColumns},
        {PlaneOf(w.codes), In(x_), Out(y_)},
        {w.cols, w.rows, w.sizes.codes / 16, count_, 0, 0, w.rows, 0.0F}, grid);
  }
  return Read(commands);
}

std::vector<float> ProductRunner::Run(const Gemm& gemm) {
  VulkanCommands commands(context_, pipelines_, 2);
  Quantize(commands);
  Multiply(commands, gemm, *matrices_.front());
  return Read(commands);
}

double ProductRunner::Time(const Gemm& gemm, int repeats) {
  VulkanCommands commands(context_, pipelines_, static_cast<uint32_t>(repeats) + 1);
  Quantize(commands);
  commands.Stamp(0);
  for (int i = 0; i < repeats; ++i) {
    Multiply(commands, gemm, *matrices_[static_cast<size_t>(i) % matrices_.size()]);
  }
  commands.Stamp(1);
  commands.Run();
  return commands.Seconds() / repeats;
}

}  // namespace tandem::testing
