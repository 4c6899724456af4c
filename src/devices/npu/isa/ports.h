// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The ports of a tile's stream switch, and the words that connect them. Pure functions.
//
// Source: the STREAM_SWITCH registers in aie-rt's xaiemlgbl_params.h (the same in
// xaie2pgbl_params.h), driver/src/stream_switch for what the words mean.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "devices/npu/isa/tile.h"

namespace tandem::npu {

enum class PortType : uint8_t {
  kCore,
  kDma,
  kTileControl,
  kFifo,
  kSouth,
  kWest,
  kNorth,
  kEast,
  kTrace
};

struct Port {
  PortType type = PortType::kDma;
  int index = 0;
  friend bool operator==(const Port&, const Port&) = default;
};

/// Data enters a switch at its slave ports and leaves at its master ports.
enum class PortSide : uint8_t {
  kSlave,
  kMaster
};

/// "Core", "DMA", "TileControl", "FIFO", "South", "West", "North", "East", "Trace".
std::string_view PortTypeName(PortType type);
std::optional<PortType> ParsePortType(std::string_view name);
/// "South 3".
std::string PortText(Port port);

/// Ports of one side of a switch.
int PortCount(TileKind kind, PortSide side);
/// The number of `port` in its switch, in the order of the registers; nothing when there is none.
std::optional<int> PortNumber(TileKind kind, PortSide side, Port port);
/// The inverse: `number` is below PortCount.
Port PortOfNumber(TileKind kind, PortSide side, int number);

/// Packet rules per slave port, arbiters per switch, selectors per arbiter.
inline constexpr int kSlotsPerSlave = 4;
inline constexpr int kArbiters = 6;
inline constexpr int kSelectors = 4;

/// Offsets inside a tile.
uint32_t MasterOffset(TileKind kind, int number);
uint32_t SlaveOffset(TileKind kind, int number);
uint32_t SlotOffset(TileKind kind, int slave, int slot);

/// Circuit switching: this master takes what comes in at one slave.
constexpr uint32_t CircuitMasterWord(int slave) {
  return 0x80000000U | static_cast<uint32_t>(slave);
}
inline constexpr uint32_t kCircuitSlaveWord = 0x80000000U;
/// Packet switching: this master takes the packets of an arbiter whose selector is in the mask.
constexpr uint32_t PacketMasterWord(int arbiter, uint32_t selectors, bool keep_header) {
  return 0xC0000000U | (keep_header ? 0 : 0x80U) | selectors << 3 | static_cast<uint32_t>(arbiter);
}
inline constexpr uint32_t kPacketSlaveWord = 0xC0000000U;
/// A rule of a slave: packets with (id & mask) == (rule's id & mask) go to this arbiter, selector.
constexpr uint32_t SlotWord(uint32_t id, uint32_t mask, int arbiter, int selector) {
  return id << 24 | mask << 16 | 0x100U | static_cast<uint32_t>(selector) << 4 |
         static_cast<uint32_t>(arbiter);
}

/// The shim's DMA channels enter its switch at these South slaves and leave it at these South
/// masters; the multiplexers in front must be set to DMA.
constexpr int ShimSlaveOfMm2s(int channel) { return channel == 0 ? 3 : 7; }
constexpr int ShimMasterOfS2mm(int channel) { return channel == 0 ? 2 : 3; }
/// Two bits of MUX_CONFIG (South slaves 2, 3, 6, 7) and DEMUX_CONFIG (South masters 2 to 5), where
/// 1 means DMA: the first of them, or nothing for other ports.
std::optional<int> ShimMuxBit(int south_slave);
std::optional<int> ShimDemuxBit(int south_master);
inline constexpr uint32_t kShimMuxOffset = 0x1F000;
inline constexpr uint32_t kShimDemuxOffset = 0x1F004;

/// The header in front of a packet: id, type, where it comes from, odd parity over all 32 bits.
struct PacketHeader {
  uint32_t id = 0;
  uint32_t type = 0;
  Tile source;
};
uint32_t PacketHeaderWord(const PacketHeader& header);
PacketHeader ParsePacketHeader(uint32_t word);
/// Whether the parity of a header word is right.
bool PacketParityHolds(uint32_t word);

}  // namespace tandem::npu
