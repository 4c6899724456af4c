// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/transfers.h"

#include <algorithm>
#include <utility>

#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/isa/registers.h"

namespace tandem::npu {
namespace {

/// Runs of one push.
constexpr int64_t kMostRuns = 256;
/// BDs of a shim.
constexpr int kBdC = 0;
constexpr int kBdB = 1;
constexpr int kFirstBdA = 2;
constexpr int kBdFrontOfB = kFirstBdA + static_cast<int>(kMostPushes);

class Maker {
 public:
  explicit Maker(const ShimTransfers& transfers) : transfers_(transfers) {}

  Sequence Run() {
    sequence_.device = transfers_.device;
    for (const int64_t bytes : transfers_.bytes) {
      sequence_.arguments.push_back({ElementType::kI32, bytes / 4});
    }
    const int columns = transfers_.device.columns;
    for (int column = 0; column < columns; ++column) {
      sequence_.controller_ids[{column, 0}] = kShimController;
    }
    std::vector<int> with_results;
    for (int column = 0; column < columns; ++column) {
      const Piece c = transfers_.c(column);
      if (c.words == 0) continue;
      Start({{column, 0}, Direction::kS2mm, 0}, kBdC, 2, c, 1);
      with_results.push_back(column);
    }
    for (int column = 0; column < columns; ++column) {
      const Channel channel = {{column, 0}, Direction::kMm2s, 1};
      if (transfers_.b_front) Start(channel, kBdFrontOfB, 0, *transfers_.b_front, 1);
      const Piece b = transfers_.b(column);
      if (b.words > 0) Start(channel, kBdB, 1, b, transfers_.m_blocks);
    }
    StartA();
    for (const int column : with_results) {
      sequence_.steps.push_back(WaitStep{{{column, 0}, Direction::kS2mm, 0}});
    }
    return std::move(sequence_);
  }

 private:
  /// A transfer, `runs` times. The address is the patch's alone: whether firmware adds to what a BD
  /// holds or replaces it, the result is the same.
  void Start(const Channel& channel, int bd, size_t argument, const Piece& piece, int64_t runs,
             bool token = false) {
    CopyStep copy;
    copy.channel = channel;
    copy.transfer.buffer = argument;
    copy.transfer.offset = piece.word;
    copy.transfer.length = piece.words * piece.rows * piece.planes;
    copy.transfer.sizes = {runs, piece.planes, piece.rows, piece.words};
    copy.transfer.strides = {0, piece.plane_stride, piece.row_stride, 1};
    copy.transfer.bd = bd;
    copy.token = token;
    sequence_.steps.push_back(std::move(copy));
  }

  Channel ChannelA(int row) const {
    return {{SourceColumn(transfers_.device, row), 0}, Direction::kMm2s, 0};
  }

  struct Send {
    Piece piece;
    int64_t runs = 1;
  };
  /// What comes first, and then a block of M's rows, as often as it is multiplied, and the next.
  std::vector<Send> SendsOf(int row) const {
    std::vector<Send> sends;
    if (transfers_.a_front) {
      for (const Piece& piece : transfers_.a_front(row)) sends.push_back({piece});
    }
    for (int64_t block = 0; block < transfers_.m_blocks; ++block) {
      for (int64_t left = transfers_.a_runs; left > 0; left -= kMostRuns) {
        sends.push_back({transfers_.a(row, block), std::min(left, kMostRuns)});
      }
    }
    return sends;
  }

  /// All core rows side by side.
  void StartA() {
    std::vector<std::vector<Send>> sends;
    for (int row = 0; row < kCoreRows; ++row) sends.push_back(SendsOf(row));
    int64_t under_way = 0;
    const auto wait = [&] {
      for (int row = 0; row < kCoreRows; ++row) sequence_.steps.push_back(WaitStep{ChannelA(row)});
      --under_way;
    };
    for (size_t i = 0; i < sends.front().size(); ++i) {
      // The oldest must have ended before its BD is written again, and the queue is short.
      if (under_way == kMostPushes) wait();
      const int bd = kFirstBdA + static_cast<int>(i % kMostPushes);
      for (int row = 0; row < kCoreRows; ++row) {
        const Send& send = sends[static_cast<size_t>(row)][i];
        Start(ChannelA(row), bd, 0, send.piece, send.runs, /*token=*/true);
      }
      ++under_way;
    }
    while (under_way > 0) wait();
  }

  const ShimTransfers& transfers_;
  Sequence sequence_;
};

}  // namespace

Sequence SequenceOf(const ShimTransfers& transfers) { return Maker(transfers).Run(); }

}  // namespace tandem::npu
