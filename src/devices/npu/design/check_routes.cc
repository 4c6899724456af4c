// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>
#include <optional>
#include <set>
#include <utility>

#include "devices/npu/design/check.h"

namespace tandem::npu {
namespace {

struct Place {
  Tile tile;
  Port port;
};
struct PlaceLess {
  bool operator()(const Place& a, const Place& b) const {
    return std::tuple(a.tile, a.port.type, a.port.index) <
           std::tuple(b.tile, b.port.type, b.port.index);
  }
};
using Places = std::set<Place, PlaceLess>;

/// Where a master port of a switch leads, or a slave port comes from: the other end of the wires
/// between two tiles. Nothing for ports that stay inside the tile.
std::optional<Place> Across(Tile tile, Port port) {
  switch (port.type) {
    case PortType::kSouth:
      return Place{{tile.column, tile.row - 1}, {PortType::kNorth, port.index}};
    case PortType::kNorth:
      return Place{{tile.column, tile.row + 1}, {PortType::kSouth, port.index}};
    case PortType::kWest: return Place{{tile.column - 1, tile.row}, {PortType::kEast, port.index}};
    case PortType::kEast: return Place{{tile.column + 1, tile.row}, {PortType::kWest, port.index}};
    case PortType::kCore:
    case PortType::kDma:
    case PortType::kTileControl:
    case PortType::kFifo:
    case PortType::kTrace: break;
  }
  return std::nullopt;
}

class RouteChecker {
 public:
  explicit RouteChecker(const Design& design) : design_(design) {}

  std::vector<std::string> Run() {
    for (const StreamSwitch& one : design_.switches) {
      for (const Circuit& circuit : one.circuits) {
        masters_.insert({one.tile, circuit.master});
        slaves_.insert({one.tile, circuit.slave});
        next_[{one.tile, circuit.slave}].push_back(circuit.master);
      }
      for (const PacketMaster& packet : one.masters) masters_.insert({one.tile, packet.master});
      for (const PacketRule& rule : one.rules) slaves_.insert({one.tile, rule.slave});
    }
    for (const ShimMux& mux : design_.shim_muxes) {
      for (const Circuit& circuit : mux.circuits) {
        // To the switch the multiplexer's North is its South.
        if (circuit.master.type == PortType::kNorth) {
          to_switch_.insert({mux.tile, {PortType::kSouth, circuit.master.index}});
        } else {
          from_switch_.insert({mux.tile, {PortType::kSouth, circuit.slave.index}});
        }
      }
    }
    for (const Place& master : masters_) CheckEnd(master);
    for (const Place& slave : slaves_) CheckBeginning(slave);
    CheckChannels();
    for (const auto& [slave, unused] : next_) CheckCircle(slave);
    return std::move(problems_);
  }

 private:
  void Problem(const Place& place, std::string_view side, const std::string& problem) {
    problems_.push_back(
        fmt::format("{}: {} {} {}", TileText(place.tile), side, PortText(place.port), problem));
  }

  void CheckEnd(const Place& master) {
    if (master.tile.row == 0 && master.port.type == PortType::kSouth) {
      // South 0 is the firmware, which takes the tokens.
      if (master.port.index != 0 && !from_switch_.contains(master)) {
        Problem(master, "master", "ends at a multiplexer that is not set to the DMA");
      }
      return;
    }
    const std::optional<Place> other = Across(master.tile, master.port);
    if (!other) return;
    if (!Contains(design_.device, other->tile)) {
      Problem(master, "master", "leads out of the array");
    } else if (!slaves_.contains(*other)) {
      Problem(master, "master",
              fmt::format("ends at slave {} of {}, which goes nowhere", PortText(other->port),
                          TileText(other->tile)));
    }
  }

  void CheckBeginning(const Place& slave) {
    if (slave.tile.row == 0 && slave.port.type == PortType::kSouth) {
      if (!to_switch_.contains(slave)) {
        Problem(slave, "slave", "begins at a multiplexer that is not set to the DMA");
      }
      return;
    }
    const std::optional<Place> other = Across(slave.tile, slave.port);
    if (!other) return;
    if (!Contains(design_.device, other->tile)) {
      Problem(slave, "slave", "comes from outside of the array");
    } else if (!masters_.contains(*other)) {
      Problem(slave, "slave",
              fmt::format("comes from master {} of {}, which sends nothing", PortText(other->port),
                          TileText(other->tile)));
    }
  }

  /// Channels that run have a stream, and streams to memory a channel that runs.
  void CheckChannels() {
    std::set<std::tuple<Tile, Direction, int>> running;
    for (const TileDma& dma : design_.dmas) {
      for (const StaticChannel& channel : dma.channels) {
        running.emplace(dma.tile, channel.direction, channel.channel);
        if (dma.tile.row == 0) continue;
        const Place port{dma.tile, {PortType::kDma, channel.channel}};
        const bool fills = channel.direction == Direction::kS2mm;
        if ((fills ? masters_ : slaves_).contains(port)) continue;
        problems_.push_back(fmt::format("{} {}",
                                        ChannelText({dma.tile, channel.direction, channel.channel}),
                                        fills ? "gets no stream" : "sends to no stream"));
      }
    }
    // Those of shims the runtime starts.
    for (const Place& master : masters_) {
      if (master.port.type == PortType::kDma &&
          !running.contains({master.tile, Direction::kS2mm, master.port.index})) {
        Problem(master, "master", "ends at a channel that does not run");
      }
    }
    for (const Place& slave : slaves_) {
      if (slave.port.type == PortType::kDma &&
          !running.contains({slave.tile, Direction::kMm2s, slave.port.index})) {
        Problem(slave, "slave", "begins at a channel that does not run");
      }
    }
    for (const Place& port : from_switch_) {
      if (!masters_.contains(port)) Problem(port, "master", "is the DMA's, and sends nothing");
    }
    for (const Place& port : to_switch_) {
      if (!slaves_.contains(port)) Problem(port, "slave", "is the DMA's, and goes nowhere");
    }
  }

  /// Circuits alone: a packet has its id to get out by.
  void CheckCircle(const Place& start) {
    Places seen;
    std::vector<Place> open = {start};
    while (!open.empty()) {
      const Place at = open.back();
      open.pop_back();
      const auto masters = next_.find(at);
      if (masters == next_.end()) continue;
      for (const Port master : masters->second) {
        const std::optional<Place> other = Across(at.tile, master);
        if (!other || !Contains(design_.device, other->tile)) continue;
        if (other->tile == start.tile && other->port == start.port) {
          return Problem(start, "slave", "gets its own stream again");
        }
        if (seen.insert(*other).second) open.push_back(*other);
      }
    }
  }

  const Design& design_;
  std::vector<std::string> problems_;
  Places masters_;
  Places slaves_;
  Places to_switch_;    ///< South slaves of shims that their DMA feeds.
  Places from_switch_;  ///< South masters of shims that feed their DMA.
  std::map<Place, std::vector<Port>, PlaceLess> next_;
};

}  // namespace

std::vector<std::string> CheckRoutes(const Design& design) { return RouteChecker(design).Run(); }

}  // namespace tandem::npu
