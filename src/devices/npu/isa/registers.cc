// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/isa/registers.h"

#include <fmt/format.h>

#include <cctype>

#include "core/error.h"
#include "devices/npu/isa/descriptor.h"
#include "devices/npu/isa/ports.h"

namespace tandem::npu {
namespace {

using enum RegisterClass;

constexpr uint8_t kShimBit = 1;
constexpr uint8_t kMemoryBit = 2;
constexpr uint8_t kCoreBit = 4;
constexpr uint8_t kNpu1Bit = 1;
constexpr uint8_t kNpu2Bit = 2;
constexpr uint8_t kBoth = 3;

/// Registers without a place of their own in the code: `count` of them, `stride` bytes apart.
/// Several get their number behind the name.
struct Plain {
  uint8_t kinds;
  uint8_t generations;
  uint32_t offset;
  int count;
  uint32_t stride;
  RegisterClass cls;
  std::string_view name;
};

constexpr Plain kPlain[] = {
    {kCoreBit, kBoth, 0x11000, 2, 8, kObservation, "PERFORMANCE_CONTROL"},
    {kCoreBit, kBoth, 0x11020, 2, 4, kObservation, "PERFORMANCE_COUNTER"},
    {kCoreBit, kBoth, 0x11080, 2, 4, kObservation, "PERFORMANCE_COUNTER_EVENT_VALUE"},
    {kCoreBit, kBoth, 0x12000, 1, 4, kObservation, "CHECKBIT_ERROR_GENERATION"},
    {kCoreBit, kBoth, 0x12110, 1, 4, kObservation, "ECC_SCRUBBING_EVENT"},
    {kCoreBit, kBoth, 0x14000, 1, 4, kObservation, "TIMER_CONTROL"},
    {kCoreBit, kBoth, 0x14008, 1, 4, kObservation, "EVENT_GENERATE"},
    {kCoreBit, kBoth, 0x14010, 16, 4, kObservation, "EVENT_BROADCAST"},
    {kCoreBit, kBoth, 0x14050, 16, 4, kObservation, "EVENT_BROADCAST_BLOCK"},
    {kCoreBit, kBoth, 0x140D0, 3, 4, kObservation, "TRACE_CONTROL"},
    {kCoreBit, kBoth, 0x140E0, 2, 4, kObservation, "TRACE_EVENT"},
    {kCoreBit, kBoth, 0x140F0, 4, 4, kObservation, "TIMER"},
    {kCoreBit, kBoth, 0x14100, 2, 4, kObservation, "WATCHPOINT"},
    {kCoreBit, kBoth, 0x14200, 4, 4, kObservation, "EVENT_STATUS"},
    {kCoreBit, kBoth, 0x14400, 3, 4, kObservation, "COMBO_EVENT"},
    {kCoreBit, kBoth, 0x14500, 8, 4, kObservation, "EVENT_GROUP_ENABLE"},
    {kCoreBit, kBoth, 0x16000, 1, 4, kObservation, "SPARE_REG"},
    {kCoreBit, kBoth, 0x16010, 1, 4, kModule, "MEMORY_CONTROL"},
    {kCoreBit, kBoth, 0x1F100, 8, 4, kObservation, "LOCKS_EVENT_SELECTION_"},
    {kCoreBit, kBoth, 0x1F120, 1, 4, kLockOverflow, "LOCKS_OVERFLOW"},
    {kCoreBit, kBoth, 0x1F128, 1, 4, kLockUnderflow, "LOCKS_UNDERFLOW"},
    {kCoreBit, kBoth, 0x31500, 3, 4, kObservation, "PERFORMANCE_CONTROL"},
    {kCoreBit, kBoth, 0x31520, 4, 4, kObservation, "PERFORMANCE_COUNTER"},
    {kCoreBit, kBoth, 0x31580, 4, 4, kObservation, "PERFORMANCE_COUNTER_EVENT_VALUE"},
    {kCoreBit, kBoth, 0x32000, 1, 4, kCoreControl, "CORE_CONTROL"},
    {kCoreBit, kBoth, 0x32004, 1, 4, kCoreStatus, "CORE_STATUS"},
    {kCoreBit, kBoth, 0x32008, 1, 4, kDebug, "ENABLE_EVENTS"},
    {kCoreBit, kBoth, 0x3200C, 1, 4, kDebug, "RESET_EVENT"},
    {kCoreBit, kBoth, 0x32010, 3, 4, kDebug, "DEBUG_CONTROL"},
    {kCoreBit, kBoth, 0x3201C, 1, 4, kDebug, "DEBUG_STATUS"},
    {kCoreBit, kBoth, 0x32020, 4, 4, kDebug, "PC_EVENT"},
    {kCoreBit, kBoth, 0x32030, 1, 4, kDebug, "ERROR_HALT_CONTROL"},
    {kCoreBit, kBoth, 0x32034, 1, 4, kDebug, "ERROR_HALT_EVENT"},
    {kCoreBit, kBoth, 0x32038, 1, 4, kDebug, "CORE_PROCESSOR_BUS"},
    {kCoreBit, kBoth, 0x32100, 1, 4, kObservation, "ECC_CONTROL"},
    {kCoreBit | kShimBit, kBoth, 0x34000, 1, 4, kObservation, "TIMER_CONTROL"},
    {kCoreBit | kShimBit, kBoth, 0x34008, 1, 4, kObservation, "EVENT_GENERATE"},
    {kCoreBit | kShimBit, kBoth, 0x34010, 16, 4, kObservation, "EVENT_BROADCAST"},
    {kCoreBit, kBoth, 0x34050, 16, 4, kObservation, "EVENT_BROADCAST_BLOCK"},
    {kShimBit, kBoth, 0x34050, 32, 4, kObservation, "EVENT_BROADCAST_BLOCK"},
    {kCoreBit | kShimBit, kBoth, 0x340D0, 3, 4, kObservation, "TRACE_CONTROL"},
    {kCoreBit | kShimBit, kBoth, 0x340E0, 2, 4, kObservation, "TRACE_EVENT"},
    {kCoreBit | kShimBit, kBoth, 0x340F0, 4, 4, kObservation, "TIMER"},
    {kCoreBit | kShimBit, kBoth, 0x34200, 4, 4, kObservation, "EVENT_STATUS"},
    {kCoreBit | kShimBit, kBoth, 0x34400, 3, 4, kObservation, "COMBO_EVENT"},
    {kCoreBit | kShimBit, kBoth, 0x34500, 9, 4, kObservation, "EVENT_GROUP_ENABLE"},
    {kCoreBit | kShimBit, kNpu1Bit, 0x36030, 1, 4, kModule, "TILE_CONTROL"},
    {kCoreBit, kNpu2Bit, 0x60020, 1, 4, kModule, "TILE_CONTROL"},
    {kCoreBit, kBoth, 0x36040, 1, 4, kModule, "CSSD_TRIGGER"},
    {kCoreBit, kBoth, 0x36050, 1, 4, kObservation, "SPARE_REG"},
    {kCoreBit, kBoth, 0x36060, 1, 4, kCascade, "ACCUMULATOR_CONTROL"},
    {kCoreBit, kBoth, 0x36070, 1, 4, kModule, "MEMORY_CONTROL"},
    {kCoreBit, kBoth, 0x60000, 1, 4, kModule, "CLOCK_CONTROL"},
    {kCoreBit, kBoth, 0x60010, 1, 4, kModule, "RESET_CONTROL"},
    {kCoreBit | kShimBit, kBoth, 0x3F800, 3, 4, kModule, "STREAM_SWITCH_DETERMINISTIC_MERGE_ARB0_"},
    {kCoreBit | kShimBit, kBoth, 0x3F810, 3, 4, kModule, "STREAM_SWITCH_DETERMINISTIC_MERGE_ARB1_"},
    {kCoreBit | kShimBit, kBoth, 0x3FF00, 2, 4, kObservation,
     "STREAM_SWITCH_EVENT_PORT_SELECTION_"},
    {kCoreBit | kShimBit, kBoth, 0x3FF10, 1, 4, kObservation, "STREAM_SWITCH_PARITY_STATUS"},
    {kCoreBit | kShimBit, kBoth, 0x3FF20, 1, 4, kObservation, "STREAM_SWITCH_PARITY_INJECTION"},
    {kCoreBit | kShimBit, kBoth, 0x3FF30, 1, 4, kObservation, "TILE_CONTROL_PACKET_HANDLER_STATUS"},
    {kCoreBit | kShimBit, kBoth, 0x3FF34, 1, 4, kModule,
     "STREAM_SWITCH_ADAPTIVE_CLOCK_GATE_STATUS"},
    {kCoreBit | kShimBit, kBoth, 0x3FF38, 1, 4, kModule,
     "STREAM_SWITCH_ADAPTIVE_CLOCK_GATE_ABORT_PERIOD"},
    {kMemoryBit, kBoth, 0x92000, 1, 4, kObservation, "CHECKBIT_ERROR_GENERATION"},
    {kMemoryBit, kBoth, 0x92110, 1, 4, kObservation, "ECC_SCRUBBING_EVENT"},
    {kMemoryBit, kBoth, 0x94000, 1, 4, kObservation, "TIMER_CONTROL"},
    {kMemoryBit, kBoth, 0x94008, 1, 4, kObservation, "EVENT_GENERATE"},
    {kMemoryBit, kBoth, 0x94010, 16, 4, kObservation, "EVENT_BROADCAST"},
    {kMemoryBit, kBoth, 0x94050, 32, 4, kObservation, "EVENT_BROADCAST_BLOCK"},
    {kMemoryBit, kBoth, 0x940D0, 3, 4, kObservation, "TRACE_CONTROL"},
    {kMemoryBit, kBoth, 0x940E0, 2, 4, kObservation, "TRACE_EVENT"},
    {kMemoryBit, kBoth, 0x940F0, 4, 4, kObservation, "TIMER"},
    {kMemoryBit, kBoth, 0x94100, 4, 4, kObservation, "WATCHPOINT"},
    {kMemoryBit, kBoth, 0x94200, 6, 4, kObservation, "EVENT_STATUS"},
    {kMemoryBit, kBoth, 0x94400, 3, 4, kObservation, "COMBO_EVENT"},
    {kMemoryBit, kBoth, 0x94500, 9, 4, kObservation, "EVENT_GROUP_ENABLE"},
    {kMemoryBit, kBoth, 0x96000, 1, 4, kObservation, "SPARE_REG"},
    {kMemoryBit, kNpu1Bit, 0x96030, 1, 4, kModule, "TILE_CONTROL"},
    {kMemoryBit, kNpu2Bit, 0xFFF20, 1, 4, kModule, "TILE_CONTROL"},
    {kMemoryBit, kBoth, 0x96040, 1, 4, kModule, "CSSD_TRIGGER"},
    {kMemoryBit, kBoth, 0x96048, 1, 4, kModule, "MEMORY_CONTROL"},
    {kMemoryBit, kBoth, 0xA06A0, 1, 4, kObservation, "DMA_EVENT_CHANNEL_SELECTION"},
    {kMemoryBit, kNpu2Bit, kPadValueOffset, 6, 4, kPadValue, "DMA_MM2S_CONSTANT_PAD_VALUE_"},
    {kMemoryBit, kBoth, 0xB0800, 3, 4, kModule, "STREAM_SWITCH_DETERMINISTIC_MERGE_ARB0_"},
    {kMemoryBit, kBoth, 0xB0810, 3, 4, kModule, "STREAM_SWITCH_DETERMINISTIC_MERGE_ARB1_"},
    {kMemoryBit, kBoth, 0xB0F00, 2, 4, kObservation, "STREAM_SWITCH_EVENT_PORT_SELECTION_"},
    {kMemoryBit, kBoth, 0xB0F10, 1, 4, kObservation, "STREAM_SWITCH_PARITY_STATUS"},
    {kMemoryBit, kBoth, 0xB0F20, 1, 4, kObservation, "STREAM_SWITCH_PARITY_INJECTION"},
    {kMemoryBit, kBoth, 0xB0F30, 1, 4, kObservation, "TILE_CONTROL_PACKET_HANDLER_STATUS"},
    {kMemoryBit, kBoth, 0xB0F34, 1, 4, kModule, "STREAM_SWITCH_ADAPTIVE_CLOCK_GATE_STATUS"},
    {kMemoryBit, kBoth, 0xB0F38, 1, 4, kModule, "STREAM_SWITCH_ADAPTIVE_CLOCK_GATE_ABORT_PERIOD"},
    {kMemoryBit, kBoth, 0xC0400, 8, 4, kObservation, "LOCKS_EVENT_SELECTION_"},
    {kMemoryBit, kBoth, 0xC0420, 2, 4, kLockOverflow, "LOCKS_OVERFLOW_"},
    {kMemoryBit, kBoth, 0xC0428, 2, 4, kLockUnderflow, "LOCKS_UNDERFLOW_"},
    {kMemoryBit, kBoth, 0xFFF00, 1, 4, kModule, "CLOCK_CONTROL"},
    {kMemoryBit, kBoth, 0xFFF10, 1, 4, kModule, "RESET_CONTROL"},
    {kShimBit, kBoth, 0x14100, 6, 4, kObservation, "LOCKS_EVENT_SELECTION_"},
    {kShimBit, kBoth, 0x14120, 1, 4, kLockOverflow, "LOCKS_OVERFLOW"},
    {kShimBit, kBoth, 0x14128, 1, 4, kLockUnderflow, "LOCKS_UNDERFLOW"},
    {kShimBit, kBoth, 0x16000, 1, 4, kObservation, "SPARE_REG"},
    {kShimBit, kBoth, 0x1E008, 4, 4, kModule, "NOC_INTERFACE_ME_TO_NOC_SOUTH"},
    {kShimBit, kBoth, 0x1E020, 1, 4, kModule, "ME_AXIMM_CONFIG"},
    {kShimBit, kBoth, kShimMuxOffset, 1, 4, kMux, "MUX_CONFIG"},
    {kShimBit, kBoth, kShimDemuxOffset, 1, 4, kDemux, "DEMUX_CONFIG"},
    {kShimBit, kBoth, 0x31000, 2, 8, kObservation, "PERFORMANCE_CTRL"},
    {kShimBit, kBoth, 0x31020, 2, 4, kObservation, "PERFORMANCE_COUNTER"},
    {kShimBit, kBoth, 0x31080, 2, 4, kObservation, "PERFORMANCE_COUNTER_EVENT_VALUE"},
    {kShimBit, kBoth, 0x33000, 4, 4, kModule, "PL_INTERFACE_"},
    {kShimBit, kBoth, 0x35000, 21, 4, kObservation, "INTERRUPT_CONTROLLER_1ST_LEVEL_"},
    {kShimBit, kBoth, 0x36000, 1, 4, kObservation, "BISR_CACHE_CTRL"},
    {kShimBit, kNpu2Bit, 0xFFF40, 1, 4, kModule, "TILE_CONTROL"},
    {kShimBit, kBoth, 0xFFF00, 2, 4, kModule, "CLOCK_CONTROL_"},
    {kShimBit, kBoth, 0xFFF10, 2, 4, kModule, "RESET_CONTROL_"},
    {kShimBit, kBoth, 0xFFF20, 1, 4, kModule, "COLUMN_CLOCK_CONTROL"},
    {kShimBit, kBoth, 0xFFF24, 1, 4, kModule, "CSSD_TRIGGER"},
    {kShimBit, kBoth, 0xFFF28, 1, 4, kModule, "COLUMN_RESET_CONTROL"},
    {kShimBit, kBoth, 0xFFF30, 1, 4, kObservation, "SPARE_REG"},
};

constexpr uint8_t BitOf(TileKind kind) {
  return static_cast<uint8_t>(1U << static_cast<int>(kind));
}

/// Where a kind's DMA channels are: S2MM and MM2S control, and from there both statuses.
struct ChannelPlaces {
  uint32_t control[2];
  uint32_t status[2];
  uint32_t write_count;
};
const ChannelPlaces& PlacesOf(TileKind kind) {
  static constexpr ChannelPlaces kShim{{0x1D200, 0x1D210}, {0x1D220, 0x1D228}, 0x1D230};
  static constexpr ChannelPlaces kMemory{{0xA0600, 0xA0630}, {0xA0660, 0xA0680}, 0xA06B0};
  static constexpr ChannelPlaces kCore{{0x1DE00, 0x1DE10}, {0x1DF00, 0x1DF10}, 0x1DF18};
  switch (kind) {
    case TileKind::kShim: return kShim;
    case TileKind::kMemory: return kMemory;
    case TileKind::kCore: break;
  }
  return kCore;
}

/// "SOUTH3", "DMA_0": as the names of the switch's registers end.
std::string SwitchPortName(PortType type, int index, int count, bool underscore) {
  switch (type) {
    case PortType::kCore: return fmt::format("AIE_CORE{}", index);
    case PortType::kTileControl: return "TILE_CTRL";
    case PortType::kTrace: return count == 1 ? "TRACE" : index == 0 ? "AIE_TRACE" : "MEM_TRACE";
    default: break;
  }
  std::string name(PortTypeName(type));
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return fmt::format("{}{}{}", name, underscore ? "_" : "", index);
}

std::string PortRegisterName(TileKind kind, PortSide side, int number) {
  const Port port = PortOfNumber(kind, side, number);
  const int traces = kind == TileKind::kCore ? 2 : 1;
  return SwitchPortName(port.type, port.index, traces, side == PortSide::kSlave);
}

std::optional<Register> FindDma(TileKind kind, uint32_t offset) {
  const TileResources& resources = ResourcesOf(kind);
  const auto descriptors = static_cast<uint32_t>(resources.descriptors);
  const uint32_t bds = DescriptorOffset(kind, 0);
  if (offset >= bds && offset < bds + 0x20 * descriptors) {
    const int bd = static_cast<int>((offset - bds) / 0x20);
    const int word = static_cast<int>((offset - bds) % 0x20 / 4);
    if (word >= resources.descriptor_words) return std::nullopt;
    return Register{kDescriptor, bd, word, true, fmt::format("DMA_BD{}_{}", bd, word)};
  }
  const ChannelPlaces& places = PlacesOf(kind);
  const auto channels = static_cast<uint32_t>(resources.channels);
  const auto* const queue = kind == TileKind::kShim ? "TASK_QUEUE" : "START_QUEUE";
  for (const Direction direction : {Direction::kS2mm, Direction::kMm2s}) {
    const int sub = static_cast<int>(direction);
    const std::string_view name = DirectionName(direction);
    const uint32_t control = offset - places.control[sub];
    if (offset >= places.control[sub] && control < 8 * channels) {
      const int channel = static_cast<int>(control / 8);
      if (control % 8 == 0) {
        return Register{kChannelControl, channel, sub, true,
                        fmt::format("DMA_{}_{}_CTRL", name, channel)};
      }
      return Register{kChannelQueue, channel, sub, true,
                      fmt::format("DMA_{}_{}_{}", name, channel, queue)};
    }
    const uint32_t status = offset - places.status[sub];
    if (offset >= places.status[sub] && status < 4 * channels) {
      const int channel = static_cast<int>(status / 4);
      return Register{kChannelStatus, channel, sub, false,
                      fmt::format("DMA_{}_STATUS_{}", name, channel)};
    }
  }
  const uint32_t count = offset - places.write_count;
  if (offset >= places.write_count && count < 8 * channels) {
    const int channel = static_cast<int>(count / 4 % channels);
    const bool pop = count >= 4 * channels;
    return Register{
        kWriteCount, channel, pop ? 1 : 0, false,
        fmt::format("DMA_S2MM_{}_{}", pop ? "FOT_COUNT_FIFO_POP" : "CURRENT_WRITE_COUNT", channel)};
  }
  return std::nullopt;
}

std::optional<Register> FindSwitch(TileKind kind, uint32_t offset) {
  const int masters = PortCount(kind, PortSide::kMaster);
  const int slaves = PortCount(kind, PortSide::kSlave);
  if (offset >= MasterOffset(kind, 0) && offset < MasterOffset(kind, masters)) {
    const int number = static_cast<int>((offset - MasterOffset(kind, 0)) / 4);
    return Register{
        kMasterConfig, number, 0, true,
        "STREAM_SWITCH_MASTER_CONFIG_" + PortRegisterName(kind, PortSide::kMaster, number)};
  }
  if (offset >= SlaveOffset(kind, 0) && offset < SlaveOffset(kind, slaves)) {
    const int number = static_cast<int>((offset - SlaveOffset(kind, 0)) / 4);
    return Register{
        kSlaveConfig, number, 0, true,
        "STREAM_SWITCH_SLAVE_CONFIG_" + PortRegisterName(kind, PortSide::kSlave, number)};
  }
  if (offset >= SlotOffset(kind, 0, 0) && offset < SlotOffset(kind, slaves, 0)) {
    const uint32_t at = offset - SlotOffset(kind, 0, 0);
    const int number = static_cast<int>(at / 0x10);
    const int slot = static_cast<int>(at % 0x10 / 4);
    return Register{kSlaveSlot, number, slot, true,
                    fmt::format("STREAM_SWITCH_SLAVE_{}_SLOT{}",
                                PortRegisterName(kind, PortSide::kSlave, number), slot)};
  }
  return std::nullopt;
}

std::optional<Register> FindPlain(Generation generation, TileKind kind, uint32_t offset) {
  const uint8_t generation_bit = generation == Generation::kNpu1 ? kNpu1Bit : kNpu2Bit;
  for (const Plain& plain : kPlain) {
    if ((plain.kinds & BitOf(kind)) == 0 || (plain.generations & generation_bit) == 0) continue;
    if (offset < plain.offset) continue;
    const uint32_t at = offset - plain.offset;
    if (at % plain.stride != 0 || at / plain.stride >= static_cast<uint32_t>(plain.count)) continue;
    const int index = static_cast<int>(at / plain.stride);
    std::string name(plain.name);
    if (plain.count > 1) name += std::to_string(index);
    return Register{plain.cls, index, 0, plain.cls != kCoreStatus, std::move(name)};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Register> FindRegister(Generation generation, TileKind kind, uint32_t offset) {
  if (offset > kOffsetMask || offset % 4 != 0) return std::nullopt;
  const TileResources& resources = ResourcesOf(kind);
  if (offset < resources.data_bytes) {
    return Register{kDataMemory, static_cast<int>(offset), 0, true, "DATAMEMORY"};
  }
  if (offset >= kProgramOffset && offset - kProgramOffset < resources.program_bytes) {
    return Register{kProgramMemory, static_cast<int>(offset - kProgramOffset), 0, true,
                    "PROGRAM_MEMORY"};
  }
  if (auto found = FindDma(kind, offset)) return found;
  if (auto found = FindSwitch(kind, offset)) return found;
  const uint32_t locks = LockOffset(kind, 0);
  if (offset >= locks && offset < LockOffset(kind, resources.locks) && offset % 0x10 == 0) {
    const int lock = static_cast<int>((offset - locks) / 0x10);
    return Register{kLock, lock, 0, true, fmt::format("LOCK{}_VALUE", lock)};
  }
  const uint32_t request = kind == TileKind::kMemory ? 0xD0000 : 0x40000;
  if (offset >= request && offset - request < 0x400 * static_cast<uint32_t>(resources.locks)) {
    return Register{kLockRequest, static_cast<int>(offset - request), 0, false, "LOCK_REQUEST"};
  }
  if (kind == TileKind::kCore && offset >= 0x30000 && offset < 0x31500) {
    return Register{kDebug, static_cast<int>(offset - 0x30000), 0, true, "CORE_REGISTER_FILE"};
  }
  return FindPlain(generation, kind, offset);
}

std::span<const BitField> FieldsOf(TileKind kind, const Register& reg) {
  static constexpr BitField kS2mmControl[] = {{"FoT_Mode", 17, 16},
                                              {"Controller_ID", 15, 8},
                                              {"Decompression_Enable", 4, 4},
                                              {"Enable_Out_Of_Order", 3, 3},
                                              {"Reset", 1, 1}};
  static constexpr BitField kMm2sControl[] = {
      {"Controller_ID", 15, 8}, {"Compression_Enable", 4, 4}, {"Reset", 1, 1}};
  static constexpr BitField kShimS2mmControl[] = {{"FoT_Mode", 17, 16},
                                                  {"Controller_ID", 15, 8},
                                                  {"Enable_Out_Of_Order", 3, 3},
                                                  {"Pause_Stream", 2, 2},
                                                  {"Pause_Mem", 1, 1}};
  static constexpr BitField kShimMm2sControl[] = {
      {"Controller_ID", 15, 8}, {"Pause_Stream", 2, 2}, {"Pause_Mem", 1, 1}};
  static constexpr BitField kQueue[] = {
      {"Enable_Token_Issue", 31, 31}, {"Repeat_Count", 23, 16}, {"Start_BD_ID", 5, 0}};
  static constexpr BitField kMaster[] = {{"Master_Enable", 31, 31},
                                         {"Packet_Enable", 30, 30},
                                         {"Drop_Header", 7, 7},
                                         {"Configuration", 6, 0}};
  static constexpr BitField kSlave[] = {{"Slave_Enable", 31, 31}, {"Packet_Enable", 30, 30}};
  static constexpr BitField kSlot[] = {
      {"ID", 28, 24}, {"Mask", 20, 16}, {"Enable", 8, 8}, {"Msel", 5, 4}, {"Arbit", 2, 0}};
  static constexpr BitField kMuxFields[] = {
      {"South7", 15, 14}, {"South6", 13, 12}, {"South3", 11, 10}, {"South2", 9, 8}};
  static constexpr BitField kDemuxFields[] = {
      {"South5", 11, 10}, {"South4", 9, 8}, {"South3", 7, 6}, {"South2", 5, 4}};
  static constexpr BitField kControl[] = {{"Reset", 1, 1}, {"Enable", 0, 0}};
  static constexpr BitField kCascadeFields[] = {{"Output", 1, 1}, {"Input", 0, 0}};
  static constexpr BitField kLockFields[] = {{"Lock_Value", 5, 0}};
  const bool shim = kind == TileKind::kShim;
  switch (reg.cls) {
    case kChannelControl:
      if (reg.sub == 0) {
        if (shim) return kShimS2mmControl;
        return kS2mmControl;
      }
      if (shim) return kShimMm2sControl;
      return kMm2sControl;
    case kChannelQueue: return kQueue;
    case kMasterConfig: return kMaster;
    case kSlaveConfig: return kSlave;
    case kSlaveSlot: return kSlot;
    case kMux: return kMuxFields;
    case kDemux: return kDemuxFields;
    case kCoreControl: return kControl;
    case kCascade: return kCascadeFields;
    case kLock: return kLockFields;
    default: return {};
  }
}

uint32_t ChannelControlOffset(TileKind kind, Direction direction, int channel) {
  return PlacesOf(kind).control[static_cast<int>(direction)] + 8 * static_cast<uint32_t>(channel);
}
uint32_t ChannelQueueOffset(TileKind kind, Direction direction, int channel) {
  return ChannelControlOffset(kind, direction, channel) + 4;
}
uint32_t ChannelStatusOffset(TileKind kind, Direction direction, int channel) {
  return PlacesOf(kind).status[static_cast<int>(direction)] + 4 * static_cast<uint32_t>(channel);
}
uint32_t LockOffset(TileKind kind, int lock) {
  const uint32_t base = kind == TileKind::kShim     ? 0x14000
                        : kind == TileKind::kMemory ? 0xC0000
                                                    : 0x1F000;
  return base + 0x10 * static_cast<uint32_t>(lock);
}

uint32_t QueueWord(TileKind kind, int bd, int repeat, bool token) {
  const int count = ResourcesOf(kind).descriptors;
  if (bd < 0 || bd >= count) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("BD {}: a {} has BDs 0 to {}", bd, TileKindName(kind), count - 1));
  }
  if (repeat < 0 || repeat > 255) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("repeat count {}: a queue takes 0 to 255, for 1 to 256 runs", repeat));
  }
  return (token ? 0x80000000U : 0) | static_cast<uint32_t>(repeat) << 16 |
         static_cast<uint32_t>(bd);
}

}  // namespace tandem::npu
