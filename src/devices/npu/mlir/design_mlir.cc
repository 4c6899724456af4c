// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/mlir/design_mlir.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <set>
#include <string>
#include <vector>

#include "core/error.h"
#include "devices/npu/design/check.h"
#include "devices/npu/mlir/emitter.h"

namespace tandem::npu {
namespace {

/// AIEDevice in AIEAttrs.td: npu1, npu1_1col to _3col, npu2, npu2_1col to _7col.
int DeviceNumber(const Device& device) {
  const int whole = device.generation == Generation::kNpu1 ? 4 : 8;
  return device.columns == MaxColumns(device.generation) ? whole : whole + device.columns;
}

/// CascadeDir.
constexpr int kSouth = 3;
constexpr int kWest = 4;
constexpr int kNorth = 5;
constexpr int kEast = 6;

/// Bytes as a dense attribute of the buffer's type.
std::string InitialValue(const Buffer& buffer) {
  std::string hex;
  for (const uint8_t byte : buffer.init) fmt::format_to(std::back_inserter(hex), "{:02X}", byte);
  return fmt::format(", initial_value = dense<\"0x{}\"> : tensor<{}x{}>", hex, buffer.elements,
                     ElementTypeName(buffer.type));
}

void EmitTiles(MlirEmitter& emitter) {
  std::set<Tile> tiles;
  for (const TileUse& use : UseOf(emitter.design)) tiles.insert(use.tile);
  if (emitter.options.sequence) {
    for (const SequenceStep& step : emitter.options.sequence->steps) {
      if (const auto* copy = std::get_if<CopyStep>(&step)) tiles.insert(copy->channel.tile);
    }
  }
  for (const Tile tile : tiles) {
    emitter.text.Line("{} = \"aie.tile\"() <{{col = {} : i32, row = {} : i32}}> : () -> index",
                      MlirEmitter::NameOf(tile), tile.column, tile.row);
  }
}

void EmitMemory(MlirEmitter& emitter) {
  const Design& design = emitter.design;
  for (size_t i = 0; i < design.locks.size(); ++i) {
    const Lock& lock = design.locks[i];
    const std::string name =
        lock.name.empty() ? "" : fmt::format(", sym_name = {}", MlirString(lock.name));
    emitter.text.Line(
        "%lock{} = \"aie.lock\"({}) <{{init = {} : i32, lockID = {} : i32{}}}> : (index) -> index",
        i, MlirEmitter::NameOf(lock.tile), lock.init, lock.id, name);
  }
  for (size_t i = 0; i < design.buffers.size(); ++i) {
    const Buffer& buffer = design.buffers[i];
    const std::string name =
        MlirString(buffer.name.empty() ? fmt::format("buffer_{}", i) : buffer.name);
    if (!buffer.tile) {
      emitter.text.Line(
          "%buffer{} = \"aie.external_buffer\"() <{{address = {} : i64, sym_name = {}}}> : () -> "
          "{}",
          i, buffer.address, name, emitter.BufferType(i));
      continue;
    }
    emitter.text.Line(
        "%buffer{} = \"aie.buffer\"({}) <{{address = {} : i32, sym_name = {}{}}}> : (index) -> {}",
        i, MlirEmitter::NameOf(*buffer.tile), buffer.address, name,
        buffer.init.empty() ? "" : InitialValue(buffer), emitter.BufferType(i));
  }
}

void CheckInitialValues(const Design& design) {
  for (const Buffer& buffer : design.buffers) {
    const int64_t bytes = buffer.elements * ElementBytes(buffer.type);
    if (!buffer.init.empty() && static_cast<int64_t>(buffer.init.size()) != bytes) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("buffer {}: {} bytes of content for {} in MLIR",
                              Printable(buffer.name), buffer.init.size(), bytes));
    }
  }
}

}  // namespace

MlirEmitter::MlirEmitter(const Design& the_design, const MlirOptions& the_options)
    : design(the_design), options(the_options) {
  for (size_t i = 0; i < design.locks.size(); ++i) {
    locks[{design.locks[i].tile, design.locks[i].id}] = i;
  }
}

std::string MlirEmitter::NameOf(Tile tile) {
  return fmt::format("%tile_{}_{}", tile.column, tile.row);
}

std::string MlirEmitter::BufferType(size_t buffer) const {
  return MemRefType(design.buffers[buffer].type, design.buffers[buffer].elements);
}

void MlirEmitter::UseLock(size_t lock, int action, int64_t value) {
  text.Line("\"aie.use_lock\"(%lock{}) <{{action = {} : i32, value = {} : i32}}> : (index) -> ()",
            lock, action, value);
}

std::string MlirEmitter::Constant(int64_t value, const char* type) {
  std::string name = text.NewValue();
  text.Line("{} = \"arith.constant\"() <{{value = {} : {}}}> : () -> {}", name, value, type, type);
  return name;
}

std::string KernelSymbol(const std::string& kernel) { return "tandem_" + kernel; }

std::string DesignMlir(const Design& design, const MlirOptions& options) {
  const std::vector<std::string> problems = CheckLimits(design);
  if (!problems.empty()) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format(
            "the design is beyond the hardware: {}{}", problems.front(),
            problems.size() == 1 ? "" : fmt::format(" (and {} more)", problems.size() - 1)));
  }
  CheckInitialValues(design);
  const auto kernels = KernelsOf(design);
  if (!kernels.empty() && options.kernel_object.empty()) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("cores call {}: which file has it?", kernels.begin()->first));
  }
  MlirEmitter emitter(design, options);
  MlirText& text = emitter.text;
  text.Open("\"builtin.module\"() ({{");
  EmitKernels(emitter, /*in_device=*/false);
  text.Open("\"aie.device\"() <{{device = {} : i32, sym_name = \"main\"}}> ({{",
            DeviceNumber(design.device));
  EmitKernels(emitter, /*in_device=*/true);
  EmitTiles(emitter);
  EmitMemory(emitter);
  for (const TileDma& dma : design.dmas) EmitDma(emitter, dma);
  for (const StreamSwitch& one : design.switches) EmitSwitch(emitter, one);
  for (const ShimMux& mux : design.shim_muxes) EmitShimMux(emitter, mux);
  for (const Cascade& cascade : design.cascades) {
    text.Line(
        "\"aie.configure_cascade\"({}) <{{inputDir = {} : i32, outputDir = {} : i32}}> : (index) "
        "-> ()",
        MlirEmitter::NameOf(cascade.tile), cascade.from_west ? kWest : kNorth,
        cascade.to_east ? kEast : kSouth);
  }
  for (const Core& core : design.cores) EmitCore(emitter, core);
  if (options.sequence) EmitSequence(emitter, *options.sequence);
  text.Line("\"aie.end\"() : () -> ()");
  text.Close("}}) : () -> ()");
  text.Close("}}) : () -> ()");
  return text.Take();
}

}  // namespace tandem::npu
