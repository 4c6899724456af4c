// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/isa/ports.h"

#include <fmt/format.h>

#include <bit>
#include <span>

namespace tandem::npu {
namespace {

struct Group {
  PortType type;
  int count;
};
using enum PortType;

constexpr Group kShimMasters[] = {{kTileControl, 1}, {kFifo, 1},  {kSouth, 6},
                                  {kWest, 4},        {kNorth, 6}, {kEast, 4}};
constexpr Group kShimSlaves[] = {{kTileControl, 1}, {kFifo, 1}, {kSouth, 8}, {kWest, 4},
                                 {kNorth, 4},       {kEast, 4}, {kTrace, 1}};
constexpr Group kMemoryMasters[] = {{kDma, 6}, {kTileControl, 1}, {kSouth, 4}, {kNorth, 6}};
constexpr Group kMemorySlaves[] = {
    {kDma, 6}, {kTileControl, 1}, {kSouth, 6}, {kNorth, 4}, {kTrace, 1}};
constexpr Group kCoreMasters[] = {{PortType::kCore, 1}, {kDma, 2},  {kTileControl, 1}, {kFifo, 1},
                                  {kSouth, 4},          {kWest, 4}, {kNorth, 6},       {kEast, 4}};
constexpr Group kCoreSlaves[] = {{PortType::kCore, 1}, {kDma, 2},   {kTileControl, 1},
                                 {kFifo, 1},           {kSouth, 6}, {kWest, 4},
                                 {kNorth, 4},          {kEast, 4},  {kTrace, 2}};

std::span<const Group> GroupsOf(TileKind kind, PortSide side) {
  const bool master = side == PortSide::kMaster;
  switch (kind) {
    case TileKind::kShim:
      return master ? std::span<const Group>(kShimMasters) : std::span<const Group>(kShimSlaves);
    case TileKind::kMemory:
      return master ? std::span<const Group>(kMemoryMasters)
                    : std::span<const Group>(kMemorySlaves);
    case TileKind::kCore: break;
  }
  return master ? std::span<const Group>(kCoreMasters) : std::span<const Group>(kCoreSlaves);
}

constexpr std::string_view kNames[] = {"Core", "DMA",   "TileControl", "FIFO", "South",
                                       "West", "North", "East",        "Trace"};

constexpr uint32_t SwitchBase(TileKind kind) {
  return kind == TileKind::kMemory ? 0xB0000 : 0x3F000;
}

}  // namespace

std::string_view PortTypeName(PortType type) { return kNames[static_cast<size_t>(type)]; }

std::optional<PortType> ParsePortType(std::string_view name) {
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<PortType>(i);
  }
  return std::nullopt;
}

std::string PortText(Port port) {
  return fmt::format("{} {}", PortTypeName(port.type), port.index);
}

int PortCount(TileKind kind, PortSide side) {
  int count = 0;
  for (const Group& group : GroupsOf(kind, side)) count += group.count;
  return count;
}

std::optional<int> PortNumber(TileKind kind, PortSide side, Port port) {
  int first = 0;
  for (const Group& group : GroupsOf(kind, side)) {
    if (group.type == port.type) {
      if (port.index < 0 || port.index >= group.count) return std::nullopt;
      return first + port.index;
    }
    first += group.count;
  }
  return std::nullopt;
}

Port PortOfNumber(TileKind kind, PortSide side, int number) {
  for (const Group& group : GroupsOf(kind, side)) {
    if (number < group.count) return {group.type, number};
    number -= group.count;
  }
  return {kTrace, number};
}

uint32_t MasterOffset(TileKind kind, int number) {
  return SwitchBase(kind) + 4 * static_cast<uint32_t>(number);
}
uint32_t SlaveOffset(TileKind kind, int number) {
  return SwitchBase(kind) + 0x100 + 4 * static_cast<uint32_t>(number);
}
uint32_t SlotOffset(TileKind kind, int slave, int slot) {
  return SwitchBase(kind) + 0x200 + 0x10 * static_cast<uint32_t>(slave) +
         4 * static_cast<uint32_t>(slot);
}

std::optional<int> ShimMuxBit(int south_slave) {
  switch (south_slave) {
    case 2: return 8;
    case 3: return 10;
    case 6: return 12;
    case 7: return 14;
    default: return std::nullopt;
  }
}

std::optional<int> ShimDemuxBit(int south_master) {
  if (south_master < 2 || south_master > 5) return std::nullopt;
  return 4 + 2 * (south_master - 2);
}

uint32_t PacketHeaderWord(const PacketHeader& header) {
  const uint32_t word = (header.id & 0x1F) | (header.type & 7) << 12 |
                        (static_cast<uint32_t>(header.source.row) & 0x1F) << 16 |
                        (static_cast<uint32_t>(header.source.column) & 0x7F) << 21;
  return word | (std::popcount(word) % 2 == 0 ? 0x80000000U : 0);
}

PacketHeader ParsePacketHeader(uint32_t word) {
  return {word & 0x1F,
          word >> 12 & 7,
          {static_cast<int>(word >> 21 & 0x7F), static_cast<int>(word >> 16 & 0x1F)}};
}

bool PacketParityHolds(uint32_t word) { return std::popcount(word) % 2 == 1; }

}  // namespace tandem::npu
