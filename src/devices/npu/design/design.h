// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A design at the lowered level: everything placed, routed and addressed. From it come the words
// that configure the array.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/json_document.h"
#include "devices/npu/design/core_steps.h"
#include "devices/npu/design/model.h"
#include "devices/npu/isa/ports.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {

struct Core {
  Tile tile;
  std::string elf;                ///< Name of the program's file; empty for none.
  std::vector<CoreStep> program;  ///< What it does, for the emulator; empty where nobody says.
};

/// A channel that a design starts before any run: `repeat` is runs - 1.
struct StaticChannel {
  Direction direction = Direction::kS2mm;
  int channel = 0;
  int repeat = 0;
  int first_bd = 0;
  std::optional<uint32_t> pad_value;  ///< What a memory tile pads with. npu2 alone.
};

/// The DMA of a tile: BDs in the order in which they are written.
struct TileDma {
  Tile tile;
  std::vector<StaticChannel> channels;
  std::vector<Transfer> transfers;  ///< With bd; next is a BD.
};

struct Circuit {
  Port slave;
  Port master;
};
/// A master that takes packets: of one arbiter, those with one of the selectors.
struct PacketMaster {
  Port master;
  int arbiter = 0;
  uint32_t selectors = 0;  ///< Mask.
  bool keep_header = true;
};
struct PacketRule {
  Port slave;
  uint32_t id = 0;
  uint32_t mask = 0;
  int arbiter = 0;
  int selector = 0;
};
struct StreamSwitch {
  Tile tile;
  std::vector<Circuit> circuits;
  std::vector<PacketMaster> masters;
  std::vector<PacketRule> rules;
};
/// Between a shim's DMA and its switch: DMA MM2S n to North s means the switch's South slave s,
/// North s to DMA n its South master s to S2MM n.
struct ShimMux {
  Tile tile;
  std::vector<Circuit> circuits;
};
/// The wide connection between cores: in from North or West, out to South or East.
struct Cascade {
  Tile tile;
  bool from_west = false;
  bool to_east = false;
};

struct Design {
  Device device;
  std::vector<Lock> locks;
  std::vector<Buffer> buffers;
  std::vector<Core> cores;
  std::vector<TileDma> dmas;
  std::vector<StreamSwitch> switches;
  std::vector<ShimMux> shim_muxes;
  std::vector<Cascade> cascades;
};

/// Bytes of a core's program by its file's name. Throws Error when there is none.
using ProgramLoader = std::function<std::vector<std::byte>(const std::string& name)>;

/// The configuration as a stream, in MLIR-AIE's order: programs; core resets and their locks;
/// locks; contents of buffers; BDs, pushes and control by tile, cores first, then memory tiles,
/// then shims; switches; multiplexers; cascades; core enables. Throws Error kInvalidArgument for
/// what the hardware does not have; what the loader throws; kCorruptFile for programs that are no
/// AIE executables.
Stream EncodeConfiguration(const Design& design, const ProgramLoader& load_program);

/// Reads a design out of an untrusted document in the form of the lowered MLIR-AIE design. Throws
/// Error kCorruptFile.
Design ReadDesign(const JsonDocument& document, std::string_view name);
/// The same from a file of at most 64 MB. Throws Error: kNotFound, kIo, kCorruptFile, kUnsupported.
Design LoadDesign(const std::filesystem::path& path);
/// Loads programs that lie beside the design's file, and none from elsewhere.
ProgramLoader ProgramsBeside(const std::filesystem::path& design);

}  // namespace tandem::npu
