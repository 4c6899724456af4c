// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Puts a design together of the parts that ours have in common: rings of buffers behind a pair of
// locks, circuits, memory tiles that pass tiles of an operand on and gather the results of a column
// of cores. A value; one thread.
//
// Lanes between tiles: operands go up on lanes 0 and 1, results of core row r come down on lane r.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "devices/npu/design/design.h"

namespace tandem::npu {

constexpr Tile ShimTile(int column) { return {column, 0}; }
constexpr Tile MemoryTile(int column) { return {column, 1}; }
constexpr Tile CoreTile(int column, int core_row) { return {column, core_row + 2}; }
constexpr Port DmaPort(int channel) { return {PortType::kDma, channel}; }
constexpr Port SouthPort(int lane) { return {PortType::kSouth, lane}; }
constexpr Port NorthPort(int lane) { return {PortType::kNorth, lane}; }

/// A step more. Not in place: GCC 12 loses sight of what the variant holds, and warns.
void AddStep(std::vector<CoreStep>& to, CoreStep step);

class DesignBuilder {
 public:
  explicit DesignBuilder(const Device& device) { design_.device = device; }

  const Device& device() const { return design_.device; }
  Design Take() { return std::move(design_); }

  /// Returns the buffer's index. Names get the tile's column and row.
  size_t AddBuffer(Tile tile, const std::string& name, int64_t address, int64_t bytes);
  /// What a buffer begins with when the design is loaded; zeros follow.
  void SetContent(size_t buffer, const std::vector<uint32_t>& words);
  /// Locks `id` (how many are free) and `id` + 1 (how many are full). Returns the first's index.
  size_t AddLocks(Tile tile, const std::string& name, int id, int free);
  void AddCore(Core core) { design_.cores.push_back(std::move(core)); }

  void Connect(Tile tile, Port slave, Port master);
  /// From the shim's MM2S channel to lane `lane` upwards.
  void SendUp(int column, int channel, int lane, ShimMux& mux);
  /// A shim that takes results on lane 0 into S2MM 0 and sends its tokens to the firmware.
  void FinishShim(int column, ShimMux mux);

  /// A channel that goes round buffers from BD `first_bd` on; `locks` is the id of each buffer's
  /// pair: it waits for one of them and gives to the other.
  void AddRing(Tile tile, Direction direction, int channel, int first_bd,
               const std::vector<size_t>& buffers, const std::vector<int>& locks);
  /// The same with one pair of locks for all.
  void AddRing(Tile tile, Direction direction, int channel, int first_bd,
               const std::vector<size_t>& buffers, int lock);

  /// Tiles of an operand that wait in a memory tile.
  static constexpr int kDepth = 4;
  /// Results of a core that wait there.
  static constexpr int kResultDepth = 2;

  /// A memory tile passes an operand on by S2MM and MM2S `channel`, up on `lane`.
  void PassUp(int column, const std::string& name, int channel, int lane, int64_t address,
              int64_t bytes, int lock);
  /// A memory tile takes the results of its four cores by channels 2 to 5 and sends them, core by
  /// core, by channel 2. Locks 4 to 11; buffers from `address` on.
  void GatherResults(int column, int64_t address, int64_t bytes);
  /// The way of a core's results to its memory tile, through the cores below.
  void SendResultsDown(int column, int core_row);

 private:
  TileDma& DmaOf(Tile tile);
  StreamSwitch& SwitchOf(Tile tile);

  Design design_;
};

}  // namespace tandem::npu
