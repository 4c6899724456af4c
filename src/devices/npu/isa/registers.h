// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The register map of a tile: what lies at an offset, what AMD calls it, and how its value reads.
// Pure functions.
//
// Sources: aie-rt's xaiemlgbl_params.h (npu1) and xaie2pgbl_params.h (npu2), names as there. Both
// differ only in TILE_CONTROL, the pad values of memory tiles and the debug window of the core.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "devices/npu/isa/tile.h"

namespace tandem::npu {

enum class RegisterClass : uint8_t {
  kDataMemory,      ///< index: byte offset.
  kProgramMemory,   ///< index: byte offset.
  kDescriptor,      ///< index: BD, sub: word.
  kChannelControl,  ///< index: channel, sub: 0 S2MM, 1 MM2S; the same for the next three.
  kChannelQueue,
  kChannelStatus,
  kWriteCount,
  kPadValue,      ///< index: MM2S channel.
  kLock,          ///< index: lock.
  kLockOverflow,  ///< index: register, 32 locks each.
  kLockUnderflow,
  kLockRequest,   ///< index: byte offset in the window; reads there acquire and release.
  kMasterConfig,  ///< index: port number.
  kSlaveConfig,   ///< index: port number.
  kSlaveSlot,     ///< index: port number of the slave, sub: slot.
  kMux,           ///< Shim.
  kDemux,         ///< Shim.
  kCoreControl,
  kCoreStatus,
  kCascade,      ///< ACCUMULATOR_CONTROL: where the core's cascade comes from and goes to.
  kModule,       ///< Clocks, resets, isolation.
  kDebug,        ///< The core's own registers.
  kObservation,  ///< Events, timers, trace, counters, error injection: no effect on data.
};

struct Register {
  RegisterClass cls;
  int index = 0;
  int sub = 0;
  bool writable = true;
  std::string name;  ///< "DMA_BD3_1".
};

/// The register at byte `offset` of a tile, or nothing where there is none. Offsets that are no
/// multiple of 4 have none.
std::optional<Register> FindRegister(Generation generation, TileKind kind, uint32_t offset);

/// Bits [high:low] of a register.
struct BitField {
  std::string_view name;
  uint8_t high;
  uint8_t low;
};
/// The fields of a register that has some worth naming; BD words have DescriptorFields.
std::span<const BitField> FieldsOf(TileKind kind, const Register& reg);
constexpr uint32_t FieldValue(const BitField& field, uint32_t value) {
  return value >> field.low &
         static_cast<uint32_t>((uint64_t{1} << (field.high - field.low + 1)) - 1);
}

/// Offsets inside a tile.
uint32_t ChannelControlOffset(TileKind kind, Direction direction, int channel);
uint32_t ChannelQueueOffset(TileKind kind, Direction direction, int channel);
uint32_t ChannelStatusOffset(TileKind kind, Direction direction, int channel);
uint32_t LockOffset(TileKind kind, int lock);
inline constexpr uint32_t kPadValueOffset = 0xA06E0;  ///< Memory tile of npu2, + 4 x channel.
inline constexpr uint32_t kCoreControlOffset = 0x32000;
inline constexpr uint32_t kCascadeOffset = 0x36060;
inline constexpr uint32_t kProgramOffset = 0x20000;

/// Bits of CORE_CONTROL, and of a channel's control register.
inline constexpr uint32_t kCoreEnable = 1;
inline constexpr uint32_t kCoreReset = 2;
inline constexpr uint32_t kChannelReset = 2;  ///< Not on a shim.
/// The part of a channel's control register that says whose token it is.
inline constexpr uint32_t kControllerIdShift = 8;
inline constexpr uint32_t kControllerIdMask = 0x1F00;

/// A push to a channel's queue: `repeat` is runs - 1. Throws Error kInvalidArgument for a BD that
/// the tile does not have or more than 256 runs.
uint32_t QueueWord(TileKind kind, int bd, int repeat, bool token);
/// Pushes that a queue holds, beside the one that runs (aie-rt: StartQSizeMax).
inline constexpr int kQueueDepth = 4;
/// Pushes of a channel on their way: one runs, the others wait.
inline constexpr int kMostPushes = kQueueDepth + 1;
/// The id in a shim's tokens, which its switch sends to the firmware.
inline constexpr int kShimController = 15;

}  // namespace tandem::npu
