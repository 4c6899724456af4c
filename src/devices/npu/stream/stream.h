// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The runtime instruction stream ("transaction", TXN) that the NPU's firmware interprets: register
// writes, patches of buffer addresses, waits. Streams own what they hold; reading and writing are
// pure functions.
//
// Sources: aie-rt, driver/src/global/xaiegbl.h (headers of both encodings); MLIR-AIE,
// include/aie/Runtime/TxnEncoding.h (opcodes, custom operations).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <variant>
#include <vector>

#include "devices/npu/isa/tile.h"

namespace tandem::npu {

/// Writes one register. Addresses are AddressOf(tile, offset).
struct WriteOp {
  uint32_t address = 0;
  uint32_t value = 0;
  friend bool operator==(const WriteOp&, const WriteOp&) = default;
};
/// Writes registers that follow one another.
struct BlockWriteOp {
  uint32_t address = 0;
  std::vector<uint32_t> data;
  /// column | row << 8 where the compiler repeats them beside the address, else 0. Without effect.
  uint32_t place = 0;
  friend bool operator==(const BlockWriteOp&, const BlockWriteOp&) = default;
};
/// register = (register & ~mask) | (value & mask).
struct MaskWriteOp {
  uint32_t address = 0;
  uint32_t value = 0;
  uint32_t mask = 0;
  friend bool operator==(const MaskWriteOp&, const MaskWriteOp&) = default;
};
/// Waits until (register & mask) == value.
struct MaskPollOp {
  uint32_t address = 0;
  uint32_t value = 0;
  uint32_t mask = 0;
  bool busy = false;  ///< Without giving way to others.
  friend bool operator==(const MaskPollOp&, const MaskPollOp&) = default;
};
struct NoopOp {
  friend bool operator==(const NoopOp&, const NoopOp&) = default;
};
/// A point at which another context may take over.
struct PreemptOp {
  uint8_t level = 0;  ///< 0 no-op, 1 memory tiles, 2 all tiles, 3 registers too: what is saved.
  friend bool operator==(const PreemptOp&, const PreemptOp&) = default;
};
/// Loads another configuration.
struct LoadPdiOp {
  uint16_t id = 0;
  uint32_t size = 0;
  uint64_t address = 0;
  friend bool operator==(const LoadPdiOp&, const LoadPdiOp&) = default;
};
/// Scratch memory of the firmware. Firmware of 2025-26 alone.
struct CreateScratchpadOp {
  uint8_t usage = 0;
  uint32_t size = 0;
  friend bool operator==(const CreateScratchpadOp&, const CreateScratchpadOp&) = default;
};
struct UpdateFromScratchpadOp {
  uint8_t index = 0;
  uint8_t function = 0;  ///< 0 multiply, 1 increment, 2 decrement.
  uint32_t argument = 0;
  uint32_t address = 0;
  friend bool operator==(const UpdateFromScratchpadOp&, const UpdateFromScratchpadOp&) = default;
};
/// Waits for one task-complete token of this channel from every tile of a rectangle.
struct SyncOp {
  uint8_t column = 0;
  uint8_t row = 0;
  Direction direction = Direction::kS2mm;
  uint8_t channel = 0;
  uint8_t columns = 1;
  uint8_t rows = 1;
  friend bool operator==(const SyncOp&, const SyncOp&) = default;
};
/// Adds the device address of a kernel argument, and `offset`, into the two address words of a shim
/// BD: `address` is the BD's second word.
struct AddressPatchOp {
  uint32_t address = 0;
  uint32_t argument = 0;
  uint64_t offset = 0;
  friend bool operator==(const AddressPatchOp&, const AddressPatchOp&) = default;
};
struct ReadRegistersOp {
  std::vector<uint32_t> addresses;
  friend bool operator==(const ReadRegistersOp&, const ReadRegistersOp&) = default;
};
struct RecordTimerOp {
  uint32_t id = 0;
  friend bool operator==(const RecordTimerOp&, const RecordTimerOp&) = default;
};
/// Waits for as many tokens from the first columns.
struct MergeSyncOp {
  uint8_t tokens = 0;
  uint8_t columns = 0;
  friend bool operator==(const MergeSyncOp&, const MergeSyncOp&) = default;
};

using StreamOp = std::variant<WriteOp, BlockWriteOp, MaskWriteOp, MaskPollOp, NoopOp, PreemptOp,
                              LoadPdiOp, CreateScratchpadOp, UpdateFromScratchpadOp, SyncOp,
                              AddressPatchOp, ReadRegistersOp, RecordTimerOp, MergeSyncOp>;

/// How operations are laid out: version 0.1, or the shorter 1.0. Firmware takes both.
enum class Encoding : uint8_t {
  kPlain,
  kOptimized
};

struct Stream {
  Device device;
  Encoding encoding = Encoding::kPlain;
  std::vector<StreamOp> ops;
  friend bool operator==(const Stream&, const Stream&) = default;
};

/// The words of a stream, header included. Throws Error kInvalidArgument for an operation that no
/// words can say: kernel arguments above 255 in the shorter encoding, stream above 4 GB.
std::vector<uint32_t> WriteStream(const Stream& stream);

/// Untrusted bytes as words, little endian; `name` (printable) stands for the file in errors.
/// Throws Error kCorruptFile for bytes that are no whole number of them.
std::vector<uint32_t> WordsOf(std::span<const std::byte> bytes, std::string_view name);

/// What ReadStream found: offsets are word indices in the file, one per operation.
struct ReadResult {
  Stream stream;
  std::vector<size_t> offsets;
};
/// Reads a whole stream out of untrusted bytes; `name` (printable) stands for the file in errors.
/// Bits that MLIR-AIE leaves 0 and firmware ignores (older writers of word 0) are dropped. Throws
/// Error: kCorruptFile for bytes that contradict the header or themselves, kUnsupported for the
/// format before TXN, other devices, and operations whose layout nothing public tells.
ReadResult ReadStream(std::span<const std::byte> bytes, std::string_view name);

/// "WRITE", "BLOCKWRITE", ...: as AMD's disassembler calls them, without its prefix.
std::string_view OpName(const StreamOp& op);

}  // namespace tandem::npu
