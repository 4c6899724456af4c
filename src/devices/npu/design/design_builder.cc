// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/design/design_builder.h"

#include <fmt/format.h>

#include <utility>

#include "devices/npu/isa/descriptor.h"

namespace tandem::npu {

void AddStep(std::vector<CoreStep>& to, CoreStep step) { to.push_back(std::move(step)); }

size_t DesignBuilder::AddBuffer(Tile tile, const std::string& name, int64_t address,
                                int64_t bytes) {
  design_.buffers.push_back({fmt::format("{}_{}_{}", name, tile.column, tile.row),
                             tile,
                             address,
                             ElementType::kI32,
                             bytes / 4,
                             {}});
  return design_.buffers.size() - 1;
}

void DesignBuilder::SetContent(size_t buffer, const std::vector<uint32_t>& words) {
  Buffer& named = design_.buffers[buffer];
  named.init.assign(static_cast<size_t>(named.elements * ElementBytes(named.type)), 0);
  for (size_t i = 0; i < 4 * words.size(); ++i) {
    named.init[i] = static_cast<uint8_t>(words[i / 4] >> (i % 4 * 8));
  }
}

size_t DesignBuilder::AddLocks(Tile tile, const std::string& name, int id, int free) {
  const auto full_name = fmt::format("{}_{}_{}", name, tile.column, tile.row);
  design_.locks.push_back({full_name + "_free", tile, id, free});
  design_.locks.push_back({full_name + "_full", tile, id + 1, 0});
  return design_.locks.size() - 2;
}

TileDma& DesignBuilder::DmaOf(Tile tile) {
  if (design_.dmas.empty() || design_.dmas.back().tile != tile) {
    design_.dmas.push_back({tile, {}, {}});
  }
  return design_.dmas.back();
}

StreamSwitch& DesignBuilder::SwitchOf(Tile tile) {
  for (StreamSwitch& one : design_.switches) {
    if (one.tile == tile) return one;
  }
  design_.switches.push_back({tile, {}, {}, {}});
  return design_.switches.back();
}

void DesignBuilder::Connect(Tile tile, Port slave, Port master) {
  SwitchOf(tile).circuits.push_back({slave, master});
}

void DesignBuilder::SendUp(int column, int channel, int lane, ShimMux& mux) {
  const int slave = ShimSlaveOfMm2s(channel);
  Connect(ShimTile(column), SouthPort(slave), NorthPort(lane));
  mux.circuits.push_back({DmaPort(channel), NorthPort(slave)});
}

void DesignBuilder::FinishShim(int column, ShimMux mux) {
  const Tile shim = ShimTile(column);
  const int master = ShimMasterOfS2mm(0);
  Connect(shim, NorthPort(0), SouthPort(master));
  mux.circuits.push_back({NorthPort(master), DmaPort(0)});
  design_.shim_muxes.push_back(std::move(mux));
  // As in MLIR-AIE's designs.
  SwitchOf(shim).masters.push_back({SouthPort(0), 5, 1U << 3, true});
  SwitchOf(shim).rules.push_back({{PortType::kTileControl, 0}, 15, 31, 5, 3});
}

void DesignBuilder::AddRing(Tile tile, Direction direction, int channel, int first_bd,
                            const std::vector<size_t>& buffers, const std::vector<int>& locks) {
  TileDma& dma = DmaOf(tile);
  const bool fills = direction == Direction::kS2mm;
  for (size_t i = 0; i < buffers.size(); ++i) {
    Transfer transfer;
    transfer.buffer = buffers[i];
    transfer.length = design_.buffers[buffers[i]].elements;
    transfer.acquire = LockAcquire{tile, locks[i] + (fills ? 0 : 1), 1, true};
    transfer.release = LockRelease{tile, locks[i] + (fills ? 1 : 0), 1};
    transfer.bd = first_bd + static_cast<int>(i);
    transfer.next = first_bd + static_cast<int>((i + 1) % buffers.size());
    dma.transfers.push_back(transfer);
  }
  dma.channels.push_back({direction, channel, 0, first_bd, {}});
}

void DesignBuilder::AddRing(Tile tile, Direction direction, int channel, int first_bd,
                            const std::vector<size_t>& buffers, int lock) {
  AddRing(tile, direction, channel, first_bd, buffers, std::vector<int>(buffers.size(), lock));
}

void DesignBuilder::PassUp(int column, const std::string& name, int channel, int lane,
                           int64_t address, int64_t bytes, int lock) {
  const Tile tile = MemoryTile(column);
  AddLocks(tile, name, lock, kDepth);
  std::vector<size_t> buffers;
  for (int i = 0; i < kDepth; ++i) {
    // Each at a multiple of 128 bytes.
    const int64_t at = address + i * ((bytes + 127) / 128 * 128);
    buffers.push_back(AddBuffer(tile, name + std::to_string(i), at, bytes));
  }
  const int bd = FirstDescriptorOf(TileKind::kMemory, channel);
  AddRing(tile, Direction::kS2mm, channel, bd, buffers, lock);
  AddRing(tile, Direction::kMm2s, channel, bd + kDepth, buffers, lock);
  Connect(tile, SouthPort(lane), DmaPort(channel));
  Connect(tile, DmaPort(channel), NorthPort(lane));
}

void DesignBuilder::GatherResults(int column, int64_t address, int64_t bytes) {
  const Tile tile = MemoryTile(column);
  std::vector<size_t> all(kResultDepth * kCoreRows);
  std::vector<int> locks(all.size());
  for (int row = 0; row < kCoreRows; ++row) {
    const int channel = 2 + row;
    const int lock = 4 + 2 * row;
    AddLocks(tile, fmt::format("c{}", row), lock, kResultDepth);
    std::vector<size_t> buffers;
    for (int i = 0; i < kResultDepth; ++i) {
      buffers.push_back(AddBuffer(tile, fmt::format("c{}_{}", row, i),
                                  address + (kResultDepth * row + i) * bytes, bytes));
      const size_t place = static_cast<size_t>(i) * kCoreRows + static_cast<size_t>(row);
      all[place] = buffers.back();
      locks[place] = lock;
    }
    const int bd =
        FirstDescriptorOf(TileKind::kMemory, channel) + 2 * kDepth + row / 2 * kResultDepth;
    AddRing(tile, Direction::kS2mm, channel, bd, buffers, lock);
    Connect(tile, NorthPort(row), DmaPort(channel));
  }
  AddRing(tile, Direction::kMm2s, 2, 2 * kDepth + 2 * kResultDepth, all, locks);
  Connect(tile, DmaPort(2), SouthPort(0));
}

void DesignBuilder::SendResultsDown(int column, int core_row) {
  const Tile tile = CoreTile(column, core_row);
  Connect(tile, DmaPort(0), SouthPort(core_row));
  for (int above = core_row + 1; above < kCoreRows; ++above) {
    Connect(tile, NorthPort(above), SouthPort(above));
  }
}

}  // namespace tandem::npu
