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

/// Words that a channel moves before others get their turn.
constexpr int64_t kBurst = 64;

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
  if (!granted) return false;
  held -= static_cast<int>(value < 0 ? -value : value);
  return true;
}

std::string Array::LockWait(const DmaChannel& channel) const {
  const Descriptor& d = channel.descriptor;
  Tile tile = channel.tile;
  int64_t id = d.acquire_id;
  if (KindOf(tile) == TileKind::kMemory) {
    tile.column += static_cast<int>(id / 64) - 1;
    id %= 64;
  }
  return "waits for " + LockText(At(tile), static_cast<size_t>(id), d.acquire_value);
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
  int64_t moved = 0;
  while (moved < kBurst && !channel.walk.done()) {
    const int64_t some = channel.direction == Direction::kMm2s ? Send(channel, kBurst - moved)
                                                               : Receive(channel, kBurst - moved);
    if (some == 0) break;
    moved += some;
  }
  if (KindOf(channel.tile) == TileKind::kShim) host_bytes_ += 4 * static_cast<uint64_t>(moved);
  return moved > 0;
}

Array::Words Array::Memory(DmaChannel& channel, int64_t count) {
  const int64_t offset = channel.walk.Peek().offset;
  const int64_t word = channel.descriptor.base + offset;
  const auto outside = [&](const std::string& what) {
    Fail(channel, fmt::format("BD {}, word {}: {}", channel.bd, channel.walk.taken(), what));
  };
  Words words;
  words.step = channel.walk.step();
  // Of `room` words from the first one on, as many as are a step apart.
  const auto cut = [&](int64_t room) {
    words.count = std::min(count, (room - 1) / words.step + 1);
    return words;
  };
  TileState* state = &At(channel.tile);
  switch (KindOf(channel.tile)) {
    case TileKind::kShim: {
      const int64_t address = channel.descriptor.base + 4 * offset;
      const HostMemory::Place place =
          host_->At(static_cast<uint64_t>(address), channel.direction == Direction::kS2mm);
      if (place.word == nullptr)
        outside(fmt::format("0x{:X} is in no buffer of the host", address));
      words.word = place.word;
      words.writer = place.writer;
      return cut(static_cast<int64_t>(place.room));
    }
    case TileKind::kMemory: {
      constexpr int64_t kWords = 0x80000 / 4;
      if (word < 0 || word >= 3 * kWords) {
        outside(fmt::format("word address 0x{:X} is outside of the window", word));
      }
      state = &Neighbour(channel, word / kWords, "its memory");
      const auto index = static_cast<size_t>(word % kWords);
      words.word = &state->data[index];
      words.writer = &state->writer[index];
      return cut(kWords - word % kWords);
    }
    case TileKind::kCore: break;
  }
  if (word < 0 || static_cast<size_t>(word) >= state->data.size()) {
    outside(fmt::format("word address 0x{:X} is outside of the tile's memory", word));
  }
  words.word = &state->data[static_cast<size_t>(word)];
  words.writer = &state->writer[static_cast<size_t>(word)];
  return cut(static_cast<int64_t>(state->data.size()) - word);
}

int64_t Array::Send(DmaChannel& channel, int64_t most) {
  const Descriptor& d = channel.descriptor;
  const bool heads = d.enable_packet != 0 && !channel.header_sent && !channel.in_packet;
  // The first word of a packet says where it goes, whoever made it: it goes alone.
  const bool first = !channel.in_packet;
  int64_t count = first ? 1 : std::min(most, channel.walk.Run());
  uint32_t constant = 0;
  Words words{&constant, nullptr, 0, count};
  if (heads) {
    constant = PacketHeaderWord(
        {static_cast<uint32_t>(d.packet_id), static_cast<uint32_t>(d.packet_type), channel.tile});
  } else if (channel.walk.Peek().padding) {
    const auto& other = At(channel.tile).other;
    const auto pad = other.find(kPadValueOffset + 4 * static_cast<uint32_t>(channel.number));
    if (pad != other.end()) constant = pad->second;
  } else {
    words = Memory(channel, count);
  }
  if (first && !OpenRoute(channel, *words.word)) return 0;
  count = std::min(words.count, RoomOf(*channel.route));
  if (count == 0) {
    channel.waits_for = "waits for those who receive its stream";
    return 0;
  }
  const bool ends = !heads && channel.walk.taken() + count == d.length && d.tlast_suppress == 0;
  for (const Sink& sink : channel.route->sinks) {
    if (first && !sink.keep_header) continue;
    TileState& state = At(sink.tile);
    if (sink.kind == Sink::Kind::kDma) {
      Fifo& fifo = state.channels[0][static_cast<size_t>(sink.channel)].fifo;
      const uint32_t* word = words.word;
      for (int64_t i = 0; i < count; ++i, word += words.step) {
        fifo.push({*word, ends && i + 1 == count});
      }
    } else if (sink.kind == Sink::Kind::kControl) {
      for (int64_t i = 0; i < count; ++i) TakeControl(state, words.word[i * words.step], first);
    }
  }
  channel.in_packet = !ends;
  if (ends) CloseRoute(channel);
  if (heads) {
    channel.header_sent = true;
  } else {
    channel.walk.Advance(count);
  }
  return count;
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

int64_t Array::RoomOf(const Route& route) const {
  int64_t room = kBurst;
  for (const Sink& sink : route.sinks) {
    if (sink.kind == Sink::Kind::kCore) return 0;
    if (sink.kind != Sink::Kind::kDma) continue;
    const Fifo& fifo = At(sink.tile).channels[0][static_cast<size_t>(sink.channel)].fifo;
    room = std::min(room, static_cast<int64_t>(fifo.room()));
  }
  return room;
}

void Array::TakeControl(TileState& state, uint32_t word, bool header) {
  if (header) return;
  if (state.control_left == 0) {
    if ((word >> 22 & 3) != 0) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("{}: control packets that do more than write are not emulated",
                              TileText(state.tile)));
    }
    state.control_offset = word & kOffsetMask;
    state.control_left = static_cast<int>(word >> 20 & 3) + 1;
    return;
  }
  Write(AddressOf(state.tile, state.control_offset), word);
  state.control_offset += 4;
  --state.control_left;
}

int64_t Array::Receive(DmaChannel& channel, int64_t most) {
  if (channel.fifo.empty()) {
    channel.waits_for = "waits for its stream";
    return 0;
  }
  const Words words = Memory(
      channel, std::min({most, channel.walk.Run(), static_cast<int64_t>(channel.fifo.size())}));
  uint32_t harmless = channel.instance;
  for (int64_t i = 0; i < words.count; ++i) {
    uint32_t& writer = words.writer[i * words.step];
    if (writer != harmless && writer != channel.instance) {
      const auto other = active_.find(writer);
      if (other != active_.end()) {
        Fail(channel, fmt::format("BD {}, word {}: overwrites what {} is writing", channel.bd,
                                  channel.walk.taken() + i, ChannelName(*other->second)));
      }
      harmless = writer;
    }
    words.word[i * words.step] = channel.fifo.front().word;
    writer = channel.instance;
    channel.fifo.pop();
  }
  channel.walk.Advance(words.count);
  return words.count;
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
