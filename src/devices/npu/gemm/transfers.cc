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
constexpr int kBdsOfA = 16 - kFirstBdA;

/// A tile of A that lies in the room of sums, in rows that a shim's BD can count.
constexpr int64_t kTileRows = 4;
constexpr int64_t kRowWords = int64_t{kTileABytes} / 4 / kTileRows;
static_assert(kTileABytes % (4 * kTileRows) == 0 && kRowWords < 1024);
/// Four core rows' sums likewise.
constexpr int64_t kGroupRows = 32;

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
      Transfer transfer =
          TransferOf(bd + static_cast<int>(i), 0, piece, piece.step == 0 ? 1 : runs);
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

  /// What a block of M's rows takes, then the next: all core rows side by side.
  void StartA() {
    size_t longest = 1;
    for (const Pieces& pieces : transfers_.a(0, 0)) {
      longest = std::max(longest, pieces.chain.size());
    }
    static_assert(kBdsOfA / kMostChain >= 2);
    const int slots = std::min(kMostPushes, kBdsOfA / static_cast<int>(longest));
    int64_t pushes = 0;
    for (int64_t block = 0; block < transfers_.m_blocks; ++block) {
      std::vector<Pieces> of_row[kCoreRows];
      for (int row = 0; row < kCoreRows; ++row) of_row[row] = transfers_.a(row, block);
      for (size_t i = 0; i < of_row[0].size(); ++i) {
        const bool steps = std::any_of(of_row[0][i].chain.begin(), of_row[0][i].chain.end(),
                                       [](const Piece& piece) { return piece.step != 0; });
        const int64_t most = steps ? kMostSteps : kMostRuns;
        for (int64_t done = 0; done < of_row[0][i].times; done += most) {
          // The oldest must have ended before its BDs are written again, and the queue is short.
          if (static_cast<int>(under_way_.size()) == slots) WaitForA();
          const int bd = kFirstBdA + static_cast<int>(pushes++ % slots * longest);
          for (int row = 0; row < kCoreRows; ++row) {
            PushA(row, bd, of_row[row][i], done, std::min(of_row[0][i].times - done, most));
          }
          under_way_.push_back(of_row[0][i].chain.size() > 1);
        }
      }
    }
    while (!under_way_.empty()) WaitForA();
  }

  void PushA(int row, int bd, const Pieces& pieces, int64_t done, int64_t runs) {
    std::vector<Piece> chain = pieces.chain;
    for (Piece& piece : chain) piece.word += done * piece.step;
    if (chain.size() == 1) {
      Start(ChannelA(row), bd, 0, chain.front(), runs, /*token=*/true);
    } else {
      StartChain(ChannelA(row), bd, chain, runs);
    }
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

Piece RoomsOf(const Device& device, int column, int64_t groups, int64_t word) {
  constexpr int64_t kWords = kGroupWords / kGroupRows;
  return {word + column * kGroupWords, kWords, kGroupRows, kWords, groups,
          device.columns * kGroupWords};
}

Piece TilesInRooms(int64_t word, int64_t tiles) {
  return {word, kRowWords, kTileRows, kRowWords, tiles, kGroupWords};
}

}  // namespace tandem::npu
