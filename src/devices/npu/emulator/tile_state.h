// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the registers and memories of one tile hold. Internal to the emulator.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "devices/npu/emulator/address_walk.h"
#include "devices/npu/emulator/core_run.h"
#include "devices/npu/isa/descriptor.h"
#include "devices/npu/isa/tile.h"

namespace tandem::npu {

/// A word on a stream.
struct Beat {
  uint32_t word = 0;
  bool last = false;
};

/// Words that wait in front of an S2MM channel: switches and their FIFOs, roughly. Programs that
/// need more or less than a few are wrong anyway.
class Fifo {
 public:
  static constexpr size_t kWords = 32;
  size_t size() const { return size_; }
  size_t room() const { return kWords - size_; }
  bool empty() const { return size_ == 0; }
  void clear() { size_ = 0; }
  void push(const Beat& beat) { beats_[(first_ + size_++) % kWords] = beat; }
  const Beat& front() const { return beats_[first_]; }
  void pop() {
    first_ = (first_ + 1) % kWords;
    --size_;
  }

 private:
  std::array<Beat, kWords> beats_;
  size_t first_ = 0;
  size_t size_ = 0;
};

/// A push to a channel's queue.
struct DmaTask {
  int bd = 0;
  int runs = 1;
  bool token = false;
};

/// Where a stream leads from a slave port of a switch.
struct Sink {
  enum class Kind : uint8_t {
    kDma,
    kControl,  ///< Control packets, which write registers.
    kCore,
    kHost,  ///< The firmware, which counts tokens.
  };
  Kind kind = Kind::kDma;
  Tile tile;
  int channel = 0;
  bool keep_header = true;
};
struct Route {
  std::vector<Sink> sinks;
  std::vector<uint32_t> links;  ///< Master ports on the way, LinkId().
  std::string problem;          ///< Why it leads nowhere; empty when it does not.
};
/// A switch's master port as a number.
inline uint32_t LinkId(Tile tile, int master) {
  return static_cast<uint32_t>((tile.column * kRows + tile.row) * 32 + master);
}

struct DmaChannel {
  Tile tile;
  Direction direction = Direction::kS2mm;
  int number = 0;

  uint32_t control = 0;
  bool overflow = false;
  std::deque<DmaTask> queue;

  // The task that runs, and the BD that it is at.
  std::optional<DmaTask> task;
  int runs_left = 0;
  int bd = 0;
  enum class Phase : uint8_t {
    kAcquire,
    kTransfer,
    kToken
  };
  Phase phase = Phase::kAcquire;
  Descriptor descriptor;
  AddressWalk walk;
  uint32_t instance = 0;  ///< Number of this execution of a BD.

  // MM2S: the packet that is on its way.
  bool header_sent = false;
  bool in_packet = false;
  std::optional<Route> route;

  // S2MM: what has arrived.
  Fifo fifo;

  std::string waits_for;  ///< For the report.
};

struct TileState {
  Tile tile;
  std::vector<uint32_t> data;
  std::vector<uint32_t> writer;  ///< The execution that last wrote a word of data, or 0.
  std::vector<uint32_t> program;
  bool has_program = false;
  std::vector<uint32_t> descriptors;  ///< 8 words each.
  std::vector<int> locks;
  std::vector<uint32_t> masters;
  std::vector<uint32_t> slaves;
  std::vector<uint32_t> slots;          ///< 4 for each slave.
  std::map<uint32_t, uint32_t> other;   ///< Registers by offset.
  std::vector<DmaChannel> channels[2];  ///< By direction.
  uint32_t overflow[2] = {0, 0};        ///< Lock latches, 32 locks each.
  uint32_t underflow[2] = {0, 0};

  bool core_enabled = false;
  std::optional<CoreRun> core;

  // A control packet that is arriving: 0 header next, 1 control word next, 2 data.
  int control_state = 0;
  uint32_t control_offset = 0;
  int control_left = 0;
};

}  // namespace tandem::npu
