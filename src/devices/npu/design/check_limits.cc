// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>
#include <variant>

#include "core/error.h"
#include "devices/npu/design/check.h"

namespace tandem::npu {
namespace {

/// What MLIR-AIE and the kernels assume of a buffer's address.
constexpr int64_t kVectorBytes = 32;

class LimitChecker {
 public:
  explicit LimitChecker(const Design& design) : design_(design) {}

  std::vector<std::string> Run() {
    const Device& device = design_.device;
    if (device.columns < 1 || device.columns > MaxColumns(device.generation)) {
      Problem("the device",
              fmt::format("{} columns: {} has {}", device.columns,
                          GenerationName(device.generation), MaxColumns(device.generation)));
      return std::move(problems_);
    }
    for (const Core& core : design_.cores) CheckCore(core);
    for (const Lock& lock : design_.locks) CheckLock(lock);
    CheckBuffers();
    for (const TileDma& dma : design_.dmas) CheckDma(dma);
    for (const StreamSwitch& one : design_.switches) CheckSwitch(one);
    for (const ShimMux& mux : design_.shim_muxes) {
      if (Exists(mux.tile, "a multiplexer") && KindOf(mux.tile) != TileKind::kShim) {
        Problem(TileText(mux.tile), "has no multiplexer");
      }
    }
    for (const Cascade& cascade : design_.cascades) {
      if (Exists(cascade.tile, "a cascade") && KindOf(cascade.tile) != TileKind::kCore) {
        Problem(TileText(cascade.tile), "has no cascade");
      }
    }
    if (problems_.empty()) CheckWords();
    return std::move(problems_);
  }

 private:
  void Problem(std::string_view where, const std::string& problem) {
    problems_.push_back(fmt::format("{}: {}", where, problem));
  }

  bool Exists(Tile tile, std::string_view what) {
    if (Contains(design_.device, tile)) return true;
    Problem(what, fmt::format("there is no tile ({},{})", tile.column, tile.row));
    return false;
  }

  void CheckLock(const Lock& lock) {
    const auto where = fmt::format("lock {}", Printable(lock.name));
    if (!Exists(lock.tile, where)) return;
    const int most = ResourcesOf(KindOf(lock.tile)).locks;
    if (lock.id < 0 || lock.id >= most) {
      Problem(where,
              fmt::format("id {}: {} has locks 0 to {}", lock.id, TileText(lock.tile), most - 1));
    }
    if (lock.init < 0 || lock.init > 63) Problem(where, fmt::format("starts at {}", lock.init));
    if (!locks_.emplace(lock.tile, lock.id).second) {
      Problem(where, fmt::format("lock {} of {} is given twice", lock.id, TileText(lock.tile)));
    }
  }

  /// Everything lies inside its tile, and apart.
  void CheckBuffers() {
    struct Range {
      int64_t begin;
      int64_t end;
      std::string name;
    };
    std::map<Tile, std::vector<Range>> ranges;
    for (const Core& core : design_.cores) {
      if (core.program.empty()) continue;
      ranges[core.tile].push_back({0, kCoreStackBytes, "the stack"});
      programs_.insert(core.tile);
    }
    for (const Buffer& buffer : design_.buffers) {
      if (!buffer.tile) continue;
      const auto where = fmt::format("buffer {}", Printable(buffer.name));
      if (!Exists(*buffer.tile, where)) continue;
      const int64_t most = ResourcesOf(KindOf(*buffer.tile)).data_bytes;
      if (buffer.elements < 0 || buffer.elements > most / ElementBytes(buffer.type) ||
          buffer.address < 0 ||
          buffer.address > most - buffer.elements * ElementBytes(buffer.type)) {
        Problem(where, fmt::format("{} elements of {} at byte {}: {} has {} bytes", buffer.elements,
                                   ElementTypeName(buffer.type), buffer.address,
                                   TileText(*buffer.tile), most));
        continue;
      }
      if (programs_.contains(*buffer.tile) && buffer.address % kVectorBytes != 0) {
        Problem(where, fmt::format("byte {}: a core's vectors begin at multiples of {}",
                                   buffer.address, kVectorBytes));
      }
      const int64_t bytes = buffer.elements * ElementBytes(buffer.type);
      if (bytes > 0) {
        ranges[*buffer.tile].push_back({buffer.address, buffer.address + bytes, where});
      }
    }
    for (auto& [tile, all] : ranges) {
      std::sort(all.begin(), all.end(),
                [](const Range& a, const Range& b) { return a.begin < b.begin; });
      for (size_t i = 1; i < all.size(); ++i) {
        if (all[i].begin >= all[i - 1].end) continue;
        Problem(TileText(tile), fmt::format("{} lies in {}", all[i].name, all[i - 1].name));
      }
    }
  }

  void CheckDma(const TileDma& dma) {
    if (!Exists(dma.tile, "a DMA")) return;
    const TileKind kind = KindOf(dma.tile);
    const std::string where = TileText(dma.tile);
    std::set<int> bds;
    for (const Transfer& transfer : dma.transfers) {
      const int most = ResourcesOf(kind).descriptors;
      if (!transfer.bd || *transfer.bd < 0 || *transfer.bd >= most) {
        Problem(where, fmt::format("BD {}: a {} has BDs 0 to {}", transfer.bd.value_or(-1),
                                   TileKindName(kind), most - 1));
      } else if (!bds.insert(*transfer.bd).second) {
        Problem(where, fmt::format("BD {} is given twice", *transfer.bd));
      }
      if (transfer.buffer >= design_.buffers.size()) Problem(where, "a BD of no buffer");
      if (transfer.acquire) CheckKnown(transfer.acquire->tile, transfer.acquire->id, where);
      if (transfer.release) CheckKnown(transfer.release->tile, transfer.release->id, where);
    }
    std::set<std::pair<Direction, int>> channels;
    for (const StaticChannel& channel : dma.channels) {
      const auto name = ChannelText({dma.tile, channel.direction, channel.channel});
      if (channel.channel < 0 || channel.channel >= ResourcesOf(kind).channels) {
        Problem(name, fmt::format("a {} has channels 0 to {}", TileKindName(kind),
                                  ResourcesOf(kind).channels - 1));
      }
      if (channel.repeat < 0 || channel.repeat > 255) {
        Problem(name, fmt::format("{} repeats: 0 to 255", channel.repeat));
      }
      if (!channels.emplace(channel.direction, channel.channel).second) {
        Problem(name, "is started twice");
      }
    }
  }

  /// A lock that nobody declares starts at whatever the last design left in it.
  void CheckKnown(Tile tile, int id, const std::string& where) {
    if (!locks_.contains({tile, id})) {
      Problem(where, fmt::format("uses lock {} of {}, which the design does not have", id,
                                 TileText(tile)));
    }
  }

  void CheckCore(const Core& core) {
    if (!Exists(core.tile, "a core")) return;
    if (KindOf(core.tile) != TileKind::kCore) Problem(TileText(core.tile), "has no core");
    if (!cores_.insert(core.tile).second) Problem(TileText(core.tile), "has two programs");
    CheckSteps(core, core.program);
  }

  void CheckSteps(const Core& core, const std::vector<CoreStep>& steps) {
    const auto where = fmt::format("{}, program", TileText(core.tile));
    const auto lock = [&](size_t index) {
      if (index >= design_.locks.size()) Problem(where, fmt::format("no lock {}", index));
    };
    const auto buffer = [&](size_t index) {
      if (index >= design_.buffers.size())
        return Problem(where, fmt::format("no buffer {}", index));
      const Buffer& named = design_.buffers[index];
      if (named.tile != core.tile) {
        Problem(where, fmt::format("buffer {} is not in its memory", Printable(named.name)));
      }
    };
    for (const CoreStep& step : steps) {
      std::visit(
          [&]<typename T>(const T& one) {
            if constexpr (std::is_same_v<T, AcquireStep> || std::is_same_v<T, ReleaseStep>) {
              lock(one.lock);
            } else if constexpr (std::is_same_v<T, CallStep>) {
              for (const size_t index : one.buffers) buffer(index);
            } else {
              if constexpr (std::is_same_v<T, WhenStep>) buffer(one.buffer);
              CheckSteps(core, one.body);
            }
          },
          step.step);
    }
  }

  void CheckSwitch(const StreamSwitch& one) {
    if (!Exists(one.tile, "a switch")) return;
    const std::string where = TileText(one.tile);
    std::set<int> masters;
    std::set<int> circuits;
    std::map<int, int> rules;
    const auto number = [&](PortSide side, Port port) {
      const auto found = PortNumber(KindOf(one.tile), side, port);
      if (!found) {
        Problem(where, fmt::format("has no {} port {}",
                                   side == PortSide::kMaster ? "master" : "slave", PortText(port)));
      }
      return found;
    };
    const auto master = [&](Port port) {
      const auto found = number(PortSide::kMaster, port);
      if (found && !masters.insert(*found).second) {
        Problem(where, fmt::format("master {} is given twice", PortText(port)));
      }
    };
    for (const Circuit& circuit : one.circuits) {
      master(circuit.master);
      if (const auto slave = number(PortSide::kSlave, circuit.slave)) circuits.insert(*slave);
    }
    std::set<std::pair<int, int>> taken;
    for (const PacketMaster& packet : one.masters) {
      master(packet.master);
      if (packet.arbiter < 0 || packet.arbiter >= kArbiters ||
          packet.selectors >> kSelectors != 0) {
        Problem(where, fmt::format("arbiter {} with selectors 0x{:X}: there are {} and {}",
                                   packet.arbiter, packet.selectors, kArbiters, kSelectors));
      }
      for (int selector = 0; selector < kSelectors; ++selector) {
        if ((packet.selectors >> selector & 1) != 0) taken.emplace(packet.arbiter, selector);
      }
    }
    for (const PacketRule& rule : one.rules) {
      const auto slave = number(PortSide::kSlave, rule.slave);
      if (!slave) continue;
      if (circuits.contains(*slave)) {
        Problem(where,
                fmt::format("slave {} is a circuit, and takes packets", PortText(rule.slave)));
      }
      if (++rules[*slave] == kSlotsPerSlave + 1) {
        Problem(where, fmt::format("slave {} has more than {} packet rules", PortText(rule.slave),
                                   kSlotsPerSlave));
      }
      if (rule.id > 31 || rule.mask > 31) {
        Problem(where, fmt::format("packet id {} with mask {}: 0 to 31", rule.id, rule.mask));
      }
      if (!taken.contains({rule.arbiter, rule.selector})) {
        Problem(where, fmt::format("no master takes packets of arbiter {}, selector {}",
                                   rule.arbiter, rule.selector));
      }
    }
  }

  /// Each field of each word, by packing it.
  void CheckWords() {
    Design plain = design_;
    // Executables are not there, and say nothing of the design.
    for (Core& core : plain.cores) core.elf.clear();
    try {
      EncodeConfiguration(plain, {});
    } catch (const Error& error) {
      problems_.emplace_back(error.what());
    }
  }

  const Design& design_;
  std::vector<std::string> problems_;
  std::set<std::pair<Tile, int>> locks_;
  std::set<Tile> cores_;
  std::set<Tile> programs_;  ///< Tiles whose core has a program.
};

}  // namespace

std::vector<std::string> CheckLimits(const Design& design) { return LimitChecker(design).Run(); }

std::vector<TileUse> UseOf(const Design& design) {
  std::map<Tile, TileUse> uses;
  for (const Core& core : design.cores) {
    uses[core.tile].bytes += core.program.empty() ? 0 : kCoreStackBytes;
  }
  for (const Lock& lock : design.locks) ++uses[lock.tile].locks;
  for (const Buffer& buffer : design.buffers) {
    if (buffer.tile) uses[*buffer.tile].bytes += buffer.elements * ElementBytes(buffer.type);
  }
  for (const TileDma& dma : design.dmas) {
    TileUse& use = uses[dma.tile];
    use.descriptors += static_cast<int>(dma.transfers.size());
    for (const StaticChannel& channel : dma.channels) {
      ++(channel.direction == Direction::kS2mm ? use.channels_in : use.channels_out);
    }
  }
  for (const ShimMux& mux : design.shim_muxes) {
    for (const Circuit& circuit : mux.circuits) {
      TileUse& use = uses[mux.tile];
      ++(circuit.master.type == PortType::kDma ? use.channels_in : use.channels_out);
    }
  }
  for (const StreamSwitch& one : design.switches) {
    TileUse& use = uses[one.tile];
    std::set<std::pair<PortType, int>> slaves;
    for (const Circuit& circuit : one.circuits) {
      slaves.emplace(circuit.slave.type, circuit.slave.index);
    }
    for (const PacketRule& rule : one.rules) slaves.emplace(rule.slave.type, rule.slave.index);
    use.masters += static_cast<int>(one.circuits.size() + one.masters.size());
    use.slaves += static_cast<int>(slaves.size());
    use.packet_rules += static_cast<int>(one.rules.size());
  }
  std::vector<TileUse> list;
  for (auto& [tile, use] : uses) {
    use.tile = tile;
    list.push_back(use);
  }
  return list;
}

}  // namespace tandem::npu
