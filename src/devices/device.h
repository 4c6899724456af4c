// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What every device offers: it says which ops it can run, compiles a span of a Program into a
// Segment, and runs the Segment for the rows of a step. A device knows ops; it does not know
// models.
//
// A Device and its Segments are used from one thread at a time. A Segment holds pointers into its
// Program and Device, which must outlive it. Buffers belong to the caller and are bound per step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <future>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "devices/draw.h"
#include "formats/dtype.h"
#include "program/program.h"

namespace tandem {

/// One token of a step.
struct StepRow {
  int32_t token = 0;
  int32_t position = 0;  ///< In its sequence, from 0. The token decides it, never a cache counter.
  int32_t sequence = 0;  ///< Index into Bindings::caches.
  bool wanted = false;   ///< Whether its logits are asked for.
};

/// The rows a Segment is compiled for at most.
struct ShapeClass {
  int64_t rows = 1;
  int64_t wanted = 1;
};

/// What a sequence's keys and values are, for devices that work on copies of them. The host's
/// memory is the one that counts: a device brings its copy up to date before a step, by the stamps,
/// and puts what the step has written into the host's memory before its fence. So sessions are
/// saved, rewound, forked and handed to another device without a device knowing, and survive its
/// loss.
struct KvHistory {
  /// By position, those of the step under way included: equal stamps mean equal keys and values in
  /// all caches, in this sequence or another. Never 0.
  std::vector<uint64_t> stamps;
  uint64_t edits = 0;  ///< Counts changes, of which the start of a step is one.
};

/// Keys and values of one cache tensor of one sequence. Position p lives in slot p % capacity, a
/// row of [kv_heads * head_dim] elements of `type` (kF32, kF16, or kQ8_0 with
/// heads of a multiple of 32).
struct KvView {
  DType type = DType::kF32;
  int64_t capacity = 0;  ///< At least window - 1 + rows of a step for windowed caches.
  int64_t width = 0;     ///< Elements per slot.
  std::byte* keys = nullptr;
  std::byte* values = nullptr;
  /// The same for all caches of a sequence; null: nothing is known, copies are of no use.
  std::shared_ptr<const KvHistory> history = nullptr;
};

/// How long one op of a Program took in a step.
struct OpTime {
  size_t op = 0;  ///< Index into Program::ops.
  double seconds = 0;
};

/// How long one kernel took in a step whose ops are timed: alone, between waits.
struct KernelTime {
  size_t op = 0;          ///< The op it was for, index into Program::ops; it may do more.
  std::string_view name;  ///< "fused_attention"; lives as long as the program runs.
  uint32_t workgroups = 0;
  double seconds = 0;
};

/// What a device that runs recorded commands has run in a step.
struct KernelCounts {
  uint64_t kernels = 0;           ///< Dispatches and copies.
  uint64_t dependent = 0;         ///< Of them, those that waited for all before them.
  std::vector<KernelTime> times;  ///< Where ops are timed, of each in their order.
};

/// What a device has multiplied on an array of its own in a step, and how long that takes by the
/// model of the array's time.
struct ArrayCounts {
  uint64_t calls = 0;     ///< Of the array: a run, or a list of runs.
  uint64_t runs = 0;      ///< In them: as many calls as it would be without lists.
  uint64_t switches = 0;  ///< Of them, those that needed another configuration than before.
  uint64_t macs = 0;      ///< Multiply-adds of the products, padding and second parts left out.
  double modelled_seconds = 0;  ///< Of the calls.
  double modelled_switch_seconds = 0;

  ArrayCounts& operator+=(const ArrayCounts& other) {
    calls += other.calls;
    runs += other.runs;
    switches += other.switches;
    macs += other.macs;
    modelled_seconds += other.modelled_seconds;
    modelled_switch_seconds += other.modelled_switch_seconds;
    return *this;
  }
  /// What came after `before`.
  friend ArrayCounts operator-(ArrayCounts counts, const ArrayCounts& before) {
    counts.calls -= before.calls;
    counts.runs -= before.runs;
    counts.switches -= before.switches;
    counts.macs -= before.macs;
    counts.modelled_seconds -= before.modelled_seconds;
    counts.modelled_switch_seconds -= before.modelled_switch_seconds;
    return counts;
  }
};

/// Buffers of a step, in host memory.
struct Bindings {
  /// Per value of the Program, float [planes, rows of its set in this step, width], dense.
  std::span<float* const> values;
  /// Per sequence, per cache tensor of the Program.
  std::span<const std::span<const KvView>> caches;
  /// Where a device that has the logits in memory of its own that the host can read leaves a
  /// pointer to them, good until its segment's next Submit(), instead of filling their buffer;
  /// null: it fills the buffer.
  const float** logits = nullptr;
  /// Where a device that can tell adds the time of each op, before the fence; null: nobody asks.
  std::vector<OpTime>* times = nullptr;
  /// Where such a device adds its counts; null: nobody asks.
  KernelCounts* kernels = nullptr;
  /// Likewise.
  ArrayCounts* array = nullptr;
  /// To a segment that draws (StepsAhead): the step draws the next token, and the logits stay where
  /// they are. Null: it does not.
  const DrawRequest* draw = nullptr;
};

/// Completion of a submitted step. Wait() returns once its results are in the bound buffers, or
/// throws the step's Error.
class Fence {
 public:
  explicit Fence(std::future<void> done) : done_(std::move(done)) {}
  void Wait() { done_.get(); }

 private:
  std::future<void> done_;
};

/// Consecutive ops of a Program, ready to run.
class Segment {
 public:
  virtual ~Segment() = default;
  /// Runs the ops for `rows`. Ops whose row set is empty are skipped.
  /// REQUIRES: no more rows than compiled for, positions of a sequence ascending, tokens inside the
  /// vocabulary, slots of the caches as KvView says.
  virtual Fence Submit(const Bindings& bindings, std::span<const StepRow> rows) = 0;
  /// Steps that draw (Bindings::draw) and may be on their way at once, their fences waited for in
  /// the order of submission; any other step forgets those that are not done, results and all. 0:
  /// this segment does not draw.
  virtual int StepsAhead() const { return 0; }
};

/// Ops [begin, end) of a Program.
struct OpRange {
  size_t begin = 0;
  size_t end = 0;
};

/// Yes, or no with the reason.
struct Support {
  bool yes = true;
  std::string reason;
};

class Device {
 public:
  virtual ~Device() = default;
  /// Name for options and reports, "cpu".
  virtual std::string_view name() const = 0;
  /// What it is, for people: "avx512, 8 threads".
  virtual std::string description() const = 0;
  /// Steps of fewer rows are no work for it: it runs them as well as others would, no better.
  virtual int64_t least_rows() const { return 1; }
  virtual Support Supports(const Program& program, const Op& op) const = 0;
  /// Throws Error kUnsupported for an op it does not support, kResource without memory.
  virtual std::unique_ptr<Segment> Compile(const Program& program, OpRange range,
                                           const ShapeClass& shape) = 0;
};

}  // namespace tandem
