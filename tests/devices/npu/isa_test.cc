// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Packers, ports and the register map against what AMD's register reference says, written here a
// second time as masks.
#include <gtest/gtest.h>

#include <bit>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "devices/npu/isa/descriptor.h"
#include "devices/npu/isa/ports.h"
#include "devices/npu/isa/registers.h"

namespace tandem::npu::test {
namespace {

using D = Descriptor;
using enum TileKind;

struct Place {
  int64_t Descriptor::*member;
  int word;
  uint32_t mask;
  int drop = 0;  // Low bits of the value that live elsewhere, or nowhere.
};

const std::vector<Place>& PlacesOf(TileKind kind) {
  static const std::vector<Place> shim = {
      {&D::length, 0, 0xFFFFFFFF},         {&D::base, 1, 0xFFFFFFFC, 2},
      {&D::enable_packet, 2, 0x40000000},  {&D::out_of_order_id, 2, 0x3F000000},
      {&D::packet_id, 2, 0x00F80000},      {&D::packet_type, 2, 0x00070000},
      {&D::base, 2, 0x0000FFFF, 32},       {&D::secure, 3, 0x40000000},
      {&D::d0_wrap, 3, 0x3FF00000},        {&D::d0_step, 3, 0x000FFFFF},
      {&D::burst, 4, 0xC0000000},          {&D::d1_wrap, 4, 0x3FF00000},
      {&D::d1_step, 4, 0x000FFFFF},        {&D::smid, 5, 0xF0000000},
      {&D::axcache, 5, 0x0F000000},        {&D::axqos, 5, 0x00F00000},
      {&D::d2_step, 5, 0x000FFFFF},        {&D::iteration_current, 6, 0xFC000000},
      {&D::iteration_wrap, 6, 0x03F00000}, {&D::iteration_step, 6, 0x000FFFFF},
      {&D::tlast_suppress, 7, 0x80000000}, {&D::next, 7, 0x78000000},
      {&D::use_next, 7, 0x04000000},       {&D::valid, 7, 0x02000000},
      {&D::release_value, 7, 0x01FC0000},  {&D::release_id, 7, 0x0001E000},
      {&D::acquire_enable, 7, 0x00001000}, {&D::acquire_value, 7, 0x00000FE0},
      {&D::acquire_id, 7, 0x0000000F}};
  static const std::vector<Place> memory = {
      {&D::enable_packet, 0, 0x80000000},  {&D::packet_type, 0, 0x70000000},
      {&D::packet_id, 0, 0x0F800000},      {&D::out_of_order_id, 0, 0x007E0000},
      {&D::length, 0, 0x0001FFFF},         {&D::d0_before, 1, 0xFC000000},
      {&D::next, 1, 0x03F00000},           {&D::use_next, 1, 0x00080000},
      {&D::base, 1, 0x0007FFFF},           {&D::tlast_suppress, 2, 0x80000000},
      {&D::d0_wrap, 2, 0x07FE0000},        {&D::d0_step, 2, 0x0001FFFF},
      {&D::d1_before, 3, 0xF8000000},      {&D::d1_wrap, 3, 0x07FE0000},
      {&D::d1_step, 3, 0x0001FFFF},        {&D::enable_compression, 4, 0x80000000},
      {&D::d2_before, 4, 0x78000000},      {&D::d2_wrap, 4, 0x07FE0000},
      {&D::d2_step, 4, 0x0001FFFF},        {&D::d2_after, 5, 0xF0000000},
      {&D::d1_after, 5, 0x0F800000},       {&D::d0_after, 5, 0x007E0000},
      {&D::d3_step, 5, 0x0001FFFF},        {&D::iteration_current, 6, 0x1F800000},
      {&D::iteration_wrap, 6, 0x007E0000}, {&D::iteration_step, 6, 0x0001FFFF},
      {&D::valid, 7, 0x80000000},          {&D::release_value, 7, 0x7F000000},
      {&D::release_id, 7, 0x00FF0000},     {&D::acquire_enable, 7, 0x00008000},
      {&D::acquire_value, 7, 0x00007F00},  {&D::acquire_id, 7, 0x000000FF}};
  static const std::vector<Place> core = {{&D::base, 0, 0x0FFFC000},
                                          {&D::length, 0, 0x00003FFF},
                                          {&D::enable_compression, 1, 0x80000000},
                                          {&D::enable_packet, 1, 0x40000000},
                                          {&D::out_of_order_id, 1, 0x3F000000},
                                          {&D::packet_id, 1, 0x00F80000},
                                          {&D::packet_type, 1, 0x00070000},
                                          {&D::d1_step, 2, 0x03FFE000},
                                          {&D::d0_step, 2, 0x00001FFF},
                                          {&D::d1_wrap, 3, 0x1FE00000},
                                          {&D::d0_wrap, 3, 0x001FE000},
                                          {&D::d2_step, 3, 0x00001FFF},
                                          {&D::iteration_current, 4, 0x01F80000},
                                          {&D::iteration_wrap, 4, 0x0007E000},
                                          {&D::iteration_step, 4, 0x00001FFF},
                                          {&D::tlast_suppress, 5, 0x80000000},
                                          {&D::next, 5, 0x78000000},
                                          {&D::use_next, 5, 0x04000000},
                                          {&D::valid, 5, 0x02000000},
                                          {&D::release_value, 5, 0x01FC0000},
                                          {&D::release_id, 5, 0x0001E000},
                                          {&D::acquire_enable, 5, 0x00001000},
                                          {&D::acquire_value, 5, 0x00000FE0},
                                          {&D::acquire_id, 5, 0x0000000F}};
  return kind == kShim ? shim : kind == kMemory ? memory : core;
}

bool IsSigned(int64_t Descriptor::*member) {
  return member == &D::acquire_value || member == &D::release_value;
}

TEST(NpuDescriptor, RandomFieldsLandUnderTheirMasks) {
  std::mt19937 random(7);
  for (const TileKind kind : {kShim, kMemory, kCore}) {
    for (int round = 0; round < 2000; ++round) {
      Descriptor bd;
      std::vector<uint32_t> want(kind == kCore ? 6 : 8);
      for (const Place& place : PlacesOf(kind)) {
        const int bits = std::popcount(place.mask);
        auto value = static_cast<int64_t>(random() & ((uint64_t{1} << bits) - 1));
        if (random() % 4 == 0) value = 0;
        if (random() % 8 == 0) value = (int64_t{1} << bits) - 1;
        want[static_cast<size_t>(place.word)] |= static_cast<uint32_t>(value)
                                                 << std::countr_zero(place.mask);
        if (IsSigned(place.member) && value >= int64_t{1} << (bits - 1))
          value -= int64_t{1} << bits;
        bd.*place.member += value * (int64_t{1} << place.drop);
      }
      ASSERT_EQ(PackDescriptor(kind, bd), want);
      ASSERT_EQ(UnpackDescriptor(kind, want), bd);
    }
  }
}

TEST(NpuDescriptor, EveryFieldRefusesWhatDoesNotFit) {
  for (const TileKind kind : {kShim, kMemory, kCore}) {
    for (const Place& place : PlacesOf(kind)) {
      int bits = 0;
      for (const Place& other : PlacesOf(kind)) {
        if (other.member == place.member) {
          bits = std::max(bits, std::popcount(other.mask) + other.drop);
        }
      }
      const int64_t most = int64_t{1} << (IsSigned(place.member) ? bits - 1 : bits);
      const int64_t least = IsSigned(place.member) ? -most - 1 : -1;
      for (const int64_t value : {most, least}) {
        Descriptor bd;
        bd.*place.member = value;
        EXPECT_THROW(PackDescriptor(kind, bd), Error) << TileKindName(kind) << ' ' << value;
      }
    }
  }
}

TEST(NpuDescriptor, RefusesFieldsThatTheTileDoesNotHave) {
  const std::vector<int64_t Descriptor::*> memory_only = {&D::d2_wrap, &D::d3_step, &D::d0_before,
                                                          &D::d1_after};
  const std::vector<int64_t Descriptor::*> shim_only = {&D::burst, &D::axcache, &D::smid};
  for (auto member : memory_only) {
    Descriptor bd;
    bd.*member = 1;
    EXPECT_THROW(PackDescriptor(kShim, bd), Error);
    EXPECT_THROW(PackDescriptor(kCore, bd), Error);
  }
  for (auto member : shim_only) {
    Descriptor bd;
    bd.*member = 1;
    EXPECT_THROW(PackDescriptor(kMemory, bd), Error);
    EXPECT_THROW(PackDescriptor(kCore, bd), Error);
  }
  Descriptor odd;
  odd.base = 2;  // A shim's address is one of words.
  EXPECT_THROW(PackDescriptor(kShim, odd), Error);
}

// Words that others published for BDs whose fields are known.
TEST(NpuDescriptor, PublishedWords) {
  Descriptor ring;  // Own tile + 0x10000 bytes, 32 x 32; lock 2 >= 1, lock 3 += 1.
  ring.length = 0x400;
  ring.base = (MemoryWindow(0) + 0x10000) / 4;
  ring.d0_wrap = 32;
  ring.d1_wrap = 32;
  ring.d1_step = 31;
  ring.valid = ring.acquire_enable = 1;
  ring.acquire_id = LockWindow(0) + 2;
  ring.acquire_value = -1;
  ring.release_id = LockWindow(0) + 3;
  ring.release_value = 1;
  EXPECT_EQ(PackDescriptor(kMemory, ring),
            (std::vector<uint32_t>{0x400, 0x24000, 0x400000, 0x40001F, 0, 0, 0, 0x8143FF42}));
  Descriptor host;  // 64 x [16, 4] words from byte 32, packet 1.
  host.length = 0x400;
  host.base = 0x20;
  host.enable_packet = host.packet_id = 1;
  host.d0_wrap = 16;
  host.d1_wrap = 16;
  host.d1_step = 7;
  host.burst = 2;
  host.d2_step = 63;
  host.valid = 1;
  EXPECT_EQ(PackDescriptor(kShim, host), (std::vector<uint32_t>{0x400, 0x20, 0x40080000, 0x1000000,
                                                                0x81000007, 0x3F, 0, 0x2000000}));
}

TEST(NpuDescriptor, ReachOfChannels) {
  for (int channel = 0; channel < 6; ++channel) {
    for (int id = -1; id <= 48; ++id) {
      const bool there = id >= 0 && id < 48;
      EXPECT_EQ(ChannelReaches(kMemory, channel, id), there && (channel % 2 == 0) == (id < 24));
    }
    EXPECT_TRUE(ChannelReaches(kMemory, channel, FirstDescriptorOf(kMemory, channel)));
  }
  EXPECT_TRUE(ChannelReaches(kCore, 1, 0));
  EXPECT_FALSE(ChannelReaches(kShim, 0, 16));
}

TEST(NpuDescriptor, BurstsByGeneration) {
  EXPECT_EQ(BurstCode(Generation::kNpu1, 256), 2);
  EXPECT_EQ(BurstCode(Generation::kNpu2, 512), 3);
  EXPECT_THROW(BurstCode(Generation::kNpu1, 512), Error);
  EXPECT_THROW(BurstCode(Generation::kNpu2, 96), Error);
}

TEST(NpuPorts, NumbersAndPortsAreInverse) {
  const int masters[] = {22, 17, 23};
  const int slaves[] = {23, 18, 25};
  for (const TileKind kind : {kShim, kMemory, kCore}) {
    EXPECT_EQ(PortCount(kind, PortSide::kMaster), masters[static_cast<int>(kind)]);
    EXPECT_EQ(PortCount(kind, PortSide::kSlave), slaves[static_cast<int>(kind)]);
    for (const PortSide side : {PortSide::kSlave, PortSide::kMaster}) {
      for (int number = 0; number < PortCount(kind, side); ++number) {
        EXPECT_EQ(PortNumber(kind, side, PortOfNumber(kind, side, number)), number);
      }
    }
  }
  EXPECT_FALSE(PortNumber(kMemory, PortSide::kMaster, {PortType::kEast, 0}));
  EXPECT_FALSE(PortNumber(kCore, PortSide::kMaster, {PortType::kSouth, 4}));
  EXPECT_EQ(PortNumber(kCore, PortSide::kSlave, {PortType::kSouth, 5}), 10);
}

TEST(NpuPorts, PacketHeadersHaveOddParity) {
  std::mt19937 random(3);
  for (int round = 0; round < 1000; ++round) {
    const PacketHeader header{static_cast<uint32_t>(random() % 32),
                              static_cast<uint32_t>(random() % 8),
                              {static_cast<int>(random() % 8), static_cast<int>(random() % 6)}};
    const uint32_t word = PacketHeaderWord(header);
    EXPECT_TRUE(PacketParityHolds(word));
    EXPECT_FALSE(PacketParityHolds(word ^ 0x10));
    const PacketHeader back = ParsePacketHeader(word);
    EXPECT_EQ(back.id, header.id);
    EXPECT_EQ(back.type, header.type);
    EXPECT_EQ(back.source, header.source);
  }
}

std::string NameAt(Generation generation, TileKind kind, uint32_t offset) {
  const auto reg = FindRegister(generation, kind, offset);
  return reg ? reg->name : "";
}

TEST(NpuRegisters, NamesOfTheReference) {
  struct Row {
    TileKind kind;
    uint32_t offset;
    const char* name;
  };
  const Row rows[] = {
      {kShim, 0x1D000, "DMA_BD0_0"},
      {kShim, 0x1D1FC, "DMA_BD15_7"},
      {kShim, 0x1D204, "DMA_S2MM_0_TASK_QUEUE"},
      {kShim, 0x1D21C, "DMA_MM2S_1_TASK_QUEUE"},
      {kShim, 0x1D22C, "DMA_MM2S_STATUS_1"},
      {kShim, 0x1F004, "DEMUX_CONFIG"},
      {kShim, 0x140F0, "LOCK15_VALUE"},
      {kShim, 0x3F010, "STREAM_SWITCH_MASTER_CONFIG_SOUTH2"},
      {kShim, 0x3F114, "STREAM_SWITCH_SLAVE_CONFIG_SOUTH_3"},
      {kShim, 0x3F200, "STREAM_SWITCH_SLAVE_TILE_CTRL_SLOT0"},
      {kShim, 0x3F360, "STREAM_SWITCH_SLAVE_TRACE_SLOT0"},
      {kMemory, 0x7FFFC, "DATAMEMORY"},
      {kMemory, 0xA05FC, "DMA_BD47_7"},
      {kMemory, 0xA062C, "DMA_S2MM_5_START_QUEUE"},
      {kMemory, 0xA0630, "DMA_MM2S_0_CTRL"},
      {kMemory, 0xA0694, "DMA_MM2S_STATUS_5"},
      {kMemory, 0xA06DC, "DMA_S2MM_FOT_COUNT_FIFO_POP_5"},
      {kMemory, 0xC03F0, "LOCK63_VALUE"},
      {kMemory, 0xC0420, "LOCKS_OVERFLOW_0"},
      {kMemory, 0xB001C, "STREAM_SWITCH_MASTER_CONFIG_SOUTH0"},
      {kMemory, 0xB0144, "STREAM_SWITCH_SLAVE_CONFIG_TRACE"},
      {kCore, 0x1D1F4, "DMA_BD15_5"},
      {kCore, 0x1DE14, "DMA_MM2S_0_START_QUEUE"},
      {kCore, 0x1DF1C, "DMA_S2MM_CURRENT_WRITE_COUNT_1"},
      {kCore, 0x1F128, "LOCKS_UNDERFLOW"},
      {kCore, 0x23FFC, "PROGRAM_MEMORY"},
      {kCore, 0x32000, "CORE_CONTROL"},
      {kCore, 0x36060, "ACCUMULATOR_CONTROL"},
      {kCore, 0x3F000, "STREAM_SWITCH_MASTER_CONFIG_AIE_CORE0"},
      {kCore, 0x3F160, "STREAM_SWITCH_SLAVE_CONFIG_MEM_TRACE"},
      {kCore, 0x3F38C, "STREAM_SWITCH_SLAVE_MEM_TRACE_SLOT3"},
  };
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    for (const Row& row : rows) EXPECT_EQ(NameAt(generation, row.kind, row.offset), row.name);
  }
}

TEST(NpuRegisters, GenerationsDifferWhereTheReferenceSays) {
  EXPECT_EQ(NameAt(Generation::kNpu1, kCore, 0x36030), "TILE_CONTROL");
  EXPECT_EQ(NameAt(Generation::kNpu2, kCore, 0x36030), "");
  EXPECT_EQ(NameAt(Generation::kNpu2, kCore, 0x60020), "TILE_CONTROL");
  EXPECT_EQ(NameAt(Generation::kNpu2, kMemory, 0xFFF20), "TILE_CONTROL");
  EXPECT_EQ(NameAt(Generation::kNpu2, kShim, 0xFFF40), "TILE_CONTROL");
  EXPECT_EQ(NameAt(Generation::kNpu1, kMemory, 0xA06E0), "");
  EXPECT_EQ(NameAt(Generation::kNpu2, kMemory, 0xA06EC), "DMA_MM2S_CONSTANT_PAD_VALUE_3");
}

TEST(NpuRegisters, HolesHaveNone) {
  const std::pair<TileKind, uint32_t> holes[] = {
      {kShim, 0},         {kShim, 0x20000},       {kShim, 0x1D240},
      {kMemory, 0x80000}, {kMemory, 0xA0600 + 1}, {kMemory, 0xC0004},
      {kCore, 0x10000},   {kCore, 0x1D018},       {kCore, 0x24004},
      {kCore, 0x1DE20},   {kCore, 0x3F05C},       {kCore, 0xFFFFC},
      {kShim, 0x100000}};
  for (const auto& [kind, offset] : holes) {
    EXPECT_EQ(NameAt(Generation::kNpu1, kind, offset), "") << offset;
    EXPECT_EQ(NameAt(Generation::kNpu2, kind, offset), "") << offset;
  }
}

TEST(NpuTile, AddressesAndDevices) {
  EXPECT_EQ(AddressOf({3, 4}, 0xABC00DEF), 0x06400DEFU);
  EXPECT_EQ(TileOfAddress(0x06400DEF), (Tile{3, 4}));
  EXPECT_EQ(OffsetOfAddress(0x06400DEF), 0xDEFU);
  for (const char* name : {"npu1", "npu1_1col", "npu1_3col", "npu2", "npu2_7col"}) {
    const auto device = ParseDevice(name);
    ASSERT_TRUE(device) << name;
    EXPECT_EQ(DeviceName(*device), name);
  }
  for (const char* name : {"", "npu", "npu3", "npu1_4col", "npu2_8col", "npu2_0col", "npu1_col"}) {
    EXPECT_FALSE(ParseDevice(name)) << name;
  }
}

TEST(NpuQueue, WordsAndLimits) {
  EXPECT_EQ(QueueWord(kShim, 15, 255, true), 0x80FF000FU);
  EXPECT_EQ(QueueWord(kMemory, 47, 0, false), 47U);
  EXPECT_THROW(QueueWord(kShim, 16, 0, false), Error);
  EXPECT_THROW(QueueWord(kMemory, 48, 0, false), Error);
  EXPECT_THROW(QueueWord(kCore, 0, 256, false), Error);
}

}  // namespace
}  // namespace tandem::npu::test
