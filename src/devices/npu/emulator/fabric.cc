// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "devices/npu/emulator/array.h"
#include "devices/npu/isa/ports.h"

namespace tandem::npu {
namespace {

/// More switches than any way through the array has: a circle.
constexpr int kMostSwitches = 256;

}  // namespace

Route Fabric::Trace(Tile tile, Port slave, std::optional<uint32_t> header) {
  header_ = header;
  route_ = {};
  const auto number = PortNumber(KindOf(tile), PortSide::kSlave, slave);
  Follow(tile, *number, header.has_value(), 0);
  if (route_.sinks.empty()) Problem("leads nowhere");
  return std::move(route_);
}

void Fabric::Follow(Tile tile, int slave, bool header_there, int depth) {
  const TileKind kind = KindOf(tile);
  const auto name = [&] {
    return fmt::format("slave {} of {}", PortText(PortOfNumber(kind, PortSide::kSlave, slave)),
                       TileText(tile));
  };
  if (depth > kMostSwitches) return Problem("goes in a circle");
  const TileState& state = array_.At(tile);
  const uint32_t config = state.slaves[static_cast<size_t>(slave)];
  if ((config & 0x80000000U) == 0) return Problem(fmt::format("{} is not enabled", name()));
  const bool packet = (config & 0x40000000U) != 0;
  uint32_t arbiter = 0;
  uint32_t selector = 0;
  if (packet) {
    if (!header_there) return Problem(fmt::format("{} wants packets, and got none", name()));
    const uint32_t id = *header_ & 0x1F;
    bool matched = false;
    for (int slot = 0; slot < kSlotsPerSlave && !matched; ++slot) {
      const uint32_t rule =
          state.slots[static_cast<size_t>(slave) * kSlotsPerSlave + static_cast<size_t>(slot)];
      const uint32_t mask = rule >> 16 & 0x1F;
      if ((rule & 0x100) == 0 || (id & mask) != (rule >> 24 & mask)) continue;
      matched = true;
      arbiter = rule & 7;
      selector = rule >> 4 & 3;
    }
    if (!matched) return Problem(fmt::format("{} has no rule for packets of id {}", name(), id));
  }
  bool any = false;
  for (size_t master = 0; master < state.masters.size(); ++master) {
    const uint32_t word = state.masters[master];
    if ((word & 0x80000000U) == 0 || ((word & 0x40000000U) != 0) != packet) continue;
    const bool takes = packet ? (word & 7) == arbiter && (word >> 3 & (1U << selector)) != 0
                              : (word & 0x7F) == static_cast<uint32_t>(slave);
    if (!takes) continue;
    any = true;
    const bool dropped = packet && (word & 0x80) != 0;
    Leave(tile, static_cast<int>(master), header_there && !dropped, depth);
  }
  if (!any) Problem(fmt::format("no master takes from {}", name()));
}

void Fabric::Leave(Tile tile, int master, bool header_there, int depth) {
  const TileKind kind = KindOf(tile);
  const Port port = PortOfNumber(kind, PortSide::kMaster, master);
  const auto name = [&] { return fmt::format("master {} of {}", PortText(port), TileText(tile)); };
  route_.links.push_back(LinkId(tile, master));
  Tile next = tile;
  PortType enters = PortType::kSouth;
  switch (port.type) {
    case PortType::kDma:
      route_.sinks.push_back({Sink::Kind::kDma, tile, port.index, header_there});
      return;
    case PortType::kTileControl:
      route_.sinks.push_back({Sink::Kind::kControl, tile, 0, header_there});
      return;
    case PortType::kCore:
      route_.sinks.push_back({Sink::Kind::kCore, tile, 0, header_there});
      return;
    case PortType::kFifo:
    case PortType::kTrace: return Problem(fmt::format("{} is not emulated", name()));
    case PortType::kSouth:
      if (kind == TileKind::kShim) {
        if (port.index == 0) {
          route_.sinks.push_back({Sink::Kind::kHost, tile, 0, header_there});
          return;
        }
        for (int channel = 0; channel < 2; ++channel) {
          if (port.index != ShimMasterOfS2mm(channel)) continue;
          const auto demux = array_.At(tile).other.find(kShimDemuxOffset);
          const uint32_t config = demux == array_.At(tile).other.end() ? 0 : demux->second;
          if ((config >> *ShimDemuxBit(port.index) & 3) != 1) {
            return Problem(
                fmt::format("DEMUX_CONFIG of {} does not give {} to the DMA: data would "
                            "be lost",
                            TileText(tile), PortText(port)));
          }
          route_.sinks.push_back({Sink::Kind::kDma, tile, channel, header_there});
          return;
        }
        return Problem(fmt::format("{} leads out of the array", name()));
      }
      --next.row;
      enters = PortType::kNorth;
      break;
    case PortType::kNorth: ++next.row; break;
    case PortType::kWest:
      --next.column;
      enters = PortType::kEast;
      break;
    case PortType::kEast:
      ++next.column;
      enters = PortType::kWest;
      break;
  }
  if (!Contains(array_.device(), next)) {
    return Problem(fmt::format("{} leads out of the partition", name()));
  }
  const auto slave = PortNumber(KindOf(next), PortSide::kSlave, {enters, port.index});
  if (!slave) return Problem(fmt::format("{} ends at a tile without such a port", name()));
  Follow(next, *slave, header_there, depth + 1);
}

}  // namespace tandem::npu
