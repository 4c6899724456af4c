// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Steps through a segment: what the host writes for them, their submission, what it reads of them.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <exception>
#include <future>

#include "core/error.h"
#include "devices/vulkan/recording.h"
#include "devices/vulkan/segment.h"
#include "devices/vulkan/segment_step.h"

namespace tandem::vulkan {
namespace {

// As shaders/embed.comp has it: of a row whose token the step before has drawn.
constexpr int32_t kDrawnToken = -1;

// A wait as short as this is worth looking for its end all the time.
constexpr std::chrono::microseconds kWorthLooking{4000};

}  // namespace

void VulkanSegment::WriteUpload(Recording& recording, const Step& step) {
  const StepPlan& plan = recording.plan;
  std::byte* upload = recording.upload.mapped();
  std::vector<RowWords> words;
  const auto add_rows = [&](RowSet set) {
    for (size_t t = 0; t < plan.Rows(set); ++t) {
      const StepRow& row = step.Row(set, t);
      words.push_back({static_cast<uint32_t>(row.token), static_cast<uint32_t>(row.position),
                       static_cast<uint32_t>(row.sequence),
                       static_cast<uint32_t>(step.Source(set, t))});
    }
  };
  add_rows(RowSet::kAll);
  add_rows(RowSet::kWanted);
  std::memcpy(upload, words.data(), words.size() * sizeof(RowWords));
  if (step.draw) WriteDrawParams(step.draw->params, upload + plan.draw_offset());

  std::vector<CacheWords> caches(step.sequences.size() * program_.caches.size());
  for (size_t s = 0; s < step.sequences.size(); ++s) {
    const Step::Sequence& sequence = step.sequences[s];
    if (sequence.copy == nullptr) continue;
    sequence.copy->Prepare(
        program_, sequence.views, uses_, sequence.first, sequence.end,
        std::span(caches).subspan(s * program_.caches.size(), program_.caches.size()));
  }
  std::memcpy(upload + plan.caches_offset(), caches.data(), caches.size() * sizeof(CacheWords));
  for (const RowSet set : {RowSet::kAll, RowSet::kWanted}) {
    if (plan.Rows(set) != 1) continue;
    const StepRow& row = step.Row(set, 0);
    const SoloWords solo{static_cast<uint32_t>(row.position), {}};
    std::byte* to = upload + plan.solo_offset(set);
    std::memcpy(to, &solo, sizeof solo);
    const size_t count = program_.caches.size();
    for (size_t i = 0; i < count; ++i) {
      CacheWords own = caches[static_cast<size_t>(row.sequence) * count + i];
      own.newest = solo.position % own.capacity;
      std::memcpy(to + sizeof solo + i * sizeof own, &own, sizeof own);
    }
  }

  std::vector<float> line;
  for (const StepPlan::Rope& rope : plan.ropes()) {
    const int half = rope.dims / 2;
    line.resize(static_cast<size_t>(rope.dims));
    for (size_t t = 0; t < plan.Rows(rope.rows); ++t) {
      for (int i = 0; i < half; ++i) {
        // Rounded to float, as the frequency is: so does the reference implementation.
        const float angle = static_cast<float>(step.Row(rope.rows, t).position) *
                            rope.frequencies[static_cast<size_t>(i)];
        line[static_cast<size_t>(i)] = std::cos(angle);
        line[static_cast<size_t>(half + i)] = std::sin(angle);
      }
      std::memcpy(upload + rope.offset + t * line.size() * sizeof(float), line.data(),
                  line.size() * sizeof(float));
    }
  }
  for (const StepPlan::HostValue& value : plan.from_host()) {
    if (value.gather == nullptr) {
      std::memcpy(upload + value.offset, step.bindings.values[static_cast<size_t>(value.id)],
                  value.bytes);
      continue;
    }
    const PleGather& op = *value.gather;
    const size_t count = plan.Rows(program_.values[static_cast<size_t>(value.id)].rows);
    const RowSet set = program_.values[static_cast<size_t>(value.id)].rows;
    const auto width = static_cast<size_t>(op.width);
    shared_.weights.team().ParallelFor(
        static_cast<int64_t>(count), 4, [&](int64_t begin, int64_t end, int) {
          std::vector<float> row(width);
          for (auto t = static_cast<size_t>(begin); t < static_cast<size_t>(end); ++t) {
            const int64_t token = step.Row(set, t).token;
            const std::byte* source = op.table.Row(token < op.vocab ? token : 0);
            for (size_t layer = 0; layer < op.columns.size(); ++layer) {
              DequantizeRow(op.table.type, source + RowBytes(op.table.type, op.columns[layer]),
                            row.data(), op.width);
              for (float& x : row) x *= op.scale;
              std::memcpy(upload + value.offset + (layer * count + t) * width * sizeof(float),
                          row.data(), width * sizeof(float));
            }
          }
        });
  }
}

void VulkanSegment::Run(Recording& recording) {
  Context& context = shared_.context;
  const auto& buffers = recording.buffers();
  const VkFence fence = recording.fence();
  context.Check(context.vk().vkResetFences(context.device(), 1, &fence), "resetting a fence");
  for (size_t i = 0; i < buffers.size(); ++i) {
    context.Submit(buffers[i], i + 1 == buffers.size() ? fence : VK_NULL_HANDLE, "running a step");
  }
}

VkResult VulkanSegment::Wait(const Recording& recording) {
  using Clock = std::chrono::steady_clock;
  Context& context = shared_.context;
  const VkFence fence = recording.fence();
  const auto start = Clock::now();
  VkResult result = VK_TIMEOUT;
  // Sleeping takes longer to end than a fast device takes for a token: then look instead.
  if (last_wait_ < kWorthLooking) {
    do {
      result = context.vk().vkGetFenceStatus(context.device(), fence);
    } while (result == VK_NOT_READY && Clock::now() - start < 2 * kWorthLooking);
  }
  if (result == VK_TIMEOUT || result == VK_NOT_READY) {
    result = context.vk().vkWaitForFences(context.device(), 1, &fence, VK_TRUE, UINT64_MAX);
  }
  last_wait_ = Clock::now() - start;
  return result;
}

void VulkanSegment::ReadBack(const Recording& recording, const Step& step) {
  const StepPlan& plan = recording.plan;
  const std::byte* readback = recording.readback.mapped();
  if (step.draw) ReadDrawn(readback + plan.drawn_offset(), *step.draw->result);
  for (const StepPlan::HostValue& value : plan.to_host()) {
    if (value.id == program_.logits && step.draw) continue;
    if (value.id == program_.logits && step.bindings.logits != nullptr) {
      *step.bindings.logits = reinterpret_cast<const float*>(readback + value.offset);
      continue;
    }
    std::memcpy(step.bindings.values[static_cast<size_t>(value.id)], readback + value.offset,
                value.bytes);
  }
  const std::byte* keys_and_values = readback + plan.readback_bytes() - plan.KvOuts().bytes;
  for (const StepPlan::KvOut& out : plan.kv_outs()) {
    for (size_t t = 0; t < plan.Rows(out.rows); ++t) {
      const StepRow& row = step.Row(out.rows, t);
      const KvView& view =
          step.bindings.caches[static_cast<size_t>(row.sequence)][static_cast<size_t>(out.cache)];
      const size_t bytes = RowBytes(view.type, view.width);
      const auto slot = static_cast<size_t>(row.position % view.capacity);
      std::memcpy((out.values ? view.values : view.keys) + slot * bytes,
                  keys_and_values + out.offset + t * bytes, bytes);
    }
  }
}

void VulkanSegment::HandOver(const Step& step) const {
  Drawn& drawn = *step.draw->result;
  if (drawn.whole) return;
  for (const StepPlan::HostValue& value : step.recording->plan.to_host()) {
    if (value.id != program_.logits) continue;
    const auto* from =
        reinterpret_cast<const float*>(step.recording->readback.mapped() + value.offset);
    drawn.logits = {from, value.bytes / sizeof(float)};
  }
}

std::shared_ptr<VulkanSegment::Step> VulkanSegment::MakeStep(const Bindings& bindings,
                                                             std::span<const StepRow> rows) {
  auto step = std::make_shared<Step>();
  step->bindings = bindings;
  step->rows.assign(rows.begin(), rows.end());
  if (bindings.draw != nullptr) {
    if (StepsAhead() == 0 || rows.size() != 1 || !rows[0].wanted) {
      throw Error(ErrorKind::kInternal, "vulkan: a step that cannot draw was asked to");
    }
    step->draw = *bindings.draw;
    if (step->draw->follows) step->rows[0].token = kDrawnToken;
  }
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].wanted) step->wanted.push_back(static_cast<int64_t>(i));
    const auto sequence = static_cast<size_t>(rows[i].sequence);
    if (sequence >= kMaxSequences) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("more than {} sequences in a step on vulkan", kMaxSequences));
    }
    while (step->sequences.size() <= sequence) step->sequences.push_back({nullptr, {}, 0, 0});
    Step::Sequence& known = step->sequences[sequence];
    if (known.copy == nullptr && !uses_.empty()) {
      known.views = bindings.caches[sequence];
      known.copy = &shared_.copies.Find(known.views);
      known.first = rows[i].position;
    }
    known.end = rows[i].position + 1;
  }
  return step;
}

// A step whose fence nobody waited for still has the upload slices.
void VulkanSegment::ForgetAll() {
  if (shared_.unfinished == 0) return;
  shared_.context.WaitIdle();
  shared_.unfinished -= on_their_way_.size();
  on_their_way_.clear();
}

void VulkanSegment::MakeWay(const Step& step) {
  const bool room = std::all_of(
      step.sequences.begin(), step.sequences.end(), [&](const Step::Sequence& sequence) {
        return sequence.copy == nullptr ||
               sequence.copy->HasRoom(program_, sequence.views, uses_, sequence.end);
      });
  // A copy that grows is filled from what the host has.
  const size_t most = room ? static_cast<size_t>(shared_.most_ahead) - 1 : 0;
  while (on_their_way_.size() > most) FinishOldest();
}

int VulkanSegment::FreeDraw() const {
  for (int draws = 0;; ++draws) {
    const bool taken =
        std::any_of(on_their_way_.begin(), on_their_way_.end(),
                    [draws](const auto& step) { return step->recording->key.draws == draws; });
    if (!taken) return draws;
  }
}

void VulkanSegment::FinishOldest() {
  const std::shared_ptr<Step> step = on_their_way_.front();
  on_their_way_.pop_front();
  try {
    Finish(*step);
  } catch (...) {
    step->error = std::current_exception();
    throw;
  }
}

void VulkanSegment::Finish(Step& step) {
  Context& context = shared_.context;
  const VkResult waited = Wait(*step.recording);
  --shared_.unfinished;
  context.Check(waited, "waiting for a step");
  context.RequireValid();
  ReadBack(*step.recording, step);
  step.finished = true;
  if (!step.draw) FinishCopies(step);
  const Recording& recording = *step.recording;
  if (recording.key.timed) {
    recording.ReadTimes(range_, *step.bindings.times, step.bindings.kernels);
  }
  if (step.bindings.kernels != nullptr) {
    const Counts& counts = recording.counts();
    step.bindings.kernels->kernels += counts.dispatches + counts.copies;
    step.bindings.kernels->dependent += counts.barriers;
  }
}

void VulkanSegment::FinishCopies(const Step& step) {
  for (const Step::Sequence& sequence : step.sequences) {
    if (sequence.copy == nullptr) continue;
    sequence.copy->Finish(sequence.views, uses_, sequence.first, sequence.end, true);
  }
}

Fence VulkanSegment::Submit(const Bindings& bindings, std::span<const StepRow> rows) {
  std::promise<void> failed;
  try {
    Context& context = shared_.context;
    context.RequireAlive();
    if (bindings.draw == nullptr || !bindings.draw->follows) {
      ForgetAll();
      shared_.copies.Prune();
    }
    const std::shared_ptr<Step> step = MakeStep(bindings, rows);
    if (step->Follows()) MakeWay(*step);
    const DType kv = bindings.caches.empty() || bindings.caches[0].empty()
                         ? DType::kF32
                         : bindings.caches[0][0].type;
    if (kv != DType::kF32 && kv != DType::kF16) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("vulkan: keys and values in {}", DTypeName(kv)));
    }
    RecordingKey key{rows.size(), step->wanted.size(), kv};
    key.timed = bindings.times != nullptr && context.timestamp_ns() > 0;
    if (step->draw) {
      shared_.drawing.Prepare(program_, step->draw->banned);
      key.draws = FreeDraw();
      key.way = WayOf(step->draw->params);
    }
    Recording& recording = Find(key);
    step->recording = &recording;
    WriteUpload(recording, *step);
    on_their_way_.push_back(step);
    ++shared_.unfinished;
    try {
      Run(recording);
    } catch (...) {
      // Part of it may have been handed over; its fence was not.
      on_their_way_.pop_back();
      --shared_.unfinished;
      context.vk().vkQueueWaitIdle(context.queue());
      throw;
    }
    // The next one, which is submitted before this has run, finds its keys and values.
    if (step->draw) FinishCopies(*step);
    return Fence(std::async(std::launch::deferred, [this, step] {
      const bool here = !step->finished;
      while (!step->finished) {
        // Another one may have waited for it.
        if (step->error) std::rethrow_exception(step->error);
        if (on_their_way_.empty()) {
          throw Error(ErrorKind::kInternal, "vulkan: a step was given up before it was waited for");
        }
        FinishOldest();
      }
      // Of one that was finished before, the slices may be another step's by now.
      if (here && step->draw) HandOver(*step);
    }));
  } catch (...) {
    failed.set_exception(std::current_exception());
  }
  return Fence(failed.get_future());
}

}  // namespace tandem::vulkan
