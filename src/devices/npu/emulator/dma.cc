// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What DMA channels do, one step at a time.
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "core/error.h"
#include "devices/npu/emulator/array.h"

namespace tandem::npu {
namespace {

/// Words that wait in front of an S2MM channel: switches and their FIFOs, roughly. Programs that
/// need more or less than a few are wrong anyway.
constexpr size_t kFifoWords = 32;
/// Words that a channel moves before others get their turn.
constexpr int kBurst = 64;

}  // namespace

void Array::Fail(const DmaChannel& channel, const std::string& problem) const {
  throw Error(ErrorKind::kInvalidArgument, fmt::format("{}: {}", ChannelName(channel), problem));
}

bool Array::StepChannel(DmaChannel& channel) {
  bool moved = false;
  if (!channel.task) {
    if (channel.queue.empty()) return false;
    channel.task = channel.queue.front();
    channel.queue.pop_front();
    channel.runs_left = channel.task->runs;
    StartBd(channel, channel.task->bd);
    moved = true;
  }
  if (channel.phase == DmaChannel::Phase::kAcquire) {
    if (!TryAcquire(channel)) return moved;
    channel.phase = DmaChannel::Phase::kTransfer;
    channel.instance = ++instances_;
    if (channel.direction == Direction::kS2mm) active_[channel.instance] = &channel;
    moved = true;
  }
  if (channel.phase == DmaChannel::Phase::kTransfer) {
    moved = Transfer(channel) || moved;
    if (!channel.walk.done()) return moved;
    FinishBd(channel);
    moved = true;
  }
  if (channel.task && channel.phase == DmaChannel::Phase::kToken) {
    moved = SendToken(channel) || moved;
  }
  return moved;
}

void Array::StartBd(DmaChannel& channel, int bd) {
  const TileKind kind = KindOf(channel.tile);
  if (!ChannelReaches(kind, channel.number, bd)) {
    Fail(channel, fmt::format("chains to BD {}, which it cannot reach", bd));
  }
  TileState& state = At(channel.tile);
  const auto words = std::span(state.descriptors).subspan(8 * static_cast<size_t>(bd), 8);
  channel.bd = bd;
  channel.descriptor = UnpackDescriptor(kind, words);
  channel.phase = DmaChannel::Phase::kAcquire;
  channel.header_sent = false;
  channel.walk = AddressWalk(channel.descriptor);
  const Descriptor& d = channel.descriptor;
  const auto where = fmt::format("BD {}", bd);
  if (d.valid == 0) Fail(channel, where + " is not valid");
  if (d.length == 0) Fail(channel, where + " has no length");
  if (d.enable_compression != 0) Fail(channel, where + " wants compression, which is not emulated");
  const bool pads = d.d0_before + d.d0_after + d.d1_before + d.d1_after + d.d2_before + d.d2_after;
  if (pads && channel.direction == Direction::kS2mm)
    Fail(channel, where + " pads what it receives");
}

TileState& Array::Neighbour(const DmaChannel& channel, int64_t third, std::string_view what) {
  const Tile tile{channel.tile.column + static_cast<int>(third) - 1, channel.tile.row};
  if (third < 0 || third > 2 || !Contains(device_, tile)) {
    Fail(channel, fmt::format("BD {}, word {}: {} lies in no tile of the partition", channel.bd,
                              channel.walk.taken(), what));
  }
  return At(tile);
}

bool Array::TryAcquire(DmaChannel& channel) {
  const Descriptor& d = channel.descriptor;
  if (d.acquire_enable == 0) return true;
  TileState* state = &At(channel.tile);
  int64_t id = d.acquire_id;
  if (KindOf(channel.tile) == TileKind::kMemory) {
    state = &Neighbour(channel, id / 64, "the lock to acquire");
    id %= 64;
  }
  int& held = state->locks[static_cast<size_t>(id)];
  const int64_t value = d.acquire_value;
  const bool granted = value >= 0 ? held == value : held >= -value;
  if (!granted) {
    channel.waits_for =
        fmt::format("waits for lock {} of {} to be {}{}; it is {}", id, TileText(state->tile),
                    value < 0 ? "at least " : "", value < 0 ? -value : value, held);
    return false;
  }
  held -= static_cast<int>(value < 0 ? -value : value);
  return true;
}

void Array::Release(const DmaChannel& channel) {
  const Descriptor& d = channel.descriptor;
  if (d.release_value == 0) return;
  TileState* state = &At(channel.tile);
  int64_t id = d.release_id;
  if (KindOf(channel.tile) == TileKind::kMemory) {
    state = &Neighbour(channel, id / 64, "the lock to release");
    id %= 64;
  }
  int& held = state->locks[static_cast<size_t>(id)];
  const int64_t next = held + d.release_value;
  if (next > 63 || next < -64) {
    (next > 0 ? state->overflow : state->underflow)[id / 32] |= 1U << id % 32;
    Fail(channel, fmt::format("BD {}: lock {} of {} leaves its range: {} + {}", channel.bd, id,
                              TileText(state->tile), held, d.release_value));
  }
  held = static_cast<int>(next);
}

bool Array::Transfer(DmaChannel& channel) {
  bool moved = false;
  for (int i = 0; i < kBurst && !channel.walk.done(); ++i) {
    const bool one = channel.direction == Direction::kMm2s ? Send(channel) : Receive(channel);
    if (!one) break;
    moved = true;
  }
  return moved;
}

std::pair<uint32_t*, uint32_t*> Array::Memory(DmaChannel& channel, int64_t offset) {
  const int64_t word = channel.descriptor.base + offset;
  const auto outside = [&](const std::string& what) {
    Fail(channel, fmt::format("BD {}, word {}: {}", channel.bd, channel.walk.taken(), what));
  };
  TileState* state = &At(channel.tile);
  switch (KindOf(channel.tile)) {
    case TileKind::kShim: {
      const int64_t address = channel.descriptor.base + 4 * offset;
      uint64_t index = 0;
      uint32_t* const at = host_->Word(static_cast<uint64_t>(address), &index);
      if (at == nullptr) outside(fmt::format("0x{:X} is in no buffer of the host", address));
      return {at, &host_writer_[index]};
    }
    case TileKind::kMemory: {
      constexpr int64_t kWords = 0x80000 / 4;
      if (word < 0 || word >= 3 * kWords) {
        outside(fmt::format("word address 0x{:X} is outside of the window", word));
      }
      state = &Neighbour(channel, word / kWords, "its memory");
      const auto index = static_cast<size_t>(word % kWords);
      return {&state->data[index], &state->writer[index]};
    }
    case TileKind::kCore: break;
  }
  if (word < 0 || static_cast<size_t>(word) >= state->data.size()) {
    outside(fmt::format("word address 0x{:X} is outside of the tile's memory", word));
  }
  return {&state->data[static_cast<size_t>(word)], &state->writer[static_cast<size_t>(word)]};
}

bool Array::Send(DmaChannel& channel) {
  const Descriptor& d = channel.descriptor;
  const AddressWalk::Step step = channel.walk.Peek();
  const bool heads = d.enable_packet != 0 && !channel.header_sent && !channel.in_packet;
  Beat beat;
  if (heads) {
    beat.word = PacketHeaderWord(
        {static_cast<uint32_t>(d.packet_id), static_cast<uint32_t>(d.packet_type), channel.tile});
  } else {
    if (step.padding) {
      const auto pad =
          At(channel.tile).other.find(kPadValueOffset + 4 * static_cast<uint32_t>(channel.number));
      beat.word = pad == At(channel.tile).other.end() ? 0 : pad->second;
    } else {
      beat.word = *Memory(channel, step.offset).first;
    }
    beat.last = channel.walk.taken() + 1 == d.length && d.tlast_suppress == 0;
  }
  // The first word of a packet says where it goes, whoever made it.
  const bool first = !channel.in_packet;
  if (first && !OpenRoute(channel, beat.word)) return false;
  if (!HasRoom(*channel.route)) {
    channel.waits_for = "waits for those who receive its stream";
    return false;
  }
  Deliver(*channel.route, beat, first);
  channel.in_packet = !beat.last;
  if (beat.last) CloseRoute(channel);
  if (heads) {
    channel.header_sent = true;
  } else {
    channel.walk.Advance();
  }
  return true;
}

bool Array::OpenRoute(DmaChannel& channel, std::optional<uint32_t> header) {
  Port slave{PortType::kDma, channel.number};
  if (KindOf(channel.tile) == TileKind::kShim) {
    slave = {PortType::kSouth, ShimSlaveOfMm2s(channel.number)};
    const auto mux = At(channel.tile).other.find(kShimMuxOffset);
    const uint32_t config = mux == At(channel.tile).other.end() ? 0 : mux->second;
    if ((config >> *ShimMuxBit(slave.index) & 3) != 1) {
      channel.waits_for =
          fmt::format("its stream: MUX_CONFIG does not give {} to the DMA", PortText(slave));
      return false;
    }
  }
  Route route = Fabric(*this).Trace(channel.tile, slave, header);
  if (!route.problem.empty()) {
    channel.waits_for = "its stream: " + route.problem;
    return false;
  }
  for (const uint32_t link : route.links) {
    const auto owner = link_owner_.find(link);
    if (owner != link_owner_.end() && owner->second != &channel) {
      channel.waits_for = "waits for the packet of " + ChannelName(*owner->second) + " to end";
      return false;
    }
  }
  for (const uint32_t link : route.links) link_owner_[link] = &channel;
  channel.route = std::move(route);
  return true;
}

void Array::CloseRoute(DmaChannel& channel) {
  if (!channel.route) return;
  for (const uint32_t link : channel.route->links) link_owner_.erase(link);
  channel.route.reset();
  channel.in_packet = false;
}

bool Array::HasRoom(const Route& route) const {
  for (const Sink& sink : route.sinks) {
    if (sink.kind == Sink::Kind::kCore) return false;
    if (sink.kind != Sink::Kind::kDma) continue;
    if (At(sink.tile).channels[0][static_cast<size_t>(sink.channel)].fifo.size() >= kFifoWords) {
      return false;
    }
  }
  return true;
}

void Array::Deliver(const Route& route, Beat beat, bool header) {
  for (const Sink& sink : route.sinks) {
    if (header && !sink.keep_header) continue;
    TileState& state = At(sink.tile);
    if (sink.kind == Sink::Kind::kDma) {
      state.channels[0][static_cast<size_t>(sink.channel)].fifo.push_back(beat);
    } else if (sink.kind == Sink::Kind::kControl) {
      TakeControl(state, beat, header);
    }
  }
}

void Array::TakeControl(TileState& state, Beat beat, bool header) {
  if (header) return;
  if (state.control_left == 0) {
    if ((beat.word >> 22 & 3) != 0) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("{}: control packets that do more than write are not emulated",
                              TileText(state.tile)));
    }
    state.control_offset = beat.word & kOffsetMask;
    state.control_left = static_cast<int>(beat.word >> 20 & 3) + 1;
    return;
  }
  Write(AddressOf(state.tile, state.control_offset), beat.word);
  state.control_offset += 4;
  --state.control_left;
}

bool Array::Receive(DmaChannel& channel) {
  if (channel.fifo.empty()) {
    channel.waits_for = "waits for its stream";
    return false;
  }
  const auto [word, writer] = Memory(channel, channel.walk.Peek().offset);
  const auto other = active_.find(*writer);
  if (other != active_.end() && *writer != channel.instance) {
    Fail(channel, fmt::format("BD {}, word {}: overwrites what {} is writing", channel.bd,
                              channel.walk.taken(), ChannelName(*other->second)));
  }
  *word = channel.fifo.front().word;
  *writer = channel.instance;
  channel.fifo.pop_front();
  channel.walk.Advance();
  return true;
}

void Array::FinishBd(DmaChannel& channel) {
  active_.erase(channel.instance);
  Release(channel);
  const TileKind kind = KindOf(channel.tile);
  Descriptor& d = channel.descriptor;
  if (d.iteration_wrap > 0) {
    // The counter lives in the register.
    d.iteration_current = d.iteration_current >= d.iteration_wrap ? 0 : d.iteration_current + 1;
    const std::vector<uint32_t> words = PackDescriptor(kind, d);
    std::copy(words.begin(), words.end(),
              At(channel.tile).descriptors.begin() + 8 * static_cast<long>(channel.bd));
  }
  if (d.use_next != 0) return StartBd(channel, static_cast<int>(d.next));
  if (--channel.runs_left > 0) return StartBd(channel, channel.task->bd);
  if (channel.task->token) {
    channel.phase = DmaChannel::Phase::kToken;
  } else {
    channel.task.reset();
  }
}

bool Array::SendToken(DmaChannel& channel) {
  const uint32_t id = channel.control >> kControllerIdShift & 0x1F;
  const Route route = Fabric(*this).Trace(channel.tile, {PortType::kTileControl, 0},
                                          PacketHeaderWord({id, 0, channel.tile}));
  bool arrives = route.problem.empty();
  for (const Sink& sink : route.sinks) arrives = arrives && sink.kind == Sink::Kind::kHost;
  if (!arrives) {
    channel.waits_for = "its token: " + (route.problem.empty() ? "leads elsewhere" : route.problem);
    return false;
  }
  ++Tokens(channel.tile, channel.direction, channel.number);
  channel.task.reset();
  return true;
}

}  // namespace tandem::npu
