// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Single products on a Vulkan device, by a kernel and tile of the caller's choice: for tests, which
// compare kernels, and for benchmarks, which time them. Owns the device. One thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "devices/vulkan/gemm.h"
#include "devices/vulkan/memory.h"
#include "devices/vulkan/weights.h"

namespace tandem::testing {

class VulkanCommands;

class ProductRunner {
 public:
  explicit ProductRunner(const VulkanOptions& options);
  ~ProductRunner();

  vulkan::GemmDevice device() const { return vulkan::GemmDeviceOf(context_); }
  std::string name() const { return context_.info().name; }
  bool has_times() const { return context_.timestamp_ns() > 0; }

  /// The matrix to multiply with. More than one: repeats walk them, so that none stays in a cache.
  void SetWeights(std::span<const WeightView> views);
  /// [count, cols]
  void SetActivations(std::span<const float> x, uint64_t count);

  /// y [count, rows] by the kernel that takes up to four rows of activations at a time.
  std::vector<float> Plain();
  /// The same by `gemm`. REQUIRES: its layout is that of the weights.
  std::vector<float> Run(const vulkan::Gemm& gemm);
  /// Seconds of one product, by the device's clock; each waits for the one before.
  double Time(const vulkan::Gemm& gemm, int repeats);

 private:
  void Quantize(VulkanCommands& commands);
  void Multiply(VulkanCommands& commands, const vulkan::Gemm& gemm, const vulkan::DeviceMatrix& w);
  std::vector<float> Read(VulkanCommands& commands);

  vulkan::Context context_;
  vulkan::Memory memory_;
  vulkan::Pipelines pipelines_;
  vulkan::Weights weights_;
  std::vector<const vulkan::DeviceMatrix*> matrices_;
  uint64_t count_ = 0;
  vulkan::Slice x_, codes_, groups_, y_, readback_;
};

}  // namespace tandem::testing
