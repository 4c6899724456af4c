// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The array at the level of its registers: tiles with memories, locks, DMA channels and stream
// switches that move data as the registers say. No notion of time: what can happen happens, in some
// order that locks and streams allow. Cores execute the steps of their design. One thread.
//
// Modelled: BDs with all their dimensions, iteration, padding, chains; queues, repeats, tokens;
// locks with neighbours' windows; circuit and packet switching, multicast, arbitration packet by
// packet; control packets that write. Not modelled, and refused where a program asks for it:
// compression, out-of-order BDs, finish-on-TLAST, switch FIFOs, reads by control packets.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "devices/npu/emulator/host_memory.h"
#include "devices/npu/emulator/tile_state.h"
#include "devices/npu/isa/ports.h"
#include "devices/npu/isa/registers.h"

namespace tandem::npu {

class Array {
 public:
  Array(const Device& device, HostMemory* host);

  const Device& device() const { return device_; }

  /// Registers, by full address. Throw Error kInvalidArgument where there is none, or where a
  /// program may not write: BDs in use, full queues.
  void Write(uint32_t address, uint32_t value);
  uint32_t Read(uint32_t address);

  /// What the core of a tile does once it is enabled.
  void SetProgram(Tile tile, CoreRun run);

  /// Moves what can move, once around. Returns whether anything did. Throws Error kInvalidArgument
  /// for wrong programs, with tile, channel, BD and word.
  bool Step();

  /// Tokens of a channel that nobody has waited for yet.
  int& Tokens(Tile tile, Direction direction, int channel);

  /// What shims have read of the host's memory and written to it so far.
  uint64_t host_bytes() const { return host_bytes_; }

  /// Channels whose tokens nobody has waited for, "shim (0,0) S2MM 0" each.
  std::vector<std::string> LeftTokens() const;

  /// Who waits for what, a line each: channels with work, and enabled cores.
  std::vector<std::string> Waiting() const;

 private:
  friend class Fabric;

  TileState& At(Tile tile) { return tiles_[Index(tile)]; }
  const TileState& At(Tile tile) const { return tiles_[Index(tile)]; }
  static size_t Index(Tile tile) {
    return static_cast<size_t>(tile.column) * kRows + static_cast<size_t>(tile.row);
  }

  void WriteControl(TileState& state, DmaChannel& channel, uint32_t value);
  void Push(TileState& state, DmaChannel& channel, uint32_t value);
  void CheckNotInUse(const TileState& state, int bd) const;
  uint32_t Status(const DmaChannel& channel) const;
  void WriteLock(TileState& state, int id, uint32_t value);

  bool StepCore(TileState& state);
  std::string CoreWaits(const TileState& state) const;
  /// What a lock must be, and is, for one who acquires `value` as descriptors say it.
  static std::string LockText(const TileState& state, size_t lock, int64_t value);
  std::string LockWait(const DmaChannel& channel) const;
  bool StepChannel(DmaChannel& channel);
  void StartBd(DmaChannel& channel, int bd);
  bool TryAcquire(DmaChannel& channel);
  void Release(const DmaChannel& channel);
  bool Transfer(DmaChannel& channel);
  /// Both move at most `most` words, and return how many.
  int64_t Send(DmaChannel& channel, int64_t most);
  int64_t Receive(DmaChannel& channel, int64_t most);
  void FinishBd(DmaChannel& channel);
  bool SendToken(DmaChannel& channel);
  bool OpenRoute(DmaChannel& channel, std::optional<uint32_t> header);
  void CloseRoute(DmaChannel& channel);
  /// Words that all receivers of a route take.
  int64_t RoomOf(const Route& route) const;
  void TakeControl(TileState& state, uint32_t word, bool header);

  /// The next words of a channel, and what their memory says who wrote them last. They lie `step`
  /// apart in one memory; `count` is cut to those that do.
  struct Words {
    uint32_t* word = nullptr;
    uint32_t* writer = nullptr;
    int64_t step = 1;
    int64_t count = 0;
  };
  Words Memory(DmaChannel& channel, int64_t count);
  /// A memory tile's neighbour, a lock of one: throws where it is none.
  TileState& Neighbour(const DmaChannel& channel, int64_t third, std::string_view what);

  [[noreturn]] void Fail(const DmaChannel& channel, const std::string& problem) const;

  Device device_;
  HostMemory* host_;
  std::vector<TileState> tiles_;
  std::map<uint32_t, const DmaChannel*> link_owner_;  ///< Packets on their way.
  std::map<std::tuple<Tile, Direction, int>, int> tokens_;
  std::map<uint32_t, const DmaChannel*> active_;  ///< Executions that write, by number.
  uint32_t instances_ = 0;
  uint64_t host_bytes_ = 0;
};

/// The way from a slave port, for a packet with this header or for a circuit. Reads the registers
/// of switches and multiplexers as they are.
class Fabric {
 public:
  explicit Fabric(const Array& array) : array_(array) {}
  Route Trace(Tile tile, Port slave, std::optional<uint32_t> header);

 private:
  void Follow(Tile tile, int slave, bool header_there, int depth);
  void Leave(Tile tile, int master, bool header_there, int depth);
  void Problem(const std::string& problem) {
    if (route_.problem.empty()) route_.problem = problem;
  }

  const Array& array_;
  std::optional<uint32_t> header_;
  Route route_;
};

/// "memory tile (0,1) S2MM 0".
std::string ChannelName(const DmaChannel& channel);

}  // namespace tandem::npu
