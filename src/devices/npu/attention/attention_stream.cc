// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The runtime stream of an attention: per column a transfer of queries and one of results, per job
// one of keys and values.
#include <utility>

#include "devices/npu/attention/attention_plan.h"
#include "devices/npu/isa/registers.h"

namespace tandem::npu {
namespace {

/// BDs of a shim.
constexpr int kBdSums = 0;
constexpr int kBdQueries = 1;
constexpr int kFirstBdKeys = 2;

class Maker {
 public:
  explicit Maker(const AttentionPlan& plan) : plan_(plan) {}

  Sequence Run() {
    const Device& device = plan_.config.device;
    sequence_.device = device;
    for (const int64_t bytes : {plan_.key_bytes, plan_.query_bytes, plan_.sum_bytes}) {
      sequence_.arguments.push_back({ElementType::kI32, bytes / 4});
    }
    for (int column = 0; column < device.columns; ++column) {
      sequence_.controller_ids[{column, 0}] = kShimController;
    }
    const auto start_all = [&](Direction direction, int channel, int bd, size_t argument,
                               int64_t bytes) {
      const int64_t part = bytes / device.columns;
      for (int column = 0; column < device.columns; ++column) {
        Start({{column, 0}, direction, channel}, bd, argument, column * part, part,
              /*token=*/false);
      }
    };
    start_all(Direction::kS2mm, 0, kBdSums, 2, plan_.sum_bytes);
    start_all(Direction::kMm2s, 1, kBdQueries, 1, plan_.query_bytes);
    StartKeys();
    for (int column = 0; column < device.columns; ++column) {
      sequence_.steps.emplace_back(WaitStep{{{column, 0}, Direction::kS2mm, 0}});
    }
    return std::move(sequence_);
  }

 private:
  Channel KeysOf(int core_row) const {
    return {{SourceColumn(plan_.config.device, core_row), 0}, Direction::kMm2s, 0};
  }

  /// Round by round, a job for each core row.
  void StartKeys() {
    int64_t under_way = 0;
    const auto wait = [&] {
      for (int row = 0; row < kCoreRows; ++row) sequence_.steps.emplace_back(WaitStep{KeysOf(row)});
      --under_way;
    };
    const int64_t tile = 2 * TileABytes(plan_.config);
    for (int64_t round = 0; round < plan_.rounds(); ++round) {
      // The oldest must have ended before its BD is written again, and the queue is short.
      if (under_way == kMostPushes) wait();
      const int bd = kFirstBdKeys + static_cast<int>(round % kMostPushes);
      for (int row = 0; row < kCoreRows; ++row) {
        const AttentionJob& job = plan_.jobs[static_cast<size_t>(round * kCoreRows + row)];
        Start(KeysOf(row), bd, 0, (job.kv_head * plan_.tiles + job.first_tile) * tile,
              job.tiles * tile, /*token=*/true);
      }
      ++under_way;
    }
    while (under_way > 0) wait();
  }

  /// A linear transfer.
  void Start(const Channel& channel, int bd, size_t argument, int64_t byte, int64_t bytes,
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
    sequence_.steps.emplace_back(std::move(copy));
  }

  const AttentionPlan& plan_;
  Sequence sequence_;
};

}  // namespace

Sequence AttentionSequence(const AttentionPlan& plan) { return Maker(plan).Run(); }
Stream AttentionStream(const AttentionPlan& plan) {
  return EncodeSequence(AttentionSequence(plan));
}

}  // namespace tandem::npu
