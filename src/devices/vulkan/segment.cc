// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/segment.h"

#include <algorithm>
#include <set>
#include <utility>

#include "devices/vulkan/fused_lowering.h"
#include "devices/vulkan/recording.h"
#include "devices/vulkan/segment_step.h"

namespace tandem::vulkan {
namespace {

// Recordings that a segment keeps: decode, the chunk, what is left of prompts, drafts, steps that
// draw. Those on their way are the last used.
constexpr size_t kMaxRecordings = 12 + kMaxStepsAhead;

// Values that ops [begin, end) read before they write them.
std::vector<ValueId> ReadFirst(const Program& program, size_t begin, size_t end) {
  std::set<ValueId> written, read;
  for (size_t i = begin; i < end; ++i) {
    const OpUse use = UseOf(program.ops[i].body);
    for (const ValueId id : use.reads) {
      if (!written.contains(id)) read.insert(id);
    }
    written.insert(use.writes.begin(), use.writes.end());
  }
  return {read.begin(), read.end()};
}

std::vector<ValueId> WrittenIn(const Program& program, OpRange range) {
  std::set<ValueId> written;
  for (size_t i = range.begin; i < range.end; ++i) {
    const OpUse use = UseOf(program.ops[i].body);
    written.insert(use.writes.begin(), use.writes.end());
  }
  return {written.begin(), written.end()};
}

std::vector<KvCopy::Use> CacheUses(const Program& program, OpRange range) {
  std::vector<KvCopy::Use> uses;
  const auto add = [&](CacheId cache, bool written) {
    if (cache == kNoId) return;
    const auto found = std::find_if(uses.begin(), uses.end(),
                                    [cache](const KvCopy::Use& use) { return use.cache == cache; });
    if (found == uses.end()) {
      uses.push_back({cache, written});
    } else {
      found->written = found->written || written;
    }
  };
  for (size_t i = range.begin; i < range.end; ++i) {
    const OpUse use = UseOf(program.ops[i].body);
    add(use.cache_written, true);
    add(use.cache_read, false);
  }
  return uses;
}

}  // namespace

VulkanSegment::VulkanSegment(const Program& program, OpRange range, std::vector<FusedSpan> spans,
                             Shared& shared)
    : program_(program),
      range_(range),
      shared_(shared),
      inputs_(ReadFirst(program, range.begin, range.end)),
      uses_(CacheUses(program, range)),
      spans_(std::move(spans)) {
  const std::vector<ValueId> later = ReadFirst(program, range.end, program.ops.size());
  for (const ValueId id : WrittenIn(program, range)) {
    if (id == program.logits || std::binary_search(later.begin(), later.end(), id)) {
      outputs_.push_back(id);
    }
  }
  Context& context = shared_.context;
  VkCommandPoolCreateInfo pool{VK_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO};
  pool.queueFamilyIndex = context.queue_family();
  context.Check(context.vk().vkCreateCommandPool(context.device(), &pool, nullptr, &commands_),
                "making a command pool");
}

VulkanSegment::~VulkanSegment() {
  Context& context = shared_.context;
  if (shared_.unfinished > 0) context.vk().vkQueueWaitIdle(context.queue());
  shared_.unfinished -= on_their_way_.size();
  recordings_.clear();
  context.vk().vkDestroyCommandPool(context.device(), commands_, nullptr);
}

int VulkanSegment::StepsAhead() const {
  const bool whole = range_.begin == 0 && range_.end == program_.ops.size() && inputs_.empty();
  if (!whole || program_.logits == kNoId) return 0;
  for (const Op& op : program_.ops) {
    const auto* gather = std::get_if<PleGather>(&op.body);
    if (gather != nullptr && !IsOnDevice(shared_.weights, *gather)) return 0;
  }
  return shared_.most_ahead;
}

VulkanSegment::Recording& VulkanSegment::Find(const RecordingKey& key) {
  const auto found = std::find_if(recordings_.begin(), recordings_.end(),
                                  [&](const Recording& r) { return r.key == key; });
  if (found != recordings_.end() && found->generation == shared_.workspace.generation) {
    recordings_.splice(recordings_.begin(), recordings_, found);
    return recordings_.front();
  }
  if (found != recordings_.end()) recordings_.erase(found);
  while (recordings_.size() >= kMaxRecordings) recordings_.pop_back();
  recordings_.emplace_front(program_, shared_.context, commands_, key);
  try {
    Record(recordings_.front());
  } catch (...) {
    recordings_.pop_front();
    throw;
  }
  return recordings_.front();
}

void VulkanSegment::LowerAll(Recording& recording, Recorder& recorder, bool fused, bool real) {
  StepPlan& plan = recording.plan;
  const Tensor counters = shared_.counters.empty() ? Tensor() : Tensor::Of(shared_.counters);
  Lowering plain(program_, shared_.context, shared_.weights, shared_.gemms, plan, recorder,
                 counters, shared_.drawing.Next(), recording.key.kv, shared_.binding_bytes);
  FusedLowering fusing(program_, shared_.context, shared_.weights, plan, recorder, plain,
                       fused ? counters : Tensor(), recording.key.kv, shared_.binding_bytes);
  for (const ValueId id : inputs_) {
    if (plan.Rows(program_.values[static_cast<size_t>(id)].rows) == 0) continue;
    const Tensor value = plan.Value(id);
    recorder.Copy(plan.FromHost(id, nullptr), value, value.bytes);
  }
  size_t current = range_.begin;
  if (real && recording.key.timed) {
    recording.Stamp(recorder, current, {}, 0);
    recorder.set_observer([&](std::string_view kernel, uint32_t workgroups) {
      recording.Stamp(recorder, current, kernel, workgroups);
    });
  }
  const auto done = [&](size_t i) {
    if (!real) return;
    current = std::min(i + 1, range_.end - 1);
    recording.CountWork(program_.ops[i]);
    if (i + 1 < range_.end) recording.CutIfLong(recorder);
  };
  for (size_t s = 0; s < spans_.size(); ++s) {
    const FusedSpan& span = spans_[s];
    const bool any = plan.Rows(program_.ops[span.ops.begin].rows) > 0;
    if (fused && any && span.pattern != Pattern::kPlain) {
      plain.Forget();
      fusing.Run(spans_, s, done);
      continue;
    }
    for (size_t i = span.ops.begin; i < span.ops.end; ++i) {
      plain.Run(program_.ops[i]);
      done(i);
    }
  }
  if (!plan.kv_outs().empty()) {
    recorder.Copy(plan.KvOuts(), plan.KvReadback(), plan.KvOuts().bytes);
  }
  const bool draws = recording.key.draws >= 0;
  if (draws) {
    const Tensor logits = plan.Value(program_.logits);
    shared_.drawing.Record(program_, plan, recorder, {logits, 0, logits.bytes, false, false},
                           recording.key.way);
  }
  for (const ValueId id : outputs_) {
    if (plan.Rows(program_.values[static_cast<size_t>(id)].rows) == 0) continue;
    // The likeliest may not be enough where there is no top-k.
    if (draws && id == program_.logits && recording.key.way != DrawWay::kCut) continue;
    const Tensor value = plan.Value(id);
    recorder.Copy(value, plan.ToHost(id), value.bytes);
  }
}

void VulkanSegment::Record(Recording& recording) {
  StepPlan& plan = recording.plan;
  bool fused = !shared_.counters.empty();
  Counts counts;
  const auto count = [&] {
    Recorder counter(shared_.context, shared_.pipelines);
    LowerAll(recording, counter, fused, false);
    counts = counter.counts();
  };
  count();
  // Fused kernels bind all activations at once.
  if (fused && plan.workspace_bytes() > shared_.binding_bytes) {
    fused = false;
    count();
  }
  Workspace& workspace = shared_.workspace;
  if (workspace.memory.size() < plan.workspace_bytes()) {
    if (shared_.unfinished > 0) shared_.context.WaitIdle();
    ++workspace.generation;
    workspace.memory = {};
    workspace.memory = shared_.memory.device().Take(plan.workspace_bytes());
  }
  recording.generation = workspace.generation;
  recording.upload = shared_.memory.upload().Take(plan.upload_bytes());
  recording.readback = shared_.memory.readback().Take(plan.readback_bytes());
  plan.Place(workspace.memory, recording.upload, recording.readback);
  recording.Begin(counts);
  Recorder recorder(shared_.context, shared_.pipelines, recording.current(), recording.sets());
  LowerAll(recording, recorder, fused, true);
  recording.End(recorder.counts());
}

}  // namespace tandem::vulkan
