// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// A runtime sequence: what the host asks of the array in one run, in the form of MLIR-AIE's runtime
// operations, and its instruction stream.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/json_document.h"
#include "devices/npu/design/model.h"
#include "devices/npu/isa/descriptor.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {

/// A kernel argument: a buffer of the host.
struct Argument {
  ElementType type = ElementType::kI32;
  int64_t elements = 0;
};

/// Operations that are one of the stream's already.
struct StreamOpStep {
  StreamOp op;
};
/// One BD of raw register values. Its base is a byte offset on shim and core tiles, words on memory
/// tiles.
struct WriteDescriptorStep {
  Tile tile;
  int bd = 0;
  Descriptor descriptor;
};
/// Pushes a BD to a channel; `repeat` is runs - 1.
struct PushStep {
  Channel channel;
  int bd = 0;
  int repeat = 0;
  bool token = false;
};
/// Writes word `index` of a tile's buffer.
struct ParameterStep {
  size_t buffer = 0;
  int64_t index = 0;
  uint32_t value = 0;
};
struct SetLockStep {
  size_t lock = 0;
  int64_t value = 0;
};
/// A transfer of up to four dimensions between a kernel argument and a shim's channel: BD, address,
/// push. Transfers to the host always issue a token.
struct CopyStep {
  Channel channel;
  Transfer transfer;  ///< With bd; the offset in elements.
  bool token = false;
};
/// Waits for one token of a channel.
struct WaitStep {
  Channel channel;
};
/// Writes the BDs of a task, which StartStep pushes.
struct ConfigureStep {
  std::string task;
  Channel channel;
  std::vector<Transfer> transfers;
  int repeat = 0;
  bool token = false;
  std::optional<Packet> packet;
  /// Of a shim: addresses are the patches' alone, and BDs have 0 there. MLIR-AIE leaves an
  /// argument's offset in them, too.
  bool patched = false;
};
struct StartStep {
  std::string task;
};
/// Waits for a task, or does not; its BD ids are free afterwards.
struct FinishStep {
  std::string task;
  bool wait = true;
};
/// Stops a channel and lets it go again, with an empty queue.
struct ResetChannelStep {
  Channel channel;
};
struct ResetCoreStep {
  Tile tile;
};

using SequenceStep =
    std::variant<StreamOpStep, WriteDescriptorStep, PushStep, ParameterStep, SetLockStep, CopyStep,
                 WaitStep, ConfigureStep, StartStep, FinishStep, ResetChannelStep, ResetCoreStep>;

struct Sequence {
  Device device;
  std::vector<Argument> arguments;
  std::vector<Buffer> buffers;
  std::vector<Lock> locks;
  /// Tiles whose tokens carry an id of their own in the header.
  std::map<Tile, int> controller_ids;
  std::vector<SequenceStep> steps;
};

/// Who passes the addresses of kernel arguments.
enum class ArgumentFlow : uint8_t {
  kInstructionBuffer,  ///< Firmware translates arguments 0 to 4; later ones get the DDR aperture.
  kElf,                ///< XRT translates all.
};

/// The stream of a sequence, step by step as MLIR-AIE lowers it. Throws Error kInvalidArgument that
/// names the step where the hardware or the rules of the compiler forbid it.
Stream EncodeSequence(const Sequence& sequence,
                      ArgumentFlow flow = ArgumentFlow::kInstructionBuffer);

/// Reads a sequence out of an untrusted document: an entry of streams (`ops`), or a design with a
/// sequence (`sequence_ops`). `name` (printable) stands for the file in errors. Throws Error
/// kCorruptFile.
Sequence ReadSequence(const JsonDocument& document, std::string_view name);
/// The same from a file of at most kMostJsonBytes. Throws Error: kNotFound, kIo, kCorruptFile,
/// kUnsupported.
Sequence LoadSequence(const std::filesystem::path& path);
inline constexpr uint64_t kMostJsonBytes = 64 << 20;

}  // namespace tandem::npu
