// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/gemm_stream.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "devices/npu/isa/registers.h"

namespace tandem::npu {
namespace {

/// Runs of one push.
constexpr int64_t kMostRuns = 256;
/// Pushes of a channel on their way: one runs, the others wait.
constexpr int64_t kMostPushes = kQueueDepth + 1;
/// BDs of a shim.
constexpr int kBdC = 0;
constexpr int kBdB = 1;
constexpr int kFirstBdA = 2;
/// The id in a shim's tokens, which its switch sends to the firmware.
constexpr int kShimController = 15;

class Maker {
 public:
  explicit Maker(const GemmPlan& plan) : plan_(plan) {}

  Sequence Run() {
    const Device& device = plan_.config.device;
    sequence_.device = device;
    for (const int64_t bytes : {plan_.a_bytes, plan_.b_bytes, plan_.c_bytes}) {
      sequence_.arguments.push_back({ElementType::kI32, bytes / 4});
    }
    const int columns = device.columns;
    for (int column = 0; column < columns; ++column) {
      sequence_.controller_ids[{column, 0}] = kShimController;
    }
    for (int column = 0; column < columns; ++column) {
      Start({{column, 0}, Direction::kS2mm, 0}, kBdC, 2, column * plan_.c_bytes / columns,
            plan_.c_bytes / columns, 1);
    }
    for (int column = 0; column < columns; ++column) {
      // All of a column's B, once for each block of M.
      Start({{column, 0}, Direction::kMm2s, 1}, kBdB, 1, column * plan_.b_bytes / columns,
            plan_.b_bytes / columns, plan_.m_blocks);
    }
    StartA();
    for (int column = 0; column < columns; ++column) {
      sequence_.steps.push_back(WaitStep{{{column, 0}, Direction::kS2mm, 0}});
    }
    return std::move(sequence_);
  }

 private:
  /// A linear transfer, `runs` times. The address is the patch's alone: whether firmware adds to
  /// what a BD holds or replaces it, the result is the same.
  void Start(const Channel& channel, int bd, size_t argument, int64_t byte, int64_t bytes,
             int64_t runs, bool token = false) {
    CopyStep copy;
    copy.channel = channel;
    copy.transfer.buffer = argument;
    copy.transfer.offset = byte / 4;
    copy.transfer.length = bytes / 4;
    copy.transfer.sizes = {runs, 1, 1, bytes / 4};
    copy.transfer.strides = {0, 0, 0, 1};
    copy.transfer.bd = bd;
    copy.token = token;
    sequence_.steps.push_back(std::move(copy));
  }

  static Channel ChannelA(const Device& device, int row) {
    return {{SourceColumn(device, row), 0}, Direction::kMm2s, 0};
  }

  /// A block of M's rows, once for each block of N, then the next: all core rows side by side.
  void StartA() {
    const Device& device = plan_.config.device;
    const int64_t row_bytes = plan_.a_bytes / kCoreRows;
    const int64_t block_bytes = row_bytes / plan_.m_blocks;
    int64_t under_way = 0;
    int64_t pushes = 0;
    const auto wait = [&] {
      for (int row = 0; row < kCoreRows; ++row) {
        sequence_.steps.push_back(WaitStep{ChannelA(device, row)});
      }
      --under_way;
    };
    for (int64_t block = 0; block < plan_.m_blocks; ++block) {
      for (int64_t left = plan_.n_blocks; left > 0; left -= kMostRuns) {
        // The oldest must have ended before its BD is written again, and the queue is short.
        if (under_way == kMostPushes) wait();
        const int bd = kFirstBdA + static_cast<int>(pushes % kMostPushes);
        for (int row = 0; row < kCoreRows; ++row) {
          Start(ChannelA(device, row), bd, 0, row * row_bytes + block * block_bytes, block_bytes,
                std::min(left, kMostRuns), /*token=*/true);
        }
        ++under_way;
        ++pushes;
      }
    }
    while (under_way > 0) wait();
  }

  const GemmPlan& plan_;
  Sequence sequence_;
};

int64_t CeilDivide(int64_t value, int64_t by) { return (value + by - 1) / by; }

}  // namespace

GemmPlan PlanGemm(const GemmConfig& config, const GemmShape& shape) {
  CheckGemmConfig(config);
  if (shape.m < 1 || shape.m > kMostGemmRows || shape.k < 1 || shape.k > kMostGemmSum ||
      shape.n < 1 || shape.n > kMostGemmColumns) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a product of {}x{}x{}: at most {}x{}x{}", shape.m, shape.k, shape.n,
                            kMostGemmRows, kMostGemmSum, kMostGemmColumns));
  }
  GemmPlan plan;
  plan.config = config;
  plan.shape = shape;
  plan.tile = DesignTile(config.type);
  const int64_t columns = config.device.columns;
  plan.m_blocks = CeilDivide(shape.m, plan.tile.m * kCoreRows);
  plan.tile_rows = DesignTileRows(config.device.generation, config.type, shape.m);
  plan.k_steps = CeilDivide(shape.k, plan.tile.k);
  plan.n_blocks = CeilDivide(shape.n, plan.tile.n * columns);
  plan.a_bytes = plan.m_blocks * plan.k_steps * kCoreRows * TileABytes(config);
  plan.b_bytes = plan.n_blocks * plan.k_steps * columns * TileBBytes(config);
  plan.c_bytes = plan.m_blocks * plan.n_blocks * kCoreRows * columns * TileCBytes(config);
  return plan;
}

Sequence GemmSequence(const GemmPlan& plan) { return Maker(plan).Run(); }
Stream GemmStream(const GemmPlan& plan) { return EncodeSequence(GemmSequence(plan)); }

}  // namespace tandem::npu
