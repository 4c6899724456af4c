// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/small_designs.h"

#include <string>

namespace tandem::npu::test {
namespace {

constexpr Tile kShim{0, 0};
constexpr Tile kMemory{0, 1};

struct Maker {
  Design design;

  explicit Maker(const Device& device) { design.device = device; }

  size_t AddBuffer(Tile tile, int64_t address, int64_t words) {
    design.buffers.push_back(
        {"b" + std::to_string(design.buffers.size()), tile, address, ElementType::kI32, words, {}});
    return design.buffers.size() - 1;
  }
  void AddLock(Tile tile, int id, int64_t init) {
    design.locks.push_back({"l" + std::to_string(design.locks.size()), tile, id, init});
  }
  TileDma& DmaOf(Tile tile) {
    for (TileDma& dma : design.dmas) {
      if (dma.tile == tile) return dma;
    }
    design.dmas.push_back({tile, {}, {}});
    return design.dmas.back();
  }
  /// A BD that waits for one lock and gives to another, in a ring of its own.
  Transfer& AddBd(Tile tile, int bd, size_t buffer, int64_t offset, int64_t words, int from,
                  int to) {
    Transfer transfer;
    transfer.buffer = buffer;
    transfer.offset = offset;
    transfer.length = words;
    transfer.acquire = LockAcquire{tile, from, 1, true};
    transfer.release = LockRelease{tile, to, 1};
    transfer.bd = bd;
    transfer.next = bd;
    TileDma& dma = DmaOf(tile);
    dma.transfers.push_back(transfer);
    return dma.transfers.back();
  }
  void Start(Tile tile, Direction direction, int channel, int bd,
             std::optional<uint32_t> pad = std::nullopt) {
    DmaOf(tile).channels.push_back({direction, channel, 0, bd, pad});
  }
  StreamSwitch& SwitchOf(Tile tile) {
    for (StreamSwitch& one : design.switches) {
      if (one.tile == tile) return one;
    }
    design.switches.push_back({tile, {}, {}, {}});
    return design.switches.back();
  }
  void Connect(Tile tile, Port slave, Port master) {
    SwitchOf(tile).circuits.push_back({slave, master});
  }
  /// Shim DMA channels to and from lanes 0 of the switch, and the way of tokens.
  void ConnectShim() {
    Connect(kShim, {PortType::kSouth, 3}, {PortType::kNorth, 0});
    Connect(kShim, {PortType::kNorth, 0}, {PortType::kSouth, 2});
    Tokens();
    design.shim_muxes.push_back({kShim,
                                 {{{PortType::kDma, 0}, {PortType::kNorth, 3}},
                                  {{PortType::kNorth, 2}, {PortType::kDma, 0}}}});
  }
  void Tokens() {
    SwitchOf(kShim).masters.push_back({{PortType::kSouth, 0}, 5, 1U << 3, true});
    SwitchOf(kShim).rules.push_back({{PortType::kTileControl, 0}, 15, 31, 5, 3});
  }
  void Pass(Tile tile, int lane) {
    Connect(tile, {PortType::kSouth, lane}, {PortType::kNorth, lane});
    Connect(tile, {PortType::kNorth, lane}, {PortType::kSouth, lane});
  }
  void Relay(Tile core, int64_t words) {
    const size_t buffer = AddBuffer(core, 0x1000, 2 * words);
    AddLock(core, 0, 2);
    AddLock(core, 1, 0);
    AddBd(core, 0, buffer, 0, words, 0, 1).next = 1;
    AddBd(core, 1, buffer, words, words, 0, 1).next = 0;
    AddBd(core, 2, buffer, 0, words, 1, 0).next = 3;
    AddBd(core, 3, buffer, words, words, 1, 0).next = 2;
    Start(core, Direction::kS2mm, 0, 0);
    Start(core, Direction::kMm2s, 0, 2);
  }
};

}  // namespace

Design CoreRelay(const Device& device, int64_t words) {
  const Tile core{0, 2};
  Maker make(device);
  make.Relay(core, words);
  make.ConnectShim();
  make.Pass(kMemory, 0);
  make.Connect(core, {PortType::kSouth, 0}, {PortType::kDma, 0});
  make.Connect(core, {PortType::kDma, 0}, {PortType::kSouth, 0});
  return make.design;
}

Design MemoryPad(const Device& device, std::optional<uint32_t> value) {
  Maker make(device);
  const size_t buffer = make.AddBuffer(kMemory, 0x2000, 6);
  make.AddLock(kMemory, 4, 1);
  make.AddLock(kMemory, 5, 0);
  make.AddBd(kMemory, 0, buffer, 0, 6, 4, 5);
  Transfer& out = make.AddBd(kMemory, 1, buffer, 0, 20, 5, 4);
  out.sizes = {2, 3};
  out.strides = {3, 1};
  out.padding = {{1, 1}, {1, 1}};
  make.Start(kMemory, Direction::kS2mm, 0, 0);
  make.Start(kMemory, Direction::kMm2s, 2, 1, value);
  make.ConnectShim();
  make.Connect(kMemory, {PortType::kSouth, 0}, {PortType::kDma, 0});
  make.Connect(kMemory, {PortType::kDma, 2}, {PortType::kSouth, 0});
  return make.design;
}

Design SplitJoin(const Device& device) {
  Maker make(device);
  make.ConnectShim();
  const size_t in = make.AddBuffer(kMemory, 0, 32);
  const size_t out = make.AddBuffer(kMemory, 0x10000, 32);
  make.AddLock(kMemory, 0, 1);  // room for the first half of the input, and for the second
  make.AddLock(kMemory, 6, 1);
  make.AddLock(kMemory, 1, 0);  // the halves are there
  make.AddLock(kMemory, 2, 0);
  make.AddLock(kMemory, 3, 1);  // room for what comes from the first core, and from the upper one
  make.AddLock(kMemory, 4, 1);
  make.AddLock(kMemory, 5, 0);  // halves to send
  make.AddBd(kMemory, 0, in, 0, 16, 0, 1).next = 1;
  make.AddBd(kMemory, 1, in, 16, 16, 6, 2).next = 0;
  make.Start(kMemory, Direction::kS2mm, 0, 0);
  make.AddBd(kMemory, 2, in, 0, 16, 1, 0);
  make.Start(kMemory, Direction::kMm2s, 0, 2);
  make.AddBd(kMemory, 24, in, 16, 16, 2, 6);
  make.Start(kMemory, Direction::kMm2s, 1, 24);
  // What went to the first core comes second.
  make.AddBd(kMemory, 25, out, 16, 16, 3, 5);
  make.Start(kMemory, Direction::kS2mm, 1, 25);
  make.AddBd(kMemory, 3, out, 0, 16, 4, 5);
  make.Start(kMemory, Direction::kS2mm, 2, 3);
  // Both halves are waited for at once, and given back one by one.
  Transfer& both = make.AddBd(kMemory, 4, out, 0, 16, 5, 4);
  both.acquire->value = 2;
  both.next = 5;
  Transfer& second = make.AddBd(kMemory, 5, out, 16, 16, 5, 3);
  second.acquire.reset();
  second.next = 4;
  make.Start(kMemory, Direction::kMm2s, 2, 4);
  make.Connect(kMemory, {PortType::kSouth, 0}, {PortType::kDma, 0});
  make.Connect(kMemory, {PortType::kDma, 2}, {PortType::kSouth, 0});
  make.Connect(kMemory, {PortType::kDma, 0}, {PortType::kNorth, 1});
  make.Connect(kMemory, {PortType::kDma, 1}, {PortType::kNorth, 2});
  make.Connect(kMemory, {PortType::kNorth, 1}, {PortType::kDma, 1});
  make.Connect(kMemory, {PortType::kNorth, 2}, {PortType::kDma, 2});
  const Tile first{0, 2};
  const Tile upper{0, 3};
  make.Relay(first, 16);
  make.Relay(upper, 16);
  make.Connect(first, {PortType::kSouth, 1}, {PortType::kDma, 0});
  make.Connect(first, {PortType::kDma, 0}, {PortType::kSouth, 1});
  make.Pass(first, 2);
  make.Connect(upper, {PortType::kSouth, 2}, {PortType::kDma, 0});
  make.Connect(upper, {PortType::kDma, 0}, {PortType::kSouth, 2});
  return make.design;
}

Design PacketSplit(const Device& device) {
  Maker make(device);
  make.Tokens();
  make.design.shim_muxes.push_back({kShim, {{{PortType::kDma, 0}, {PortType::kNorth, 3}}}});
  const auto route = [&](Tile tile, Port slave, Port master, uint32_t id, int arbiter) {
    StreamSwitch& one = make.SwitchOf(tile);
    one.masters.push_back({master, arbiter, 1, master.type != PortType::kDma});
    one.rules.push_back({slave, id, 31, arbiter, 0});
  };
  // One lane for both up to the first core.
  make.SwitchOf(kShim).masters.push_back({{PortType::kNorth, 0}, 0, 1, true});
  make.SwitchOf(kShim).rules.push_back({{PortType::kSouth, 3}, 4, 30, 0, 0});
  make.Connect(kMemory, {PortType::kSouth, 0}, {PortType::kNorth, 0});
  route({0, 2}, {PortType::kSouth, 0}, {PortType::kDma, 0}, 4, 0);
  route({0, 2}, {PortType::kSouth, 0}, {PortType::kNorth, 5}, 5, 1);
  route({0, 3}, {PortType::kSouth, 5}, {PortType::kDma, 1}, 5, 2);
  for (const int row : {2, 3}) {
    const Tile core{0, row};
    const size_t buffer = make.AddBuffer(core, 0x1000, 16);
    Transfer& bd = make.AddBd(core, 0, buffer, 0, 16, 0, 1);
    bd.acquire.reset();
    bd.release.reset();
    bd.next.reset();
    make.Start(core, Direction::kS2mm, row - 2, 0);
  }
  return make.design;
}

Design TwoWriters(const Device& device) {
  const Tile core{0, 2};
  Maker make(device);
  make.Tokens();
  make.design.shim_muxes.push_back({kShim,
                                    {{{PortType::kDma, 0}, {PortType::kNorth, 3}},
                                     {{PortType::kDma, 1}, {PortType::kNorth, 7}}}});
  make.Connect(kShim, {PortType::kSouth, 3}, {PortType::kNorth, 0});
  make.Connect(kShim, {PortType::kSouth, 7}, {PortType::kNorth, 1});
  for (const int lane : {0, 1}) {
    make.Connect(kMemory, {PortType::kSouth, lane}, {PortType::kNorth, lane});
    make.Connect(core, {PortType::kSouth, lane}, {PortType::kDma, lane});
    const size_t buffer = make.AddBuffer(core, 0x1000, 16);
    Transfer& bd = make.AddBd(core, lane, buffer, 0, 16, 0, 1);
    bd.acquire.reset();
    bd.release.reset();
    bd.next.reset();
    make.Start(core, Direction::kS2mm, lane, lane);
  }
  return make.design;
}

}  // namespace tandem::npu::test
