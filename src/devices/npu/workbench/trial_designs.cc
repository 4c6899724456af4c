// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/workbench/trial_designs.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "devices/npu/isa/registers.h"
#include "devices/npu/kernels/gemm_tile.h"

namespace tandem::npu {
namespace {

constexpr int kCopyDepth = 4;

constexpr Port Dma(int channel) { return {PortType::kDma, channel}; }
constexpr Port South(int lane) { return {PortType::kSouth, lane}; }
constexpr Port North(int lane) { return {PortType::kNorth, lane}; }

size_t AddBuffer(Design& design, Tile tile, const std::string& name, int64_t address,
                 int64_t bytes) {
  design.buffers.push_back({fmt::format("{}_{}_{}", name, tile.column, tile.row),
                            tile,
                            address,
                            ElementType::kI32,
                            bytes / 4,
                            {}});
  return design.buffers.size() - 1;
}

/// Locks `id` (how many are free) and `id` + 1 (how many are full); the first's index.
size_t AddLocks(Design& design, Tile tile, const std::string& name, int id, int free) {
  const auto full_name = fmt::format("{}_{}_{}", name, tile.column, tile.row);
  design.locks.push_back({full_name + "_free", tile, id, free});
  design.locks.push_back({full_name + "_full", tile, id + 1, 0});
  return design.locks.size() - 2;
}

/// A channel that goes round buffers, BDs from `bd` on, with locks `lock` and `lock` + 1.
void AddRing(const Design& design, TileDma& dma, Direction direction, int channel, int bd,
             const std::vector<size_t>& buffers, int lock) {
  const bool fills = direction == Direction::kS2mm;
  for (size_t i = 0; i < buffers.size(); ++i) {
    Transfer transfer;
    transfer.buffer = buffers[i];
    transfer.length = design.buffers[buffers[i]].elements;
    transfer.acquire = LockAcquire{dma.tile, lock + (fills ? 0 : 1), 1, true};
    transfer.release = LockRelease{dma.tile, lock + (fills ? 1 : 0), 1};
    transfer.bd = bd + static_cast<int>(i);
    transfer.next = bd + static_cast<int>((i + 1) % buffers.size());
    dma.transfers.push_back(std::move(transfer));
  }
  dma.channels.push_back({direction, channel, 0, bd, {}});
}

/// A shim with `inputs` channels to lanes 0 and up, and one from lane 0.
void AddShim(Design& design, int column, int inputs) {
  const Tile shim{column, 0};
  StreamSwitch one{shim, {}, {}, {}};
  ShimMux mux{shim, {}};
  for (int i = 0; i < inputs; ++i) {
    one.circuits.push_back({South(ShimSlaveOfMm2s(i)), North(i)});
    mux.circuits.push_back({Dma(i), North(ShimSlaveOfMm2s(i))});
  }
  one.circuits.push_back({North(0), South(ShimMasterOfS2mm(0))});
  mux.circuits.push_back({North(ShimMasterOfS2mm(0)), Dma(0)});
  // Tokens go to the firmware.
  one.masters.push_back({South(0), 5, 1U << 3, true});
  one.rules.push_back({{PortType::kTileControl, 0}, kShimController, 31, 5, 3});
  design.switches.push_back(std::move(one));
  design.shim_muxes.push_back(std::move(mux));
}

/// A linear transfer of a shim.
CopyStep Transfer1(const Channel& channel, int bd, size_t argument, int64_t word, int64_t words) {
  CopyStep copy;
  copy.channel = channel;
  copy.transfer.buffer = argument;
  copy.transfer.offset = word;
  copy.transfer.length = words;
  copy.transfer.sizes = {1, 1, 1, words};
  copy.transfer.strides = {0, 0, 0, 1};
  copy.transfer.bd = bd;
  return copy;
}

}  // namespace

std::string CopyDesignName(const Device& device) { return "copy-" + DeviceName(device); }

Design MakeCopyDesign(const Device& device) {
  Design design;
  design.device = device;
  for (int column = 0; column < device.columns; ++column) {
    AddShim(design, column, 1);
    const Tile tile{column, 1};
    std::vector<size_t> buffers;
    buffers.reserve(kCopyDepth);
    for (int i = 0; i < kCopyDepth; ++i) {
      buffers.push_back(AddBuffer(design, tile, fmt::format("block{}", i), 4 * kCopyBlockWords * i,
                                  4 * kCopyBlockWords));
    }
    AddLocks(design, tile, "block", 0, kCopyDepth);
    TileDma dma{tile, {}, {}};
    AddRing(design, dma, Direction::kS2mm, 0, 0, buffers, 0);
    AddRing(design, dma, Direction::kMm2s, 0, kCopyDepth, buffers, 0);
    design.dmas.push_back(std::move(dma));
    design.switches.push_back({tile, {{South(0), Dma(0)}, {Dma(0), South(0)}}, {}, {}});
  }
  return design;
}

Sequence CopySequence(const Device& device, int64_t blocks) {
  const int64_t words = blocks * kCopyBlockWords;
  Sequence sequence;
  sequence.device = device;
  sequence.arguments.assign(2, {ElementType::kI32, device.columns * words});
  for (int column = 0; column < device.columns; ++column) {
    const Tile shim{column, 0};
    sequence.controller_ids[shim] = kShimController;
    sequence.steps.emplace_back(
        Transfer1({shim, Direction::kS2mm, 0}, 0, 1, column * words, words));
    sequence.steps.emplace_back(
        Transfer1({shim, Direction::kMm2s, 0}, 1, 0, column * words, words));
  }
  for (int column = 0; column < device.columns; ++column) {
    sequence.steps.emplace_back(WaitStep{{{column, 0}, Direction::kS2mm, 0}});
  }
  return sequence;
}

std::string OneCoreDesignName(const Device& device) { return "one-core-" + DeviceName(device); }

Design MakeOneCoreDesign(const Device& device) {
  constexpr Tile kTile{0, 2};
  Design design;
  design.device = device;
  AddShim(design, 0, 2);
  design.switches.push_back(
      {{0, 1}, {{South(0), North(0)}, {South(1), North(1)}, {North(0), South(0)}}, {}, {}});
  const size_t a = AddBuffer(design, kTile, "a", 0x4000, int64_t{kTileABytes});
  const size_t b = AddBuffer(design, kTile, "b", 0x8000, int64_t{kTileBBytes});
  const size_t turn = AddBuffer(design, kTile, "turn", 0x400, int64_t{sizeof(TileTurn)});
  const size_t sums = AddBuffer(design, kTile, "sums", 0xB000, int64_t{kTileSumBytes});
  const size_t a_locks = AddLocks(design, kTile, "a", 0, 1);
  const size_t b_locks = AddLocks(design, kTile, "b", 2, 1);
  const size_t c_locks = AddLocks(design, kTile, "c", 4, 1);
  TileDma dma{kTile, {}, {}};
  AddRing(design, dma, Direction::kS2mm, 0, 0, {a}, 0);
  AddRing(design, dma, Direction::kS2mm, 1, 1, {b}, 2);
  AddRing(design, dma, Direction::kMm2s, 0, 2, {sums}, 4);
  design.dmas.push_back(std::move(dma));
  design.switches.push_back(
      {kTile, {{South(0), Dma(0)}, {South(1), Dma(1)}, {Dma(0), South(0)}}, {}, {}});
  LoopStep forever;
  const auto add = [](std::vector<CoreStep>& to, auto step) {
    to.emplace_back().step = std::move(step);
  };
  for (const size_t lock : {a_locks + 1, b_locks + 1, c_locks}) {
    add(forever.body, AcquireStep{lock});
  }
  // One tile of B, whose turn it always is.
  add(forever.body, CallStep{"next_b", {b, b, turn}});
  add(forever.body, CallStep{fmt::format("gemm_i8_{}", GenerationName(device.generation)),
                             {a, b, b, turn, sums}});
  for (const size_t lock : {c_locks + 1, a_locks, b_locks}) {
    add(forever.body, ReleaseStep{lock});
  }
  Core core{kTile, {}, {}};
  add(core.program, forever);
  design.cores.push_back(std::move(core));
  return design;
}

Sequence OneCoreSequence(const Device& device, int64_t tiles) {
  constexpr Tile kShim{0, 0};
  const int64_t words[] = {tiles * int64_t{kTileABytes} / 4, tiles * int64_t{kTileBBytes} / 4,
                           tiles * int64_t{kTileSumBytes} / 4};
  Sequence sequence;
  sequence.device = device;
  for (const int64_t one : words) sequence.arguments.push_back({ElementType::kI32, one});
  sequence.controller_ids[kShim] = kShimController;
  sequence.steps = {Transfer1({kShim, Direction::kS2mm, 0}, 0, 2, 0, words[2]),
                    Transfer1({kShim, Direction::kMm2s, 0}, 1, 0, 0, words[0]),
                    Transfer1({kShim, Direction::kMm2s, 1}, 2, 1, 0, words[1]),
                    WaitStep{{kShim, Direction::kS2mm, 0}}};
  return sequence;
}

}  // namespace tandem::npu
