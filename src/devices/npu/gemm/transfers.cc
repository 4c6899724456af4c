// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/transfers.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <string>
#include <utility>

#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/isa/registers.h"

namespace tandem::npu {
namespace {

/// Runs of one push, and of one whose pieces lie further each time: what a BD counts.
constexpr int64_t kMostRuns = 256;
constexpr int64_t kMostSteps = 64;
/// BDs of a shim.
constexpr int kBdC = 0;
constexpr int kBdB = 1;
constexpr int kFirstBdA = 2;
constexpr int kBdFrontOfB = 15;
constexpr int kBdsOfA = kBdFrontOfB - kFirstBdA;

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
  /// One of `runs`. The address is the patch's alone: whether firmware adds to what a BD holds or
  /// replaces it, the result is the same.
  static Transfer TransferOf(int bd, size_t argument, const Piece& piece, int64_t runs) {
    Transfer transfer;
    transfer.buffer = argument;
    transfer.offset = piece.word;
    transfer.length = piece.words * piece.rows * piece.planes;
    transfer.sizes = {runs, piece.planes, piece.rows, piece.words};
    transfer.strides = {piece.step, piece.plane_stride, piece.row_stride, 1};
    transfer.bd = bd;
    return transfer;
  }

  /// A transfer, `runs` times.
  void Start(const Channel& channel, int bd, size_t argument, const Piece& piece, int64_t runs,
             bool token = false) {
    sequence_.steps.push_back(CopyStep{channel, TransferOf(bd, argument, piece, runs), token});
  }

  /// The same of several one after the other, with a token; their BDs from `bd` on.
  void StartChain(const Channel& channel, int bd, const std::vector<Piece>& chain, int64_t runs) {
    ConfigureStep configure;
    configure.task = fmt::format("chain{}", chains_++);
    configure.channel = channel;
    configure.repeat = static_cast<int>(runs - 1);
    configure.token = configure.patched = true;
    for (size_t i = 0; i < chain.size(); ++i) {
      const Piece& piece = chain[i];
      // The task repeats; what lies elsewhere each time its BD has to count.
      Transfer transfer = TransferOf(bd + static_cast<int>(i), 0, piece,
                                     piece.step == 0    ? 1
                                     : piece.wraps == 0 ? runs
                                                        : piece.wraps);
      if (piece.step == 0) {
        transfer.sizes.erase(transfer.sizes.begin());
        transfer.strides.erase(transfer.strides.begin());
      }
      if (i + 1 < chain.size()) transfer.next = static_cast<int>(i + 1);
      configure.transfers.push_back(std::move(transfer));
    }
    tasks_.push_back(configure.task);
    sequence_.steps.emplace_back(std::move(configure));
    sequence_.steps.emplace_back(StartStep{tasks_.back()});
  }

  Channel ChannelA(int row) const {
    return {{SourceColumn(transfers_.device, row), 0}, Direction::kMm2s, 0};
  }

  /// In pushes, each of no more than BDs and queues count.
  static void AddPushes(Pieces pieces, std::vector<Pieces>& sends) {
    int64_t rounds = 1;
    for (Piece& piece : pieces.chain) {
      if (piece.wraps <= kMostSteps) continue;
      // No BD gets that far before it starts again: each round by itself, then.
      rounds = pieces.times / piece.wraps;
      piece.wraps = 0;
    }
    pieces.times /= rounds;
    int64_t most = kMostRuns;
    for (const Piece& piece : pieces.chain) {
      if (piece.wraps > 0) {
        most = std::min(most, kMostRuns / piece.wraps * piece.wraps);
      } else if (piece.step != 0) {
        most = std::min(most, kMostSteps);
      }
    }
    for (; rounds > 0; --rounds) {
      for (int64_t done = 0; done < pieces.times; done += most) {
        Pieces& push = sends.emplace_back(pieces);
        push.times = std::min(pieces.times - done, most);
        for (Piece& piece : push.chain) piece.word += piece.wraps > 0 ? 0 : done * piece.step;
      }
    }
  }

  /// What comes first, and then what a block of M's rows takes, and the next, in pushes.
  std::vector<Pieces> SendsOf(int row) const {
    std::vector<Pieces> sends;
    if (transfers_.a_front) {
      for (const Piece& piece : transfers_.a_front(row)) AddPushes({{piece}, 1}, sends);
    }
    for (int64_t block = 0; block < transfers_.m_blocks; ++block) {
      if (transfers_.chains) {
        for (const Pieces& pieces : transfers_.chains(row, block)) AddPushes(pieces, sends);
      } else if (transfers_.a_runs > 0) {
        AddPushes({{transfers_.a(row, block)}, transfers_.a_runs}, sends);
      }
    }
    return sends;
  }

  /// All core rows side by side.
  void StartA() {
    std::vector<std::vector<Pieces>> sends;
    for (int row = 0; row < kCoreRows; ++row) sends.push_back(SendsOf(row));
    size_t longest = 1;
    for (const Pieces& push : sends.front()) longest = std::max(longest, push.chain.size());
    static_assert(kBdsOfA >= static_cast<int>(kMostChain));
    const size_t slots = std::min<size_t>(kMostPushes, static_cast<size_t>(kBdsOfA) / longest);
    for (size_t i = 0; i < sends.front().size(); ++i) {
      // The oldest must have ended before its BDs are written again, and the queue is short.
      if (under_way_.size() == slots) WaitForA();
      const int bd = kFirstBdA + static_cast<int>(i % slots * longest);
      for (int row = 0; row < kCoreRows; ++row) {
        const Pieces& push = sends[static_cast<size_t>(row)][i];
        if (push.chain.size() == 1) {
          Start(ChannelA(row), bd, 0, push.chain.front(), push.times, /*token=*/true);
        } else {
          StartChain(ChannelA(row), bd, push.chain, push.times);
        }
      }
      under_way_.push_back(sends.front()[i].chain.size() > 1);
    }
    while (!under_way_.empty()) WaitForA();
  }

  /// For the oldest push of all core rows.
  void WaitForA() {
    for (int row = 0; row < kCoreRows; ++row) {
      if (under_way_.front()) {
        sequence_.steps.emplace_back(FinishStep{tasks_.front(), /*wait=*/true});
        tasks_.pop_front();
      } else {
        sequence_.steps.emplace_back(WaitStep{ChannelA(row)});
      }
    }
    under_way_.pop_front();
  }

  const ShimTransfers& transfers_;
  Sequence sequence_;
  std::deque<bool> under_way_;     ///< Pushes of A, oldest first: whether they are chains.
  std::deque<std::string> tasks_;  ///< Of those chains, a core row's after the other's.
  int chains_ = 0;
};

}  // namespace

Sequence SequenceOf(const ShimTransfers& transfers) { return Maker(transfers).Run(); }

Piece PackedA(const GemmPlan& plan, int core_row, int64_t m_block) {
  const int64_t row_words = plan.a_bytes / kCoreRows / 4;
  const int64_t block_words = row_words / plan.m_blocks;
  return {core_row * row_words + m_block * block_words, block_words};
}

}  // namespace tandem::npu
