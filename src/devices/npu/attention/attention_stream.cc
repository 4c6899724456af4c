// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The runtime stream of an attention: of each job and column a run of queries and one of keys, or
// values.
#include <algorithm>
#include <utility>
#include <vector>

#include "devices/npu/attention/attention_plan.h"
#include "devices/npu/isa/registers.h"
#include "devices/npu/kernels/attention_tile.h"

namespace tandem::npu {
namespace {

/// Pushes of a channel on their way: one runs, the others wait.
constexpr int kMostPushes = kQueueDepth + 1;
/// BDs of a shim: results, then those that operands take in turn.
constexpr int kBdSums = 0;
constexpr int kFirstBd = 1;
/// The id in a shim's tokens, which its switch sends to the firmware.
constexpr int kShimController = 15;
constexpr auto kTile = static_cast<int64_t>(kAttentionTileBytes);

class Maker {
 public:
  explicit Maker(const AttentionPlan& plan)
      : plan_(plan), pushed_(static_cast<size_t>(plan.device.columns)) {}

  Sequence Run() {
    sequence_.device = plan_.device;
    for (const int64_t bytes :
         {plan_.query_bytes, plan_.key_bytes, plan_.value_bytes, plan_.sum_bytes}) {
      sequence_.arguments.push_back({ElementType::kI32, bytes / 4});
    }
    const auto jobs = static_cast<int64_t>(plan_.jobs.size());
    const int64_t groups = AttentionGroups(plan_.device);
    const int columns = kGroupColumns * static_cast<int>(std::min(groups, jobs));
    for (int column = 0; column < columns; ++column) {
      sequence_.controller_ids[{column, 0}] = kShimController;
      Copy(Results(column), kBdSums, 3, plan_.SumOffset(column),
           plan_.SumOffset(column + 1) - plan_.SumOffset(column), /*token=*/false);
    }
    for (int64_t i = 0; i < jobs; ++i) {
      const AttentionJob& job = plan_.jobs[static_cast<size_t>(i)];
      for (int side = 0; side < kGroupColumns; ++side) {
        const int column = static_cast<int>(i % groups) * kGroupColumns + side;
        constexpr int64_t kQueries = kCoreRows * kTile;
        Push(column, 0, (i * kGroupColumns + side) * kQueries, kQueries);
        Push(column, static_cast<size_t>(1 + side),
             (job.kv_head * plan_.tiles + job.first_tile) * kTile, job.tiles * kTile);
      }
    }
    for (int column = 0; column < columns; ++column) {
      while (pushed_[static_cast<size_t>(column)].under_way > 0) WaitForOne(column);
    }
    for (int column = 0; column < columns; ++column) {
      sequence_.steps.push_back(WaitStep{Results(column)});
    }
    return std::move(sequence_);
  }

 private:
  struct Pushed {
    int under_way = 0;
    int64_t all = 0;
  };

  static Channel Results(int column) { return {ShimTile(column), Direction::kS2mm, 0}; }
  static Channel Operand(int column) { return {ShimTile(column), Direction::kMm2s, 0}; }

  void WaitForOne(int column) {
    sequence_.steps.push_back(WaitStep{Operand(column)});
    --pushed_[static_cast<size_t>(column)].under_way;
  }

  /// The next run of bytes of a column's operand.
  void Push(int column, size_t argument, int64_t byte, int64_t bytes) {
    Pushed& pushed = pushed_[static_cast<size_t>(column)];
    // The oldest must have ended before its BD is written again, and the queue is short.
    if (pushed.under_way == kMostPushes) WaitForOne(column);
    const int bd = kFirstBd + static_cast<int>(pushed.all % kMostPushes);
    Copy(Operand(column), bd, argument, byte, bytes, /*token=*/true);
    ++pushed.under_way;
    ++pushed.all;
  }

  void Copy(const Channel& channel, int bd, size_t argument, int64_t byte, int64_t bytes,
            bool token) {
    CopyStep copy;
    copy.channel = channel;
    copy.transfer.buffer = argument;
    copy.transfer.offset = byte / 4;
    copy.transfer.length = bytes / 4;
    copy.transfer.sizes = {1, 1, 1, bytes / 4};
    copy.transfer.strides = {0, 0, 0, 1};
    copy.transfer.bd = bd;
    copy.token = token;
    sequence_.steps.push_back(std::move(copy));
  }

  const AttentionPlan& plan_;
  Sequence sequence_;
  std::vector<Pushed> pushed_;  ///< By column.
};

}  // namespace

Sequence AttentionSequence(const AttentionPlan& plan) { return Maker(plan).Run(); }
Stream AttentionStream(const AttentionPlan& plan) {
  return EncodeSequence(AttentionSequence(plan));
}

}  // namespace tandem::npu
