// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A span of ops as recorded command buffers: one recording for each number of rows, made on first
// use and replayed. Values live on the device; only what crosses the span's borders is copied, from
// and to the bound buffers.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <vector>

#include "devices/device.h"
#include "devices/vulkan/drawing.h"
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
        drawing(memory),
        progress(options.progress),
        // The fewer, the less is in vain at the end of a reply; two keep a slow device at work.
        most_ahead(std::min(kMaxStepsAhead, options.steps_ahead >= 0 ? options.steps_ahead
                                            : context.info().unified ? 2
                                                                     : 3)) {}

  Context context;
  Memory memory;
  Pipelines pipelines;
  Weights weights;
  GemmChecks gemms;
  KvCopies copies;
  Drawing drawing;
  Workspace workspace;
  std::function<void(uint64_t done, uint64_t total)> progress;
  uint64_t binding_bytes = 0;  ///< What a binding reaches.
  Slice counters;              ///< Of fused kernels; empty where they are not used.
  uint64_t unfinished = 0;     ///< Steps that were submitted and not waited for.
  const int most_ahead;        ///< Steps that draw and are on their way at once.
};

/// What recordings differ in.
struct RecordingKey {
  uint64_t rows = 0;
  uint64_t wanted = 0;
  DType kv = DType::kF32;
  bool timed = false;
  int draws = -1;  ///< Number of a step that draws, for it has slices of its own; -1: of one that
                   ///< does not.
  DrawWay way = DrawWay::kTopK;  ///< Of one that draws.
  bool operator==(const RecordingKey&) const = default;
};

class VulkanSegment : public Segment {
 public:
  VulkanSegment(const Program& program, OpRange range, std::vector<FusedSpan> spans,
                Shared& shared);
  ~VulkanSegment() override;

  Fence Submit(const Bindings& bindings, std::span<const StepRow> rows) override;
  int StepsAhead() const override;

 private:
  struct Recording;
  struct Step;

  Recording& Find(const RecordingKey& key);
  void Record(Recording& recording);
  void LowerAll(Recording& recording, Recorder& recorder, bool fused, bool real);
  void WriteUpload(Recording& recording, const Step& step);
  void Run(Recording& recording);
  std::shared_ptr<Step> MakeStep(const Bindings& bindings, std::span<const StepRow> rows);
  /// Waits for all that is on its way, and forgets it.
  void ForgetAll();
  /// Finishes what must not be on its way when `step`, which follows it, is submitted.
  void MakeWay(const Step& step);
  /// A number for RecordingKey::draws.
  int FreeDraw() const;
  /// Waits for the oldest step on its way and brings its results to the host. Throws its Error.
  void FinishOldest();
  void Finish(Step& step);
  VkResult Wait(const Recording& recording);
  /// The copies of keys and values have what the step writes.
  void FinishCopies(const Step& step);
  void ReadBack(const Recording& recording, const Step& step);
  /// To whoever waits for a step that draws: where its logits are, should they have to be looked
  /// at.
  void HandOver(const Step& step) const;

  const Program& program_;
  OpRange range_;
  Shared& shared_;
  std::vector<ValueId> inputs_;   ///< Read here before they are written here.
  std::vector<ValueId> outputs_;  ///< Written here and read later, or the logits.
  std::vector<KvCopy::Use> uses_;
  std::vector<FusedSpan> spans_;  ///< What runs fused for one token; plain ops alone: nothing.
  VkCommandPool commands_ = VK_NULL_HANDLE;
  std::deque<std::shared_ptr<Step>> on_their_way_;  ///< In the order of submission.
  std::chrono::nanoseconds last_wait_{std::chrono::seconds(1)};
  std::list<Recording> recordings_;  ///< The last used first.
};

}  // namespace tandem::vulkan
