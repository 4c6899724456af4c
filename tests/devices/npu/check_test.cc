// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Designs against the hardware's counts: Tandem's and the compiler's fit, and what is broken in one
// is found.
#include "devices/npu/design/check.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "devices/npu/golden.h"
#include "devices/npu/kernels/attention_tile.h"
#include "devices/npu/small_designs.h"
#include "devices/npu/workbench/design_list.h"
#include "formats/json_file.h"

namespace tandem::npu::test {
namespace {

std::string Joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

TEST(NpuCheck, OwnDesignsFitAndEveryStreamHasTwoEnds) {
  int count = 0;
  for (const NamedDesign& named : AllDesigns()) {
    ++count;
    const Design design = named.make();
    EXPECT_EQ(Joined(CheckLimits(design)), "") << named.name;
    EXPECT_EQ(Joined(CheckRoutes(design)), "") << named.name;
    EXPECT_EQ(design.device, named.device);
  }
  EXPECT_GE(count, 12);
}

// MLIR-AIE's linker script puts constants behind the last buffer of a core's memory.
TEST(NpuCheck, CoresLeaveRoomForConstants) {
  for (const NamedDesign& named : AllDesigns()) {
    const Design design = named.make();
    for (const Buffer& buffer : design.buffers) {
      if (!buffer.tile || KindOf(*buffer.tile) != TileKind::kCore) continue;
      EXPECT_LE(buffer.address + buffer.elements * ElementBytes(buffer.type), 0x10000 - 0x200)
          << named.name << " " << buffer.name;
    }
  }
}

TEST(NpuCheck, TheCompilersDesignsFit) {
  int routed = 0;
  for (const Entry& entry : LoadEntries("designs.jsonl")) {
    const Design design =
        ReadDesign(ParseJson(entry.json->at("design").dump(), "design"), "design");
    EXPECT_EQ(Joined(CheckLimits(design)), "") << entry.id;
    if (CheckRoutes(design).empty()) ++routed;
  }
  // Others test a part alone, without the streams to it.
  EXPECT_GE(routed, 20);
}

TEST(NpuCheck, UseIsWhatTheDesignHas) {
  const Design design = FindDesign("gemm-i8-i32-npu1").make();
  const std::vector<TileUse> uses = UseOf(design);
  ASSERT_EQ(uses.size(), 24U);
  EXPECT_EQ(uses[0].tile, (Tile{0, 0}));
  EXPECT_EQ(uses[0].channels_in, 1);
  EXPECT_EQ(uses[0].channels_out, 2);
  EXPECT_EQ(uses[0].packet_rules, 1);
  EXPECT_EQ(uses[1].descriptors, 2 * 4 + 2 * 4 + 4 * 2 + 8);
  EXPECT_EQ(uses[1].locks, 12);
  // Stack, operands, sums; whose turn it is; then what attention keeps between its tiles.
  EXPECT_EQ(uses[2].bytes,
            0x400 + 2 * (128 + 64 + 2 * 64 * 128) + 64 * 64 * 4 +
                static_cast<int64_t>(sizeof(TileTurn) + kQueryBytes + sizeof(AttentionState) +
                                     kAttentionScoreBytes + kAttentionWeightBytes));
  EXPECT_EQ(uses[2].descriptors, 5);
}

/// A design with one thing broken, and what is said of it.
struct Case {
  const char* name;
  std::function<void(Design&)> breaks;
  const char* text;
};

void ExpectFound(const std::vector<Case>& cases, std::vector<std::string> (*check)(const Design&)) {
  for (const Case& one : cases) {
    Design design = FindDesign("gemm-i8-i32-npu1").make();
    one.breaks(design);
    const std::string found = Joined(check(design));
    EXPECT_NE(found.find(one.text), std::string::npos) << one.name << ": " << found;
  }
}

StreamSwitch& SwitchOf(Design& design, Tile tile) {
  for (StreamSwitch& one : design.switches) {
    if (one.tile == tile) return one;
  }
  throw std::runtime_error("no such switch");
}
TileDma& DmaOf(Design& design, Tile tile) {
  for (TileDma& one : design.dmas) {
    if (one.tile == tile) return one;
  }
  throw std::runtime_error("no such DMA");
}

TEST(NpuCheck, WhatTheHardwareHasNotIsFound) {
  ExpectFound(
      {
          {"columns", [](Design& d) { d.device.columns = 5; }, "5 columns: npu1 has 4"},
          {"tile",
           [](Design& d) {
             d.locks[0].tile = {4, 1};
           },
           "there is no tile (4,1)"},
          {"lock",
           [](Design& d) {
             d.locks.push_back({"x", {0, 2}, 16, 0});
           },
           "has locks 0 to 15"},
          {"value", [](Design& d) { d.locks[0].init = 64; }, "starts at 64"},
          {"twice", [](Design& d) { d.locks.push_back(d.locks[0]); }, "is given twice"},
          {"bytes", [](Design& d) { d.buffers[0].elements = 200000; }, "has 524288 bytes"},
          {"address", [](Design& d) { d.buffers[0].address = -4; }, "at byte -4"},
          {"vectors", [](Design& d) { d.buffers.back().address -= 4; }, "at multiples of 32"},
          {"overlap", [](Design& d) { d.buffers[1].address -= 256; }, "lies in buffer"},
          {"stack",
           [](Design& d) {
             for (Buffer& buffer : d.buffers) {
               if (buffer.name == "b0_0_2") buffer.address = 0x3FC;
             }
           },
           "lies in the stack"},
          {"BD", [](Design& d) { d.dmas[0].transfers[0].bd = 48; }, "has BDs 0 to 47"},
          {"BD twice", [](Design& d) { d.dmas[0].transfers[0].bd = 1; }, "BD 1 is given twice"},
          {"reach", [](Design& d) { d.dmas[0].channels[0].first_bd = 24; }, "out of its reach"},
          {"chain", [](Design& d) { d.dmas[0].transfers[0].next = 23; }, "there is no BD 23"},
          {"channel", [](Design& d) { d.dmas[0].channels[0].channel = 6; }, "has channels 0 to 5"},
          {"started twice", [](Design& d) { d.dmas[0].channels.push_back(d.dmas[0].channels[0]); },
           "is started twice"},
          {"repeat", [](Design& d) { d.dmas[0].channels[0].repeat = 256; }, "256 repeats"},
          {"length",
           [](Design& d) {
             DmaOf(d, {0, 2}).transfers[0].length = 4000;
           },
           "reaches element 3999"},
          {"unknown lock", [](Design& d) { d.dmas[0].transfers[0].acquire->id = 60; },
           "which the design does not have"},
          {"port",
           [](Design& d) {
             SwitchOf(d, {0, 2}).circuits.push_back({{PortType::kSouth, 5}, {PortType::kSouth, 4}});
           },
           "has no master port South 4"},
          {"master twice",
           [](Design& d) {
             SwitchOf(d, {0, 2}).circuits.push_back(SwitchOf(d, {0, 2}).circuits[0]);
           },
           "is given twice"},
          {"circuit and packets",
           [](Design& d) {
             StreamSwitch& one = SwitchOf(d, {0, 0});
             one.rules.push_back({one.circuits[0].slave, 1, 31, 5, 3});
           },
           "is a circuit, and takes packets"},
          {"rules",
           [](Design& d) {
             for (uint32_t i = 0; i < 4; ++i) {
               SwitchOf(d, {0, 0}).rules.push_back({{PortType::kTileControl, 0}, i, 31, 5, 3});
             }
           },
           "more than 4 packet rules"},
          {"arbiter",
           [](Design& d) {
             SwitchOf(d, {0, 0}).masters[0].arbiter = 6;
           },
           "arbiter 6"},
          {"selector",
           [](Design& d) {
             SwitchOf(d, {0, 0}).rules[0].selector = 2;
           },
           "no master takes packets of arbiter 5, selector 2"},
          {"program's lock", [](Design& d) { d.cores[0].program.push_back({AcquireStep{9999}}); },
           "no lock 9999"},
          {"program's buffer",
           [](Design& d) {
             d.cores[0].program.push_back({CallStep{"gemm_i8_npu1", {0}}});
           },
           "is not in its memory"},
          {"two programs", [](Design& d) { d.cores.push_back(d.cores[0]); }, "has two programs"},
          {"core's tile",
           [](Design& d) {
             d.cores[0].tile = {0, 1};
           },
           "has no core"},
      },
      CheckLimits);
}

TEST(NpuCheck, StreamsThatLeadNowhereAreFound) {
  ExpectFound(
      {
          {"out of the array",
           [](Design& d) {
             SwitchOf(d, {0, 5}).circuits.push_back({{PortType::kSouth, 1}, {PortType::kNorth, 0}});
           },
           "leads out of the array"},
          {"no listener",
           [](Design& d) {
             SwitchOf(d, {1, 3}).circuits.push_back({{PortType::kSouth, 1}, {PortType::kWest, 3}});
           },
           "which goes nowhere"},
          {"no speaker",
           [](Design& d) {
             SwitchOf(d, {0, 1}).circuits.erase(SwitchOf(d, {0, 1}).circuits.begin() + 1);
           },
           "which sends nothing"},
          {"multiplexer", [](Design& d) { d.shim_muxes[0].circuits.clear(); },
           "multiplexer that is not set"},
          {"idle multiplexer",
           [](Design& d) {
             SwitchOf(d, {0, 0}).circuits.erase(SwitchOf(d, {0, 0}).circuits.begin());
           },
           "is the DMA's, and goes nowhere"},
          {"no stream",
           [](Design& d) {
             SwitchOf(d, {3, 2}).circuits.clear();
           },
           "gets no stream"},
          {"no channel",
           [](Design& d) {
             DmaOf(d, {2, 4}).channels.pop_back();
           },
           "a channel that does not run"},
          {"circle",
           [](Design& d) {
             SwitchOf(d, {0, 5}).circuits.push_back({{PortType::kEast, 3}, {PortType::kEast, 3}});
             SwitchOf(d, {1, 5}).circuits.push_back({{PortType::kWest, 3}, {PortType::kWest, 3}});
           },
           "gets its own stream again"},
      },
      CheckRoutes);
}

}  // namespace
}  // namespace tandem::npu::test
