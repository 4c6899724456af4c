// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/emulator/array.h"

#include <fmt/format.h>

#include <span>

#include "core/error.h"
#include "devices/npu/design/model.h"

namespace tandem::npu {
namespace {

using enum RegisterClass;

[[noreturn]] void Refuse(const std::string& problem) {
  throw Error(ErrorKind::kInvalidArgument, problem);
}

/// A lock's value register has six bits, its value seven and a sign.
int SignedLock(uint32_t value) {
  const int low = static_cast<int>(value & 0x7F);
  return low >= 64 ? low - 128 : low;
}

}  // namespace

std::string ChannelName(const DmaChannel& channel) {
  return fmt::format("{} {} {}", TileText(channel.tile), DirectionName(channel.direction),
                     channel.number);
}

Array::Array(const Device& device, HostMemory* host) : device_(device), host_(host) {
  for (int column = 0; column < device.columns; ++column) {
    for (int row = 0; row < kRows; ++row) {
      TileState& state = tiles_.emplace_back();
      state.tile = {column, row};
      const TileKind kind = KindOfRow(row);
      const TileResources& resources = ResourcesOf(kind);
      state.data.resize(resources.data_bytes / 4);
      state.writer.resize(resources.data_bytes / 4);
      state.program.resize(resources.program_bytes / 4);
      state.descriptors.resize(8 * static_cast<size_t>(resources.descriptors));
      state.locks.resize(static_cast<size_t>(resources.locks));
      const auto slaves = static_cast<size_t>(PortCount(kind, PortSide::kSlave));
      state.masters.resize(static_cast<size_t>(PortCount(kind, PortSide::kMaster)));
      state.slaves.resize(slaves);
      state.slots.resize(slaves * kSlotsPerSlave);
      for (const Direction direction : {Direction::kS2mm, Direction::kMm2s}) {
        for (int number = 0; number < resources.channels; ++number) {
          DmaChannel& channel = state.channels[static_cast<int>(direction)].emplace_back();
          channel.tile = state.tile;
          channel.direction = direction;
          channel.number = number;
        }
      }
    }
  }
}

void Array::Write(uint32_t address, uint32_t value) {
  const Tile tile = TileOfAddress(address);
  if (!Contains(device_, tile)) {
    Refuse(fmt::format("0x{:08X}: tile ({},{}) is outside of the partition of {} columns", address,
                       tile.column, tile.row, device_.columns));
  }
  const uint32_t offset = OffsetOfAddress(address);
  const auto reg = FindRegister(device_.generation, KindOf(tile), offset);
  if (!reg) Refuse(fmt::format("{}: no register at 0x{:05X}", TileText(tile), offset));
  if (!reg->writable) Refuse(fmt::format("{}: {} cannot be written", TileText(tile), reg->name));
  TileState& state = At(tile);
  const auto index = static_cast<size_t>(reg->index);
  switch (reg->cls) {
    case kDataMemory: state.data[index / 4] = value; return;
    case kProgramMemory:
      state.program[index / 4] = value;
      state.has_program = true;
      return;
    case kDescriptor:
      CheckNotInUse(state, reg->index);
      state.descriptors[8 * index + static_cast<size_t>(reg->sub)] = value;
      return;
    case kChannelControl: WriteControl(state, state.channels[reg->sub][index], value); return;
    case kChannelQueue: Push(state, state.channels[reg->sub][index], value); return;
    case kLock: WriteLock(state, reg->index, value); return;
    case kLockOverflow: state.overflow[index] &= ~value; return;
    case kLockUnderflow: state.underflow[index] &= ~value; return;
    case kMasterConfig: state.masters[index] = value; return;
    case kSlaveConfig: state.slaves[index] = value; return;
    case kSlaveSlot:
      state.slots[index * kSlotsPerSlave + static_cast<size_t>(reg->sub)] = value;
      return;
    case kCoreControl:
      state.other[offset] = value;
      state.core_enabled = (value & (kCoreEnable | kCoreReset)) == kCoreEnable;
      if (state.core && (value & kCoreReset) != 0) state.core->Restart();
      return;
    default: state.other[offset] = value; return;
  }
}

uint32_t Array::Read(uint32_t address) {
  const Tile tile = TileOfAddress(address);
  if (!Contains(device_, tile)) {
    Refuse(fmt::format("0x{:08X}: tile ({},{}) is outside of the partition of {} columns", address,
                       tile.column, tile.row, device_.columns));
  }
  const uint32_t offset = OffsetOfAddress(address);
  const auto reg = FindRegister(device_.generation, KindOf(tile), offset);
  if (!reg) Refuse(fmt::format("{}: no register at 0x{:05X}", TileText(tile), offset));
  TileState& state = At(tile);
  const auto index = static_cast<size_t>(reg->index);
  switch (reg->cls) {
    case kDataMemory: return state.data[index / 4];
    case kProgramMemory: return state.program[index / 4];
    case kDescriptor: return state.descriptors[8 * index + static_cast<size_t>(reg->sub)];
    case kChannelControl: return state.channels[reg->sub][index].control;
    case kChannelQueue: return 0;  // write-only
    case kChannelStatus: return Status(state.channels[reg->sub][index]);
    case kWriteCount:
      return reg->sub == 0 ? static_cast<uint32_t>(state.channels[0][index].walk.taken()) : 0;
    case kLock: return static_cast<uint32_t>(state.locks[index]) & 0x3F;
    case kLockOverflow: return state.overflow[index];
    case kLockUnderflow: return state.underflow[index];
    case kLockRequest: {
      // A read that acquires or releases; bit 0 says whether it could.
      const size_t lock = index / 0x400;
      const int change = SignedLock(static_cast<uint32_t>(index >> 2 & 0x7F));
      int& held = state.locks[lock];
      if ((index & 0x200) == 0) {
        held += change;
        return 1;
      }
      const bool granted = change >= 0 ? held == change : held >= -change;
      if (granted) held -= change >= 0 ? change : -change;
      return granted ? 1 : 0;
    }
    case kMasterConfig: return state.masters[index];
    case kSlaveConfig: return state.slaves[index];
    case kSlaveSlot: return state.slots[index * kSlotsPerSlave + static_cast<size_t>(reg->sub)];
    case kCoreStatus: {
      const auto control = state.other.find(kCoreControlOffset);
      return control == state.other.end() ? kCoreReset : control->second & 3;
    }
    default: {
      const auto found = state.other.find(offset);
      return found == state.other.end() ? 0 : found->second;
    }
  }
}

void Array::WriteLock(TileState& state, int id, uint32_t value) {
  state.locks[static_cast<size_t>(id)] = static_cast<int>(value & 0x3F);
}

void Array::WriteControl(TileState& state, DmaChannel& channel, uint32_t value) {
  const bool shim = KindOf(state.tile) == TileKind::kShim;
  constexpr uint32_t kCompression = 1U << 4;
  constexpr uint32_t kOutOfOrder = 1U << 3;
  constexpr uint32_t kFinishOnTlast = 3U << 16;
  const bool receives = channel.direction == Direction::kS2mm;
  if ((!shim && (value & kCompression) != 0) ||
      (receives && (value & (kOutOfOrder | kFinishOnTlast)) != 0)) {
    Fail(channel, "compression, out-of-order BDs and finish-on-TLAST are not emulated");
  }
  channel.control = value;
  if (shim || (value & kChannelReset) == 0) return;
  CloseRoute(channel);
  active_.erase(channel.instance);
  channel.queue.clear();
  channel.fifo.clear();
  channel.task.reset();
  channel.overflow = false;
  channel.waits_for.clear();
}

void Array::Push(TileState& state, DmaChannel& channel, uint32_t value) {
  const TileKind kind = KindOf(state.tile);
  DmaTask task;
  task.bd = static_cast<int>(value & (kind == TileKind::kMemory ? 0x3F : 0xF));
  task.runs = static_cast<int>(value >> 16 & 0xFF) + 1;
  task.token = (value & 0x80000000U) != 0;
  if (!ChannelReaches(kind, channel.number, task.bd)) {
    Fail(channel, fmt::format("cannot reach BD {}", task.bd));
  }
  if (kind != TileKind::kShim && (channel.control & kChannelReset) != 0) {
    Fail(channel, fmt::format("BD {} is pushed while the channel is held in reset", task.bd));
  }
  // One runs, the others wait.
  const size_t room = kQueueDepth + (channel.task ? 0 : 1);
  if (channel.queue.size() >= room) {
    channel.overflow = true;
    Fail(channel, fmt::format("BD {} is pushed to a full queue, and lost: at most {} may wait",
                              task.bd, kQueueDepth));
  }
  channel.queue.push_back(task);
}

void Array::CheckNotInUse(const TileState& state, int bd) const {
  for (const auto& channels : state.channels) {
    for (const DmaChannel& channel : channels) {
      // The chains that it still has to walk.
      std::vector<int> starts;
      for (const DmaTask& task : channel.queue) starts.push_back(task.bd);
      if (channel.task) {
        starts.push_back(channel.bd);
        if (channel.runs_left > 1) starts.push_back(channel.task->bd);
      }
      for (int at : starts) {
        for (int steps = 0; steps < 48; ++steps) {
          if (at == bd) {
            Refuse(fmt::format("{}: BD {} is rewritten while {} still needs it",
                               TileText(state.tile), bd, ChannelName(channel)));
          }
          const auto words = std::span(state.descriptors).subspan(8 * static_cast<size_t>(at), 8);
          const Descriptor descriptor = UnpackDescriptor(KindOf(state.tile), words);
          if (descriptor.use_next == 0 ||
              descriptor.next >= ResourcesOf(KindOf(state.tile)).descriptors) {
            break;
          }
          at = static_cast<int>(descriptor.next);
        }
      }
    }
  }
}

uint32_t Array::Status(const DmaChannel& channel) const {
  const bool running = channel.task.has_value();
  uint32_t status = running ? 1 : 0;
  if (running && channel.phase == DmaChannel::Phase::kAcquire) status |= 1U << 2;
  if (running && channel.phase == DmaChannel::Phase::kTransfer) status |= 1U << 4;
  if (running && channel.phase == DmaChannel::Phase::kToken) status |= 1U << 5;
  if (channel.overflow) status |= 1U << 18;
  if (running) status |= 1U << 19;
  status |= static_cast<uint32_t>(channel.queue.size() & 7) << 20;
  return status | static_cast<uint32_t>(channel.bd) << 24;
}

int& Array::Tokens(Tile tile, Direction direction, int channel) {
  return tokens_[{tile, direction, channel}];
}

std::vector<std::string> Array::LeftTokens() const {
  std::vector<std::string> channels;
  for (const auto& [key, tokens] : tokens_) {
    const auto& [tile, direction, channel] = key;
    if (tokens > 0) channels.push_back(ChannelText({tile, direction, channel}));
  }
  return channels;
}

bool Array::Step() {
  bool moved = false;
  for (TileState& state : tiles_) {
    for (auto& channels : state.channels) {
      for (DmaChannel& channel : channels) {
        if (channel.task || !channel.queue.empty()) moved = StepChannel(channel) || moved;
      }
    }
    moved = StepCore(state) || moved;
  }
  return moved;
}

std::vector<std::string> Array::Waiting() const {
  std::vector<std::string> lines;
  for (const TileState& state : tiles_) {
    for (const auto& channels : state.channels) {
      for (const DmaChannel& channel : channels) {
        if (!channel.task) continue;
        const bool locked = channel.phase == DmaChannel::Phase::kAcquire;
        lines.push_back(fmt::format("{}, BD {}: {}", ChannelName(channel), channel.bd,
                                    locked ? LockWait(channel) : channel.waits_for));
      }
    }
    const std::string core = CoreWaits(state);
    if (!core.empty()) lines.push_back(fmt::format("{}: {}", TileText(state.tile), core));
  }
  return lines;
}

}  // namespace tandem::npu
