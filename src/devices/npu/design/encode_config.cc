// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <map>
#include <string>

#include "core/error.h"
#include "devices/npu/design/core_program.h"
#include "devices/npu/design/design.h"
#include "devices/npu/design/lower.h"
#include "devices/npu/isa/descriptor.h"
#include "devices/npu/isa/registers.h"

namespace tandem::npu {
namespace {

[[noreturn]] void Fail(std::string_view where, const std::string& problem) {
  throw Error(ErrorKind::kInvalidArgument, fmt::format("{}: {}", where, problem));
}

std::vector<uint32_t> WordsOf(const std::vector<uint8_t>& bytes) {
  std::vector<uint32_t> words((bytes.size() + 3) / 4);
  for (size_t i = 0; i < bytes.size(); ++i) words[i / 4] |= uint32_t{bytes[i]} << (8 * (i % 4));
  return words;
}

class Encoder {
 public:
  Encoder(const Design& design, const ProgramLoader& load_program)
      : design_(design), load_program_(load_program) {
    stream_.device = design.device;
  }

  Stream Run() {
    for (const Core& core : design_.cores) {
      if (!core.elf.empty()) LoadProgram(core);
    }
    for (const Core& core : design_.cores) {
      MaskWrite(core.tile, kCoreControlOffset, kCoreReset, kCoreReset);
      MaskWrite(core.tile, kCoreControlOffset, 0, kCoreReset);
      for (int lock = 0; lock < ResourcesOf(TileKind::kCore).locks; ++lock) {
        Write(core.tile, LockOffset(TileKind::kCore, lock), 0);
      }
    }
    for (const Lock& lock : design_.locks) {
      Check(lock.tile, "locks");
      Write(lock.tile, LockOffset(KindOf(lock.tile), lock.id), static_cast<uint32_t>(lock.init));
    }
    for (const Buffer& buffer : design_.buffers) {
      if (!buffer.init.empty()) WriteContent(buffer);
    }
    for (const TileKind kind : {TileKind::kCore, TileKind::kMemory, TileKind::kShim}) {
      for (const TileDma& dma : design_.dmas) {
        if (KindOf(dma.tile) == kind) WriteDma(dma);
      }
    }
    for (const StreamSwitch& one : design_.switches) WriteSwitch(one);
    for (const ShimMux& mux : design_.shim_muxes) WriteMux(mux);
    for (const Cascade& cascade : design_.cascades) {
      Check(cascade.tile, "cascades");
      Write(cascade.tile, kCascadeOffset,
            (cascade.from_west ? 1U : 0U) | (cascade.to_east ? 2U : 0U));
    }
    for (const Core& core : design_.cores) {
      MaskWrite(core.tile, kCoreControlOffset, kCoreEnable, kCoreEnable);
    }
    return std::move(stream_);
  }

 private:
  void Check(Tile tile, std::string_view where) const { CheckTile(design_.device, tile, where); }
  void Write(Tile tile, uint32_t offset, uint32_t value) {
    stream_.ops.push_back(WriteOp{AddressOf(tile, offset), value});
  }
  void MaskWrite(Tile tile, uint32_t offset, uint32_t value, uint32_t mask) {
    stream_.ops.push_back(MaskWriteOp{AddressOf(tile, offset), value, mask});
  }
  void BlockWrite(Tile tile, uint32_t offset, std::vector<uint32_t> words) {
    stream_.ops.push_back(BlockWriteOp{AddressOf(tile, offset), std::move(words), 0});
  }

  void LoadProgram(const Core& core) {
    const auto bytes = load_program_(core.elf);
    const auto segments = ReadCoreProgram(bytes, Printable(core.elf));
    const auto hold_channels = [&](uint32_t value) {
      for (const Direction direction : {Direction::kMm2s, Direction::kS2mm}) {
        for (int channel = 0; channel < ResourcesOf(TileKind::kCore).channels; ++channel) {
          MaskWrite(core.tile, ChannelControlOffset(TileKind::kCore, direction, channel), value,
                    kChannelReset);
        }
      }
    };
    MaskWrite(core.tile, kCoreControlOffset, 0, kCoreEnable);
    hold_channels(kChannelReset);
    for (const ProgramSegment& segment : segments) {
      BlockWrite(core.tile, segment.offset, segment.words);
    }
    hold_channels(0);
  }

  void WriteContent(const Buffer& buffer) {
    const auto where = fmt::format("buffer {}", Printable(buffer.name));
    Check(*buffer.tile, where);
    if (buffer.address % 4 != 0) Fail(where, "does not start at a 32-bit word");
    BlockWrite(*buffer.tile, static_cast<uint32_t>(buffer.address), WordsOf(buffer.init));
  }

  void WriteDma(const TileDma& dma) {
    const TileKind kind = KindOf(dma.tile);
    const std::string tile = TileText(dma.tile);
    for (const Transfer& transfer : dma.transfers) {
      const auto where = fmt::format("{}, BD {}", tile, *transfer.bd);
      const Buffer& buffer = design_.buffers[transfer.buffer];
      CheckInside(transfer, buffer.elements, where);
      Descriptor bd;
      LowerStaticShape(kind, transfer, where, bd);
      LowerControl(dma.tile, transfer, where, bd);
      if (transfer.next) {
        bd.use_next = 1;
        bd.next = *transfer.next;
      }
      if (kind == TileKind::kShim) {
        if (buffer.tile) Fail(where, "a shim moves memory of the host");
        bd.base = buffer.address + transfer.offset * ElementBytes(transfer.type);
        bd.burst = transfer.burst.value_or(0) == 0
                       ? LargestBurst(design_.device.generation)
                       : BurstCode(design_.device.generation, *transfer.burst);
      } else {
        bd.base = TileAddress(dma.tile, buffer, transfer, where);
      }
      BlockWrite(dma.tile, DescriptorOffset(kind, *transfer.bd), PackDescriptor(kind, bd));
    }
    for (const StaticChannel& channel : dma.channels) StartChannel(dma, channel);
  }

  void StartChannel(const TileDma& dma, const StaticChannel& channel) {
    const TileKind kind = KindOf(dma.tile);
    const auto where = ChannelText({dma.tile, channel.direction, channel.channel});
    CheckReach(dma, channel, where);
    if (channel.pad_value) {
      if (kind != TileKind::kMemory || channel.direction != Direction::kMm2s) {
        Fail(where, "only a memory tile's MM2S channels pad");
      }
      if (design_.device.generation == Generation::kNpu1) {
        Fail(where, "npu1 has no register for the value it pads with: it pads with zeros");
      }
      Write(dma.tile, kPadValueOffset + 4 * static_cast<uint32_t>(channel.channel),
            *channel.pad_value);
    }
    // A shim's transfers to the host tell when they are done; nobody listens to the others.
    const bool token = kind == TileKind::kShim && channel.direction == Direction::kS2mm;
    Write(dma.tile, ChannelQueueOffset(kind, channel.direction, channel.channel),
          QueueWord(kind, channel.first_bd, channel.repeat, token));
    // "Enable" of the compiler's back end. No bit of these parts, but it clears the controller id.
    Write(dma.tile, ChannelControlOffset(kind, channel.direction, channel.channel), 1);
  }

  /// Follows the chain: BDs must be there and within the channel's reach.
  static void CheckReach(const TileDma& dma, const StaticChannel& channel, std::string_view where) {
    std::map<int, const Transfer*> bds;
    for (const Transfer& transfer : dma.transfers) bds[*transfer.bd] = &transfer;
    int id = channel.first_bd;
    for (size_t steps = 0; steps <= dma.transfers.size(); ++steps) {
      if (!ChannelReaches(KindOf(dma.tile), channel.channel, id)) {
        Fail(where,
             fmt::format("BD {} is out of its reach: a memory tile's even channels have BDs 0 "
                         "to 23, odd ones 24 to 47",
                         id));
      }
      const auto bd = bds.find(id);
      if (bd == bds.end()) Fail(where, fmt::format("there is no BD {}", id));
      if (!bd->second->next) return;
      id = *bd->second->next;
    }
  }

  int Number(const StreamSwitch& one, PortSide side, Port port) const {
    const auto number = PortNumber(KindOf(one.tile), side, port);
    if (!number) {
      Fail(TileText(one.tile),
           fmt::format("has no {} port {}", side == PortSide::kMaster ? "master" : "slave",
                       PortText(port)));
    }
    return *number;
  }

  void WriteSwitch(const StreamSwitch& one) {
    const TileKind kind = KindOf(one.tile);
    Check(one.tile, "switches");
    for (const Circuit& circuit : one.circuits) {
      const int slave = Number(one, PortSide::kSlave, circuit.slave);
      Write(one.tile, MasterOffset(kind, Number(one, PortSide::kMaster, circuit.master)),
            CircuitMasterWord(slave));
      Write(one.tile, SlaveOffset(kind, slave), kCircuitSlaveWord);
    }
    for (const PacketMaster& master : one.masters) {
      Write(one.tile, MasterOffset(kind, Number(one, PortSide::kMaster, master.master)),
            PacketMasterWord(master.arbiter, master.selectors, master.keep_header));
    }
    std::map<int, int> slots;
    for (const PacketRule& rule : one.rules) {
      const int slave = Number(one, PortSide::kSlave, rule.slave);
      const int slot = slots[slave]++;
      if (slot >= kSlotsPerSlave) {
        Fail(TileText(one.tile),
             fmt::format("{} has more than {} packet rules", PortText(rule.slave), kSlotsPerSlave));
      }
      Write(one.tile, SlaveOffset(kind, slave), kPacketSlaveWord);
      Write(one.tile, SlotOffset(kind, slave, slot),
            SlotWord(rule.id, rule.mask, rule.arbiter, rule.selector));
    }
  }

  void WriteMux(const ShimMux& mux) {
    const std::string where = TileText(mux.tile);
    for (const Circuit& circuit : mux.circuits) {
      const bool to_array = circuit.slave.type == PortType::kDma &&
                            circuit.master.type == PortType::kNorth && circuit.slave.index < 2 &&
                            circuit.slave.index >= 0 &&
                            circuit.master.index == ShimSlaveOfMm2s(circuit.slave.index);
      const bool to_host = circuit.master.type == PortType::kDma &&
                           circuit.slave.type == PortType::kNorth && circuit.master.index < 2 &&
                           circuit.master.index >= 0 &&
                           circuit.slave.index == ShimMasterOfS2mm(circuit.master.index);
      if (!to_array && !to_host) {
        Fail(where, fmt::format("the multiplexer does not connect {} to {}",
                                PortText(circuit.slave), PortText(circuit.master)));
      }
      const int bit =
          to_array ? *ShimMuxBit(circuit.master.index) : *ShimDemuxBit(circuit.slave.index);
      MaskWrite(mux.tile, to_array ? kShimMuxOffset : kShimDemuxOffset, 1U << bit, 3U << bit);
    }
  }

  const Design& design_;
  const ProgramLoader& load_program_;
  Stream stream_;
};

}  // namespace

Stream EncodeConfiguration(const Design& design, const ProgramLoader& load_program) {
  return Encoder(design, load_program).Run();
}

}  // namespace tandem::npu
