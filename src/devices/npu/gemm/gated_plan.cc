// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/gated_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/ceil_divide.h"
#include "core/error.h"
#include "devices/npu/gemm/rooms.h"
#include "devices/npu/gemm/weight_flags.h"
#include "devices/npu/kernels/gated_tile.h"
#include "devices/npu/timing/gated_time.h"

namespace tandem::npu {
namespace {

/// Scales come with the first tiles of a sum.
int64_t StepsOf(int64_t k) { return std::max<int64_t>(kScaleParts, CeilDivide(k, kTileKI8)); }

/// h as the second run's A.
RoomTiles RoomsOfH(const GatedPlan& plan) {
  RoomTiles h = {plan.down.k_steps, plan.down.tile_rows, 0};
  const int64_t read = plan.a.m_blocks == 1 ? h.groups() * kRoomGroupBytes : 0;
  h.header_word = std::max(plan.c_bytes, read) / 4;
  return h;
}

/// All of the first run's but A.
ShimTransfers GatedTransfers(const GatedPlan& plan) {
  const int64_t columns = plan.config().device.columns;
  ShimTransfers transfers;
  transfers.device = plan.config().device;
  transfers.bytes = {0, plan.b_bytes, plan.h_bytes};
  transfers.m_blocks = plan.a.m_blocks;
  // Gate's and up's inputs, where they are the same, one after the other.
  transfers.a_runs = plan.tiles * plan.halves * (plan.shared() ? 2 : 1);
  transfers.b = [words = plan.b_bytes / columns / 4](int column) {
    return Piece{column * words, words};
  };
  transfers.c = [columns, rounds = plan.a.m_blocks * plan.tiles](int column) {
    return RoomsOfColumn(column, columns, rounds);
  };
  return transfers;
}

}  // namespace

bool FitsGated(const GatedShape& shape) {
  if (shape.gate_k < 1 || shape.up_k < 0 || shape.neurons < 1 || shape.n < 1) return false;
  // Sums first: whatever the sides, they must not overflow.
  if (shape.gate_k > kMostGatedSum || shape.up_k > kMostGatedSum) return false;
  const int64_t inputs = StepsOf(shape.gate_k) + (shape.up_k == 0 ? 0 : StepsOf(shape.up_k));
  return inputs * kTileKI8 <= kMostGatedSum && shape.neurons <= kMostGatedSum &&
         shape.n <= kMostGemmColumns;
}

GatedPlan PlanGated(const GemmConfig& config, const GatedShape& shape) {
  if (!ScalesRows(config)) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("a gated product in {} with results in {}: integers, with float sums",
                            GemmTypeName(config.type), GemmOutputName(config.output)));
  }
  if (!FitsGated(shape)) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a gated product of {} and {} inputs, {} neurons and {} results: at "
                            "most {} of the first two together and of the third, and {}",
                            shape.gate_k, shape.up_k, shape.neurons, shape.n, kMostGatedSum,
                            kMostGemmColumns));
  }
  GatedPlan plan;
  plan.shape = shape;
  plan.gate_steps = StepsOf(shape.gate_k);
  plan.up_steps = plan.shared() ? plan.gate_steps : StepsOf(shape.up_k);
  const int64_t steps = plan.gate_steps + (plan.shared() ? 0 : plan.up_steps);
  plan.a = PlanGemm(config, {shape.m, steps * kTileKI8, 1});
  const int64_t columns = config.device.columns;
  plan.halves = GatedHalves(config.device, shape.neurons);
  plan.tiles = CeilDivide(shape.neurons, columns * plan.tile_neurons());
  const int64_t tiles = CeilDivide(shape.neurons, plan.tile_neurons());
  plan.down = PlanGemm(config, {shape.m, tiles * kGatedColumns, shape.n});
  plan.b_bytes =
      columns * plan.tiles * plan.halves * (plan.gate_steps + plan.up_steps) * TileBBytes(config);
  plan.c_bytes = plan.a.m_blocks * plan.tiles * columns * kCoreRows * TileCBytes(config);
  // Where there are few rows, there is one block of them.
  const RoomTiles h = RoomsOfH(plan);
  plan.h_bytes = h.header_word * 4 + h.HeaderBytes();
  return plan;
}

void RequireNorm(const GatedPlan& plan, const NormPlan& norm) {
  if (!plan.shared() || plan.gate_steps != norm.tiles || plan.shape.m != norm.shape.m) {
    throw Error(ErrorKind::kInternal, "a gated product of others than what the norm makes");
  }
}

Sequence GatedSequence(const GatedPlan& plan) {
  ShimTransfers transfers = GatedTransfers(plan);
  transfers.bytes[0] = plan.a.a_bytes;
  transfers.a = [&plan](int row, int64_t block) { return PackedA(plan.a, row, block); };
  return SequenceOf(transfers);
}

Sequence GatedSequence(const GatedPlan& plan, const NormPlan& norm) {
  RequireNorm(plan, norm);
  ShimTransfers transfers = GatedTransfers(plan);
  transfers.bytes[0] = norm.x_bytes;
  BringFactors(norm, transfers);
  transfers.chains = [&norm, runs = transfers.a_runs](int row, int64_t /*block*/) {
    return std::vector<Pieces>{SendRooms(norm.x(), row, runs)};
  };
  return SequenceOf(transfers);
}

Sequence GatedDownSequence(const GatedPlan& plan) {
  const int64_t columns = plan.config().device.columns;
  const int64_t block_groups = plan.tiles * columns;
  const auto of_column = [columns](int64_t bytes) {
    return [words = bytes / columns / 4](int column) { return Piece{column * words, words}; };
  };
  ShimTransfers transfers;
  transfers.device = plan.config().device;
  transfers.bytes = {plan.h_bytes, plan.down.b_bytes, plan.down.c_bytes};
  transfers.m_blocks = plan.down.m_blocks;
  transfers.chains = [&plan, block_groups](int row, int64_t block) {
    Pieces pieces = SendRooms(RoomsOfH(plan), row, plan.down.n_blocks);
    for (Piece& piece : pieces.chain) piece.word += block * block_groups * kRoomGroupWords;
    return std::vector<Pieces>{pieces};
  };
  transfers.b = of_column(plan.down.b_bytes);
  transfers.c = of_column(plan.down.c_bytes);
  return SequenceOf(transfers);
}

void PackGatedHeaders(const GatedPlan& plan, std::span<std::byte> h) {
  PackRoomHeaders(RoomsOfH(plan), /*has_factors=*/false, h);
}

GatedPacker::GatedPacker(const GatedPlan& plan, std::span<std::byte> out)
    : ColumnPacker(plan.config(), plan.a.tile, out), plan_(plan) {
  if (out.size() != static_cast<size_t>(plan.b_bytes)) {
    throw Error(ErrorKind::kInternal, "packing: wrong size of a gated product's B");
  }
  std::fill(out.begin(), out.end(), std::byte{});
  std::byte* tile = out.data();
  const int64_t halves = plan.config().device.columns * plan.tiles * plan.halves;
  for (int64_t sum = 0; sum < 2 * halves; ++sum) {
    const bool up = sum % 2 != 0;
    const int64_t half = sum / 2 % plan.halves;
    const int64_t steps = up ? plan.up_steps : plan.gate_steps;
    const uint32_t begins = half == 0 && !up ? kFirstOfSum : kNextSum;
    const uint32_t ends = up ? EndsOfUp(half == 0, half + 1 == plan.halves) : kHoldsGate;
    for (int64_t step = 0; step < steps; ++step) {
      WeightTileHeader header;
      header.flags = StepFlags(begins, ends, step, steps);
      header.scale_part = static_cast<uint32_t>(step < kScaleParts ? step : 0);
      std::memcpy(tile, &header, sizeof header);
      tile += TileBBytes(plan.config());
    }
  }
}

int64_t GatedPacker::TileIndex(int64_t n, int64_t k_step) const {
  const bool up = n >= plan_.padded_neurons();
  const int64_t neuron = up ? n - plan_.padded_neurons() : n;
  const int64_t columns = plan_.config().device.columns;
  const int64_t tile = neuron / plan_.tile_neurons() / columns;
  const int64_t column = neuron / plan_.tile_neurons() % columns;
  const int64_t half = neuron % plan_.tile_neurons() / kTileN;
  return ((column * plan_.tiles + tile) * plan_.halves + half) *
             (plan_.gate_steps + plan_.up_steps) +
         (up ? plan_.gate_steps : 0) + k_step;
}

int64_t GatedPacker::Depth(int64_t n) const {
  return plan_.shared() || n < plan_.padded_neurons() ? plan_.shape.gate_k : plan_.shape.up_k;
}

}  // namespace tandem::npu
