// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <initializer_list>
#include <iterator>
#include <utility>

#include "core/error.h"
#include "devices/npu/stream/opcodes.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {
namespace {

uint32_t Low(uint64_t value) { return static_cast<uint32_t>(value); }
uint32_t High(uint64_t value) { return static_cast<uint32_t>(value >> 32); }

class Writer {
 public:
  explicit Writer(Encoding encoding) : short_(encoding == Encoding::kOptimized) {}

  std::vector<uint32_t> words{0, 0, 0, 0};  // the header comes last

  void operator()(const WriteOp& op) {
    if (short_) {
      Put({opcode::kWrite, op.address, op.value});
    } else {
      Put({opcode::kWrite, 0, op.address, 0, op.value, 24});
    }
  }
  void operator()(const BlockWriteOp& op) {
    const size_t header = short_ ? 3 : 4;
    const uint32_t bytes = Bytes(header + op.data.size());
    if (short_) {
      Put({opcode::kBlockWrite, op.address, bytes});
    } else {
      Put({opcode::kBlockWrite, op.place, op.address, bytes});
    }
    words.insert(words.end(), op.data.begin(), op.data.end());
  }
  void operator()(const MaskWriteOp& op) {
    Masked(opcode::kMaskWrite, op.address, op.value, op.mask);
  }
  void operator()(const MaskPollOp& op) {
    Masked(op.busy ? opcode::kMaskPollBusy : opcode::kMaskPoll, op.address, op.value, op.mask);
  }
  void operator()(const NoopOp&) { Put({opcode::kNoop}); }
  void operator()(const PreemptOp& op) { Put({opcode::kPreempt | uint32_t{op.level} << 8}); }
  void operator()(const LoadPdiOp& op) {
    Put({opcode::kLoadPdi | uint32_t{op.id} << 16, op.size, Low(op.address), High(op.address)});
  }
  void operator()(const CreateScratchpadOp& op) {
    Put({opcode::kCreateScratchpad | uint32_t{op.usage} << 8, op.size, 0, 0});
  }
  void operator()(const UpdateFromScratchpadOp& op) {
    Put({opcode::kUpdateRegister | uint32_t{op.index} << 8 | uint32_t{op.function} << 16,
         op.argument, op.address});
  }
  void operator()(const SyncOp& op) {
    const uint32_t direction = op.direction == Direction::kMm2s ? 1 : 0;
    Put({opcode::kSync, 16, direction | uint32_t{op.row} << 8 | uint32_t{op.column} << 16,
         uint32_t{op.rows} << 8 | uint32_t{op.columns} << 16 | uint32_t{op.channel} << 24});
  }
  void operator()(const AddressPatchOp& op) {
    if (!short_) {
      Put({opcode::kAddressPatch, 48, 0, 0, 0, 0, op.address, 0, op.argument, 0, Low(op.offset),
           High(op.offset)});
      return;
    }
    if (op.argument > 0xFF) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("kernel argument {} of an address patch: this encoding has 0 to 255",
                              op.argument));
    }
    Put({opcode::kAddressPatch, 24, op.address, op.argument, Low(op.offset), High(op.offset)});
  }
  void operator()(const ReadRegistersOp& op) {
    Put({opcode::kReadRegisters, Bytes(3 + op.addresses.size()), Low(op.addresses.size())});
    words.insert(words.end(), op.addresses.begin(), op.addresses.end());
  }
  void operator()(const RecordTimerOp& op) { Put({opcode::kRecordTimer, 12, op.id}); }
  void operator()(const MergeSyncOp& op) {
    Put({opcode::kMergeSync, 12, op.tokens | uint32_t{op.columns} << 8});
  }

  static uint32_t Bytes(size_t count) {
    if (count > UINT32_MAX / 4) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("an instruction stream of {} words: 4 GB is the most", count));
    }
    return static_cast<uint32_t>(4 * count);
  }

 private:
  void Put(std::initializer_list<uint32_t> values) {
    words.insert(words.end(), values.begin(), values.end());
  }
  void Masked(uint32_t code, uint32_t address, uint32_t value, uint32_t mask) {
    if (short_) {
      Put({code, address, value, mask});
    } else {
      Put({code, 0, address, 0, value, mask, 28});
    }
  }

  bool short_;
};

}  // namespace

std::vector<uint32_t> WriteStream(const Stream& stream) {
  Writer writer(stream.encoding);
  for (const StreamOp& op : stream.ops) std::visit(writer, op);
  const uint32_t generation = stream.device.generation == Generation::kNpu1
                                  ? opcode::kGenerationNpu1
                                  : opcode::kGenerationNpu2;
  const uint32_t version = stream.encoding == Encoding::kPlain ? 0x0100 : 0x0001;
  std::vector<uint32_t> words = std::move(writer.words);
  words[0] = uint32_t{kRows} << 24 | generation << 16 | version;
  words[1] = uint32_t{kMemoryRows} << 8 | static_cast<uint32_t>(stream.device.columns);
  words[2] = static_cast<uint32_t>(stream.ops.size());
  words[3] = Writer::Bytes(words.size());
  return words;
}

std::string_view OpName(const StreamOp& op) {
  static constexpr std::string_view kNames[] = {
      "WRITE",     "BLOCKWRITE", "MASKWRITE",         "MASKPOLL",   "NOOP",
      "PREEMPT",   "LOADPDI",    "CREATE_SCRATCHPAD", "UPDATE_REG", "TCT",
      "DDR_PATCH", "READ_REGS",  "RECORD_TIMER",      "MERGE_SYNC"};
  static_assert(std::size(kNames) == std::variant_size_v<StreamOp>);
  if (const auto* poll = std::get_if<MaskPollOp>(&op); poll != nullptr && poll->busy) {
    return "MASKPOLL_BUSY";
  }
  return kNames[op.index()];
}

}  // namespace tandem::npu
