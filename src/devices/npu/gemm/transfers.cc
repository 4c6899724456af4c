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
    for (int column = 0; column < columns; ++column) {
      Start({{column, 0}, Direction::kS2mm, 0}, kBdC, 2, transfers_.c(column), 1);
    }
    for (int column = 0; column < columns; ++column) {
      Start({{column, 0}, Direction::kMm2s, 1}, kBdB, 1, transfers_.b(column), transfers_.m_blocks);
    }
    StartA();
    for (int column = 0; column < columns; ++column) {
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

  /// A block of M's rows, as often as it is multiplied, then the next: all core rows side by side.
  void StartA() {
    int64_t under_way = 0;
    int64_t pushes = 0;
    const auto wait = [&] {
      for (int row = 0; row < kCoreRows; ++row) sequence_.steps.push_back(WaitStep{ChannelA(row)});
      --under_way;
    };
    for (int64_t block = 0; block < transfers_.m_blocks; ++block) {
      for (int64_t left = transfers_.a_runs; left > 0; left -= kMostRuns) {
        // The oldest must have ended before its BD is written again, and the queue is short.
        if (under_way == kMostPushes) wait();
        const int bd = kFirstBdA + static_cast<int>(pushes % kMostPushes);
        for (int row = 0; row < kCoreRows; ++row) {
          Start(ChannelA(row), bd, 0, transfers_.a(row, block), std::min(left, kMostRuns),
                /*token=*/true);
        }
        ++under_way;
        ++pushes;
      }
    }
    while (under_way > 0) wait();
  }

  const ShimTransfers& transfers_;
  Sequence sequence_;
};

}  // namespace

Sequence SequenceOf(const ShimTransfers& transfers) { return Maker(transfers).Run(); }

}  // namespace tandem::npu
