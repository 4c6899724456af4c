// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/gemm/cut_plan.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/ceil_divide.h"
#include "core/error.h"
#include "devices/npu/gemm/rooms.h"
#include "devices/npu/gemm/weight_flags.h"
#include "devices/npu/kernels/gated_tile.h"
#include "devices/npu/kernels/row_tile.h"

namespace tandem::npu {
namespace {

constexpr int64_t kHeaderWords = int64_t{kActivationHeaderBytes} / 4;
constexpr int64_t kBothSumWords = int64_t{kBothSumBytes} / 4;
constexpr int64_t kOwnWord = int64_t{kTileABytes} / 4;  ///< Of a room: its rows' own sums.
// What fills a tile of sums up comes out of one room.
static_assert((kSumsOfTile - 1) * kBothSumWords <= kRoomWords);

/// The first `count` tiles of gates of a block's rows: a column's behind the other's.
Piece GatesOf(const CutPlan& plan, int row, int64_t block, int64_t count) {
  Piece piece = TilesInRooms(row, block * plan.gate_tiles(), count);
  piece.word += plan.front_bytes() / 4;
  return piece;
}

/// What the sums of gates and of up are of, behind `front`; `times` over.
Pieces WithInputs(const CutPlan& plan, int row, int64_t block, const std::vector<Piece>& front,
                  int64_t times) {
  std::vector<Piece> chain = front;
  std::vector<Piece> inputs = {plan.norm ? TilesInRooms(row, 0, plan.norm->tiles)
                                         : PackedA(plan.gated.a, row, block)};
  if (plan.norm) {
    const std::vector<Piece> pieces = ChainOfRooms(plan.norm->x(), row);
    if (front.size() + pieces.size() <= kMostChain) inputs = pieces;
  }
  chain.insert(chain.end(), inputs.begin(), inputs.end());
  return {chain, times};
}

/// Tiles of A that bring the sums of a block's rows: in each a header, and the sums of as many
/// tiles of gates as it has room for; behind the last ones whatever lies there.
std::vector<Pieces> SumPieces(const CutPlan& plan, int row, int64_t block) {
  const int64_t word = GatesOf(plan, row, block, 1).word;
  const Piece header = {word + kOwnWord, kHeaderWords};
  const auto sums = [&](int64_t first, int64_t tiles) {
    Piece piece = {word + first * kRoomGroupWords + kOwnWord + kHeaderWords, kBothSumWords, tiles,
                   kRoomGroupWords};
    piece.step = kSumsOfTile * kRoomGroupWords;
    return piece;
  };
  const int64_t full = plan.gate_tiles() / kSumsOfTile;
  const int64_t left = plan.gate_tiles() % kSumsOfTile;
  std::vector<Pieces> pieces;
  if (full > 0) pieces.push_back({{header, sums(0, kSumsOfTile)}, full});
  if (left > 0) {
    const Piece rest = {word, (kSumsOfTile - left) * kBothSumWords};
    pieces.push_back({{header, sums(full * kSumsOfTile, left), rest}, 1});
  }
  return pieces;
}

}  // namespace

CutPlan PlanCut(const GemmConfig& config, const GatedShape& shape, const NormPlan* norm) {
  CutPlan plan;
  plan.gated = PlanGated(config, shape);
  if (norm != nullptr) {
    RequireNorm(plan.gated, *norm);
    plan.norm = *norm;
  }
  if (!plan.gated.shared()) {
    throw Error(ErrorKind::kInvalidArgument, "gates that are cut, and inputs of up's own");
  }
  plan.sum_tiles = CeilDivide(plan.gate_tiles(), kSumsOfTile);
  const int64_t columns = config.device.columns;
  const int64_t weights = plan.halves() * plan.gated.gate_steps;
  plan.gates_b_bytes = columns * weights * TileBBytes(config);
  plan.up_b_bytes = columns * (plan.sum_tiles + weights) * TileBBytes(config);
  plan.gated.b_bytes = 0;
  plan.memory_bytes = plan.front_bytes() +
                      plan.gated.a.m_blocks * plan.gate_tiles() * kCoreRows * TileCBytes(config);
  return plan;
}

Sequence CutGatesSequence(const CutPlan& plan) {
  const int64_t m_blocks = plan.gated.a.m_blocks;
  ShimTransfers transfers;
  transfers.device = plan.config().device;
  transfers.bytes = {plan.memory_bytes, plan.gates_b_bytes, plan.memory_bytes};
  transfers.m_blocks = m_blocks;
  if (plan.norm) BringFactors(*plan.norm, transfers);
  transfers.chains = [&plan](int row, int64_t block) {
    return std::vector<Pieces>{plan.norm ? SendRooms(plan.norm->x(), row, plan.halves())
                                         : WithInputs(plan, row, block, {}, plan.halves())};
  };
  transfers.b = [words = plan.gates_b_bytes / transfers.device.columns / 4](int column) {
    return Piece{column * words, words};
  };
  transfers.c = [&](int column) {
    Piece rooms = RoomsOfColumn(column, plan.config().device.columns, m_blocks * plan.halves());
    rooms.word += plan.front_bytes() / 4;
    return rooms;
  };
  return SequenceOf(transfers);
}

Sequence CutUpSequence(const CutPlan& plan) {
  const GatedPlan& gated = plan.gated;
  const int64_t columns = plan.config().device.columns;
  ShimTransfers transfers;
  transfers.device = plan.config().device;
  transfers.bytes = {plan.memory_bytes, plan.up_b_bytes, gated.h_bytes};
  transfers.m_blocks = gated.a.m_blocks;
  transfers.chains = [&, columns](int row, int64_t block) {
    std::vector<Pieces> pieces = SumPieces(plan, row, block);
    // Of each half the gates of all columns, and what its sums are of.
    Piece gates = GatesOf(plan, row, block, columns);
    gates.step = columns * kRoomGroupWords;
    pieces.push_back(WithInputs(plan, row, block, {gates}, plan.halves()));
    return pieces;
  };
  transfers.b = [words = plan.up_b_bytes / columns / 4](int column) {
    return Piece{column * words, words};
  };
  transfers.c = [&, columns](int column) {
    return RoomsOfColumn(column, columns, gated.a.m_blocks * gated.tiles);
  };
  return SequenceOf(transfers);
}

CutPacker::CutPacker(const CutPlan& plan, std::span<std::byte> out)
    : ColumnPacker(plan.config(), plan.gated.a.tile, out), plan_(plan), first_(0) {
  if (out.size() != static_cast<size_t>(plan.gates_b_bytes)) {
    throw Error(ErrorKind::kInternal, "packing: wrong size of cut gates' B");
  }
  std::fill(out.begin(), out.end(), std::byte{});
  std::byte* tile = out.data();
  const int64_t steps = plan.gated.gate_steps;
  for (int64_t column = 0; column < plan.config().device.columns; ++column) {
    for (int64_t i = 0; i < plan.halves() * steps; ++i, tile += TileBBytes(plan.config())) {
      WeightTileHeader header;
      header.flags = StepFlags(kFirstOfSum, kEndsInRows, i % steps, steps);
      header.scale_part = static_cast<uint32_t>(i % steps < kScaleParts ? i % steps : 0);
      header.leaves = kIsGate | IsForColumn(column);
      std::memcpy(tile, &header, sizeof header);
    }
  }
}

CutPacker::CutPacker(const CutPlan& plan, float deviations, std::span<std::byte> out)
    : ColumnPacker(plan.config(), plan.gated.a.tile, out), plan_(plan), first_(plan.sum_tiles) {
  if (out.size() != static_cast<size_t>(plan.up_b_bytes)) {
    throw Error(ErrorKind::kInternal, "packing: wrong size of a cut product's B");
  }
  std::fill(out.begin(), out.end(), std::byte{});
  std::byte* tile = out.data();
  const int64_t steps = plan.gated.up_steps;
  const int64_t halves = plan.gated.halves;
  for (int64_t column = 0; column < plan.config().device.columns; ++column) {
    for (int64_t i = 0; i < plan.sum_tiles; ++i, tile += TileBBytes(plan.config())) {
      RowSumHeader header;
      header.flags =
          kCuts | (i == 0 ? kFirstRowSums : 0) | (i + 1 == plan.sum_tiles ? kLastRowSums : 0);
      header.tiles = static_cast<uint32_t>(
          std::min<int64_t>(kSumsOfTile, plan.gate_tiles() - i * kSumsOfTile));
      // Those that pad them are nothing, and add nothing.
      header.share = 1 / static_cast<float>(plan.gated.shape.neurons);
      header.addend = deviations;
      std::memcpy(tile, &header, sizeof header);
    }
    for (int64_t i = 0; i < plan.halves() * steps; ++i, tile += TileBBytes(plan.config())) {
      const int64_t half = i / steps % halves;
      WeightTileHeader header;
      // Up's are the only sums of a half of a tile of h.
      header.flags = StepFlags(half == 0 ? kFirstOfSum : kNextSum,
                               EndsOfUp(half == 0, half + 1 == halves), i % steps, steps);
      header.scale_part = static_cast<uint32_t>(i % steps < kScaleParts ? i % steps : 0);
      std::memcpy(tile, &header, sizeof header);
    }
  }
}

int64_t CutPacker::TileIndex(int64_t n, int64_t k_step) const {
  const int64_t columns = plan_.config().device.columns;
  const int64_t of_tile = plan_.gated.tile_neurons();
  const int64_t tile = n / of_tile / columns;
  const int64_t column = n / of_tile % columns;
  const int64_t half = tile * plan_.gated.halves + n % of_tile / kTileN;
  const int64_t steps = plan_.gated.gate_steps;
  return column * (first_ + plan_.halves() * steps) + first_ + half * steps + k_step;
}

int64_t CutPacker::Depth(int64_t /*n*/) const { return plan_.gated.shape.gate_k; }

}  // namespace tandem::npu
