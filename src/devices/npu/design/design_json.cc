// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <string>

#include "core/error.h"
#include "core/mapped_file.h"
#include "devices/npu/design/design.h"
#include "devices/npu/design/json_parts.h"
#include "formats/json_file.h"

namespace tandem::npu {
namespace {

class DesignReader {
 public:
  explicit DesignReader(const JsonValue& root) : root_(root) {}

  Design Read() {
    design_.device = root_.At("device").AsDevice();
    ForEach("locks", [&](const JsonValue& value) { design_.locks.push_back(ReadLock(value)); });
    ForEach("buffers", [&](const JsonValue& value) {
      design_.buffers.push_back(ReadBuffer(value));
      buffers_[design_.buffers.back().name] = design_.buffers.size() - 1;
    });
    ForEach("cores", [&](const JsonValue& value) { ReadCore(value); });
    ForEach("dmas", [&](const JsonValue& value) { ReadDma(value); });
    ForEach("switchboxes", [&](const JsonValue& value) { ReadSwitch(value); });
    ForEach("shim_muxes", [&](const JsonValue& value) { ReadMux(value); });
    ForEach("cascades", [&](const JsonValue& value) { ReadCascade(value); });
    return std::move(design_);
  }

 private:
  template <typename Visit>
  void ForEach(const char* key, const Visit& visit) {
    root_.At(key).ForEach([&](const JsonValue& value) { visit(value); });
  }

  Tile ReadTile(const JsonValue& value, TileKind kind) const {
    const Tile tile = ReadTile(value);
    if (KindOf(tile) != kind) value.Fail(fmt::format("not a {}", TileKindName(kind)));
    return tile;
  }
  Tile ReadTile(const JsonValue& value) const {
    const Tile tile = value.AsTile();
    if (!Contains(design_.device, tile)) {
      value.Fail(
          fmt::format("{} has {} columns", DeviceName(design_.device), design_.device.columns));
    }
    return tile;
  }

  void ReadCore(const JsonValue& value) {
    // Which locks its program uses, and how much stack, is for the program's compiler.
    value.CheckKeys({"tile", "elf", "locks", "stack_size"});
    Core core;
    core.tile = ReadTile(value.At("tile"), TileKind::kCore);
    if (const auto elf = value.Find("elf")) core.elf = elf->Text();
    design_.cores.push_back(std::move(core));
  }

  void ReadDma(const JsonValue& value) {
    value.CheckKeys({"tile", "channels", "bds"});
    TileDma dma;
    dma.tile = ReadTile(value.At("tile"));
    const TileResources& resources = ResourcesOf(KindOf(dma.tile));
    value.At("channels").ForEach([&](const JsonValue& channel) {
      channel.CheckKeys({"dir", "channel", "repeat", "first_bd", "pad_value"});
      StaticChannel read;
      read.direction = channel.At("dir").Dir();
      read.channel = channel.At("channel").Int(0, resources.channels - 1);
      read.repeat = channel.At("repeat").Int(0, 255);
      read.first_bd = channel.At("first_bd").Int(0, resources.descriptors - 1);
      if (const auto pad = channel.Find("pad_value")) {
        read.pad_value = static_cast<uint32_t>(pad->Integer(INT32_MIN, UINT32_MAX));
      }
      dma.channels.push_back(read);
    });
    value.At("bds").ForEach([&](const JsonValue& bd) {
      dma.transfers.push_back(ReadTransfer(bd, resources.descriptors));
    });
    design_.dmas.push_back(std::move(dma));
  }

  Transfer ReadTransfer(const JsonValue& bd, int descriptors) const {
    bd.CheckKeys({"bd", "buffer", "offset", "len", "sizes", "strides", "pad", "iteration", "packet",
                  "burst", "acquire", "release", "next"});
    Transfer transfer;
    transfer.buffer = Lookup(buffers_, bd.At("buffer"));
    transfer.type = design_.buffers[transfer.buffer].type;
    ReadTransferShape(bd, transfer);
    if (const auto acquire = bd.Find("acquire")) {
      acquire->CheckKeys({"lock", "value", "ge"});
      const auto [tile, id] = ReadLockPlace(acquire->At("lock"));
      transfer.acquire = {tile, id, acquire->At("value").Integer(0, 64), acquire->At("ge").Bool()};
    }
    if (const auto release = bd.Find("release")) {
      release->CheckKeys({"lock", "value"});
      const auto [tile, id] = ReadLockPlace(release->At("lock"));
      transfer.release = {tile, id, release->At("value").Integer(-64, 63)};
    }
    transfer.bd = bd.At("bd").Int(0, descriptors - 1);
    if (const auto next = bd.Find("next")) transfer.next = next->Int(0, descriptors - 1);
    return transfer;
  }

  /// [column, row, id].
  std::pair<Tile, int> ReadLockPlace(const JsonValue& value) const {
    if (value.size() != 3) value.Fail("a lock is [column, row, id]");
    const Tile tile{value.At(size_t{0}).Int(0, design_.device.columns - 1),
                    value.At(size_t{1}).Int(0, kRows - 1)};
    return {tile, value.At(size_t{2}).Int(0, ResourcesOf(KindOf(tile)).locks - 1)};
  }

  static Port ReadPort(const JsonValue& value, TileKind kind, PortSide side) {
    const Port port = value.AsPort();
    if (!PortNumber(kind, side, port)) {
      value.Fail(fmt::format("a {} has no {} port {}", TileKindName(kind),
                             side == PortSide::kMaster ? "master" : "slave", PortText(port)));
    }
    return port;
  }

  void ReadSwitch(const JsonValue& value) {
    value.CheckKeys({"tile", "circuit", "masters", "rules"});
    StreamSwitch read;
    read.tile = ReadTile(value.At("tile"));
    const TileKind kind = KindOf(read.tile);
    value.At("circuit").ForEach([&](const JsonValue& circuit) {
      circuit.CheckKeys({"slave", "master"});
      read.circuits.push_back({ReadPort(circuit.At("slave"), kind, PortSide::kSlave),
                               ReadPort(circuit.At("master"), kind, PortSide::kMaster)});
    });
    value.At("masters").ForEach([&](const JsonValue& master) {
      master.CheckKeys({"master", "amsels", "keep_header"});
      PacketMaster packet;
      packet.master = ReadPort(master.At("master"), kind, PortSide::kMaster);
      packet.keep_header = master.At("keep_header").Bool();
      const JsonValue amsels = master.At("amsels");
      if (amsels.size() == 0) amsels.Fail("empty");
      amsels.ForEach([&](const JsonValue& amsel) {
        if (amsel.size() != 2) amsel.Fail("not [arbiter, selector]");
        const int arbiter = amsel.At(size_t{0}).Int(0, kArbiters - 1);
        if (packet.selectors != 0 && arbiter != packet.arbiter) {
          amsel.Fail("a master listens to one arbiter");
        }
        packet.arbiter = arbiter;
        packet.selectors |= 1U << amsel.At(size_t{1}).Int(0, kSelectors - 1);
      });
      read.masters.push_back(packet);
    });
    value.At("rules").ForEach([&](const JsonValue& rule) {
      rule.CheckKeys({"slave", "mask", "id", "arbiter", "msel"});
      read.rules.push_back({ReadPort(rule.At("slave"), kind, PortSide::kSlave),
                            static_cast<uint32_t>(rule.At("id").Int(0, 31)),
                            static_cast<uint32_t>(rule.At("mask").Int(0, 31)),
                            rule.At("arbiter").Int(0, kArbiters - 1),
                            rule.At("msel").Int(0, kSelectors - 1)});
    });
    design_.switches.push_back(std::move(read));
  }

  void ReadMux(const JsonValue& value) {
    value.CheckKeys({"tile", "circuit"});
    ShimMux mux;
    mux.tile = ReadTile(value.At("tile"), TileKind::kShim);
    value.At("circuit").ForEach([&](const JsonValue& circuit) {
      circuit.CheckKeys({"slave", "master"});
      mux.circuits.push_back({circuit.At("slave").AsPort(), circuit.At("master").AsPort()});
    });
    design_.shim_muxes.push_back(std::move(mux));
  }

  void ReadCascade(const JsonValue& value) {
    value.CheckKeys({"tile", "input", "output"});
    Cascade cascade;
    cascade.tile = ReadTile(value.At("tile"), TileKind::kCore);
    const std::string input = value.At("input").Text();
    const std::string output = value.At("output").Text();
    if (input != "North" && input != "West") value.At("input").Fail("neither North nor West");
    if (output != "South" && output != "East") value.At("output").Fail("neither South nor East");
    cascade.from_west = input == "West";
    cascade.to_east = output == "East";
    design_.cascades.push_back(cascade);
  }

  JsonValue root_;
  Design design_;
  NameIndex buffers_;
};

}  // namespace

Design ReadDesign(const JsonDocument& document, std::string_view name) {
  return DesignReader(JsonValue(document, std::string(name))).Read();
}

Design LoadDesign(const std::filesystem::path& path) {
  return ReadDesign(ParseJsonFile(path, 64 << 20), Printable(path.string(), 400));
}

ProgramLoader ProgramsBeside(const std::filesystem::path& design) {
  return [folder = design.parent_path()](const std::string& name) {
    const std::filesystem::path file(name);
    if (file.empty() || file != file.filename() || name == "." || name == "..") {
      throw Error(
          ErrorKind::kCorruptFile,
          fmt::format("program {}: not the name of a file beside the design", Printable(name)));
    }
    const MappedFile program(folder / file);
    const auto bytes = program.bytes();
    return std::vector<std::byte>(bytes.begin(), bytes.end());
  };
}

}  // namespace tandem::npu
