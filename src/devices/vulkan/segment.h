// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A span of ops as recorded command buffers: one recording for each number of rows, made on first
// use and replayed. Values live on the device; only what crosses the span's borders is copied, from
// and to the bound buffers.
#pragma once

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <vector>

#include "devices/device.h"
#include "devices/vulkan/fusion.h"
#include "devices/vulkan/kv_copies.h"
#include "devices/vulkan/lowering.h"
#include "devices/vulkan/pipelines.h"
#include "devices/vulkan/step_plan.h"
#include "devices/vulkan/weights.h"

namespace tandem::vulkan {

/// Activations, shared by the segments of a device: they run one after another.
struct Workspace {
  Slice memory;
  uint64_t generation = 0;  ///< Counts how often `memory` has changed: recordings hold addresses.
};

/// What segments share. In the order of making.
struct Shared {
  explicit Shared(const VulkanOptions& options)
      : context(options),
        memory(context),
        pipelines(context),
        weights(context, memory, options.threads),
        gemms(context, memory, pipelines,
              options.cooperative != VulkanOptions::Cooperative::kUntried),
        copies(memory),
        progress(options.progress) {}

  Context context;
  Memory memory;
  Pipelines pipelines;
  Weights weights;
  GemmChecks gemms;
  KvCopies copies;
  Workspace workspace;
  std::function<void(uint64_t done, uint64_t total)> progress;
  uint64_t binding_bytes = 0;  ///< What a binding reaches.
  Slice counters;              ///< Of fused kernels; empty where they are not used.
  bool busy = false;           ///< Something was submitted that nobody has waited for.
};

class VulkanSegment : public Segment {
 public:
  VulkanSegment(const Program& program, OpRange range, std::vector<FusedSpan> spans,
                Shared& shared);
  ~VulkanSegment() override;

  Fence Submit(const Bindings& bindings, std::span<const StepRow> rows) override;

 private:
  struct Recording;
  struct Step;

  Recording& Find(uint64_t rows, uint64_t wanted, DType kv, bool timed);
  void Record(Recording& recording);
  void LowerAll(Recording& recording, Recorder& recorder, bool fused, bool real);
  void WriteUpload(Recording& recording, const Step& step);
  void Run(Recording& recording);
  /// For the fence of the last submission.
  VkResult Wait();
  void ReadBack(const Recording& recording, const Step& step);

  const Program& program_;
  OpRange range_;
  Shared& shared_;
  std::vector<ValueId> inputs_;   ///< Read here before they are written here.
  std::vector<ValueId> outputs_;  ///< Written here and read later, or the logits.
  std::vector<KvCopy::Use> uses_;
  std::vector<FusedSpan> spans_;  ///< What runs fused for one token; plain ops alone: nothing.
  VkCommandPool commands_ = VK_NULL_HANDLE;
  VkFence fence_ = VK_NULL_HANDLE;
  std::chrono::nanoseconds last_wait_{std::chrono::seconds(1)};
  std::list<Recording> recordings_;  ///< The last used first.
};

}  // namespace tandem::vulkan
