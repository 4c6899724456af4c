// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "devices/npu/mlir/emitter.h"

namespace tandem::npu {
namespace {

/// WireBundle.
int BundleNumber(PortType type) {
  switch (type) {
    case PortType::kCore: return 0;
    case PortType::kDma: return 1;
    case PortType::kFifo: return 2;
    case PortType::kSouth: return 3;
    case PortType::kWest: return 4;
    case PortType::kNorth: return 5;
    case PortType::kEast: return 6;
    case PortType::kTrace: return 9;
    case PortType::kTileControl: break;
  }
  return 10;
}

/// The way of a shim's completion tokens to the firmware. MLIR-AIE routes it itself, for every
/// shim.
constexpr Port kTokenMaster = {PortType::kSouth, 0};
constexpr Port kTokenSlave = {PortType::kTileControl, 0};
bool IsTokenMaster(Tile tile, const PacketMaster& master) {
  return tile.row == 0 && master.master == kTokenMaster && master.arbiter == 5 &&
         master.selectors == 1U << 3;
}
bool IsTokenRule(Tile tile, const PacketRule& rule) {
  return tile.row == 0 && rule.slave == kTokenSlave && rule.arbiter == 5 && rule.selector == 3;
}

void EmitCircuit(MlirText& text, const Circuit& circuit) {
  text.Line(
      "\"aie.connect\"() <{{source_bundle = {} : i32, source_channel = {} : i32, dest_bundle = {} "
      ": i32, dest_channel = {} : i32}}> : () -> ()",
      BundleNumber(circuit.slave.type), circuit.slave.index, BundleNumber(circuit.master.type),
      circuit.master.index);
}

/// Arbiters with their selectors, which masters and rules refer to.
class PacketEmitter {
 public:
  PacketEmitter(MlirText& text, const StreamSwitch& one) : text_(text), one_(one) {}

  void Run() {
    for (const PacketMaster& master : one_.masters) {
      if (!IsTokenMaster(one_.tile, master)) EmitMaster(master);
    }
    std::vector<Port> slaves;
    for (const PacketRule& rule : one_.rules) {
      const bool known = std::find(slaves.begin(), slaves.end(), rule.slave) != slaves.end();
      if (!known && !IsTokenRule(one_.tile, rule)) slaves.push_back(rule.slave);
    }
    for (const Port slave : slaves) EmitRules(slave);
  }

 private:
  std::string Selector(int arbiter, int selector) {
    std::string& name = selectors_[{arbiter, selector}];
    if (name.empty()) {
      name = text_.NewValue();
      text_.Line("{} = \"aie.amsel\"() <{{arbiterID = {} : i8, msel = {} : i8}}> : () -> index",
                 name, arbiter, selector);
    }
    return name;
  }

  void EmitMaster(const PacketMaster& master) {
    std::vector<std::string> values;
    for (int selector = 0; selector < kSelectors; ++selector) {
      if ((master.selectors >> selector & 1) != 0) {
        values.push_back(Selector(master.arbiter, selector));
      }
    }
    const std::vector<std::string> types(values.size(), "index");
    text_.Line(
        "{} = \"aie.masterset\"({}) <{{dest_bundle = {} : i32, dest_channel = {} : i32, "
        "keep_pkt_header = {}}}> : ({}) -> index",
        text_.NewValue(), fmt::join(values, ", "), BundleNumber(master.master.type),
        master.master.index, master.keep_header, fmt::join(types, ", "));
  }

  void EmitRules(Port slave) {
    // Values of the switch, not of the rules' region.
    for (const PacketRule& rule : one_.rules) {
      if (rule.slave == slave) Selector(rule.arbiter, rule.selector);
    }
    text_.Open(
        "\"aie.packet_rules\"() <{{source_bundle = {} : i32, source_channel = {} : i32}}> ({{",
        BundleNumber(slave.type), slave.index);
    for (const PacketRule& rule : one_.rules) {
      if (!(rule.slave == slave)) continue;
      text_.Line("\"aie.rule\"({}) <{{mask = {} : i8, value = {} : i8}}> : (index) -> ()",
                 Selector(rule.arbiter, rule.selector), rule.mask, rule.id);
    }
    text_.Line("\"aie.end\"() : () -> ()");
    text_.Close("}}) : () -> ()");
  }

  MlirText& text_;
  const StreamSwitch& one_;
  std::map<std::pair<int, int>, std::string> selectors_;
};

}  // namespace

void EmitSwitch(MlirEmitter& emitter, const StreamSwitch& one) {
  MlirText& text = emitter.text;
  text.Open("%switch_{}_{} = \"aie.switchbox\"({}) ({{", one.tile.column, one.tile.row,
            MlirEmitter::NameOf(one.tile));
  for (const Circuit& circuit : one.circuits) EmitCircuit(text, circuit);
  PacketEmitter(text, one).Run();
  text.Line("\"aie.end\"() : () -> ()");
  text.Close("}}) : (index) -> index");
}

void EmitShimMux(MlirEmitter& emitter, const ShimMux& mux) {
  MlirText& text = emitter.text;
  text.Open("%mux_{}_{} = \"aie.shim_mux\"({}) ({{", mux.tile.column, mux.tile.row,
            MlirEmitter::NameOf(mux.tile));
  for (const Circuit& circuit : mux.circuits) EmitCircuit(text, circuit);
  text.Line("\"aie.end\"() : () -> ()");
  text.Close("}}) : (index) -> index");
}

}  // namespace tandem::npu
