// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <cstring>
#include <string>

#include "core/error.h"
#include "devices/npu/stream/opcodes.h"
#include "devices/npu/stream/stream.h"

namespace tandem::npu {
namespace {

/// First word of the format of 2023, before there was TXN.
constexpr uint32_t kLegacyPrologue = 0x00000011;

uint64_t Join(uint32_t low, uint32_t high) { return uint64_t{high} << 32 | low; }
uint8_t Byte(uint32_t word, int index) { return static_cast<uint8_t>(word >> (8 * index)); }

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, std::string_view name)
      : name_(name), words_(WordsOf(bytes, name)) {}

  ReadResult Read() {
    ReadResult result;
    Stream& stream = result.stream;
    ReadHeader(stream);
    const uint32_t announced = words_[2];
    // Each takes a word at least.
    if (announced > words_.size() - 4) {
      Fail(2, fmt::format("the header announces {} operations, {} words follow", announced,
                          words_.size() - 4));
    }
    if (words_[3] != 4 * words_.size()) {
      Fail(3, fmt::format("the header announces {} bytes, there are {}", words_[3],
                          4 * words_.size()));
    }
    short_ = stream.encoding == Encoding::kOptimized;
    at_ = 4;
    while (at_ < words_.size()) {
      if (stream.ops.size() == announced) {
        Fail(at_, fmt::format("{} words after the last of {} operations", words_.size() - at_,
                              announced));
      }
      result.offsets.push_back(at_);
      stream.ops.push_back(ReadOp());
    }
    if (stream.ops.size() != announced) {
      Fail(2, fmt::format("the header announces {} operations, there are {}", announced,
                          stream.ops.size()));
    }
    return result;
  }

 private:
  [[noreturn]] void Fail(size_t word, const std::string& problem) const {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: word {}: {}", name_, word, problem));
  }
  [[noreturn]] void Refuse(size_t word, const std::string& problem) const {
    throw Error(ErrorKind::kUnsupported, fmt::format("{}: word {}: {}", name_, word, problem));
  }

  void ReadHeader(Stream& stream) const {
    if (!words_.empty() && words_[0] == kLegacyPrologue) {
      Refuse(0,
             "the instruction format of 2023, before transaction streams; no device takes it "
             "any more");
    }
    if (words_.size() < 4) Fail(0, "too short for the header of an instruction stream");
    const uint32_t version = words_[0] & 0xFFFF;
    if (version == 0x0100) {
      stream.encoding = Encoding::kPlain;
    } else if (version == 0x0001) {
      stream.encoding = Encoding::kOptimized;
    } else {
      Fail(0, fmt::format("0x{:08X} does not start an instruction stream of version 0.1 or 1.0",
                          words_[0]));
    }
    const uint32_t generation = Byte(words_[0], 2);
    if (generation != opcode::kGenerationNpu1 && generation != opcode::kGenerationNpu2) {
      Refuse(0, fmt::format("device generation {}: 3 (npu1) and 4 (npu2) are known", generation));
    }
    stream.device.generation =
        generation == opcode::kGenerationNpu1 ? Generation::kNpu1 : Generation::kNpu2;
    const uint32_t rows = Byte(words_[0], 3);
    const uint32_t memory_rows = Byte(words_[1], 1);
    const uint32_t columns = Byte(words_[1], 0);
    if (rows != kRows || memory_rows != kMemoryRows) {
      Refuse(0, fmt::format("an array of {} rows, {} of memory tiles: devices have 6 and 1", rows,
                            memory_rows));
    }
    if (columns == 0 || columns > static_cast<uint32_t>(MaxColumns(stream.device.generation))) {
      Refuse(1, fmt::format("{} columns: {} has 1 to {}", columns,
                            GenerationName(stream.device.generation),
                            MaxColumns(stream.device.generation)));
    }
    stream.device.columns = static_cast<int>(columns);
  }

  /// The next `count` words as a whole operation.
  std::span<const uint32_t> Take(size_t count, std::string_view what) {
    if (count > words_.size() - at_) {
      Fail(at_, fmt::format("{} takes {} words, {} are left", what, count, words_.size() - at_));
    }
    const auto taken = std::span<const uint32_t>(words_).subspan(at_, count);
    at_ += count;
    return taken;
  }
  /// Takes an operation that says its own size at word `size_at`, `least` words or more.
  std::span<const uint32_t> TakeSized(size_t size_at, size_t least, std::string_view what) {
    if (size_at >= words_.size() - at_) Take(least, what);
    const uint32_t bytes = words_[at_ + size_at];
    if (bytes % 4 != 0 || bytes / 4 < least) {
      Fail(at_ + size_at,
           fmt::format("{} of {} bytes: at least {}, in whole words", what, bytes, 4 * least));
    }
    return Take(bytes / 4, what);
  }
  /// The same for one whose size is known.
  std::span<const uint32_t> TakeExact(size_t size_at, size_t count, std::string_view what) {
    const size_t start = at_;
    const auto words = Take(count, what);
    if (words[size_at] != 4 * count) {
      Fail(start + size_at,
           fmt::format("{} of {} bytes: it has {}", what, words[size_at], 4 * count));
    }
    return words;
  }
  void CheckHigh(size_t word, uint32_t value) const {
    if (value != 0) Fail(word, "a register address above 32 bits");
  }

  StreamOp ReadWrite() {
    if (short_) {
      const auto w = Take(3, "WRITE");
      return WriteOp{w[1], w[2]};
    }
    const size_t start = at_;
    const auto w = TakeExact(5, 6, "WRITE");
    CheckHigh(start + 3, w[3]);
    return WriteOp{w[2], w[4]};
  }
  StreamOp ReadBlockWrite() {
    const size_t header = short_ ? 3 : 4;
    const auto w = TakeSized(header - 1, header, "BLOCKWRITE");
    const auto data = w.subspan(header);
    if (short_) return BlockWriteOp{w[1], {data.begin(), data.end()}, 0};
    return BlockWriteOp{w[2], {data.begin(), data.end()}, w[1]};
  }
  /// address, value, mask.
  std::span<const uint32_t> ReadMasked(std::string_view what) {
    if (short_) return Take(4, what).subspan(1);
    const size_t start = at_;
    const auto w = TakeExact(6, 7, what);
    CheckHigh(start + 3, w[3]);
    masked_ = {w[2], w[4], w[5]};
    return masked_;
  }
  StreamOp ReadAddressPatch() {
    if (short_) {
      const auto w = TakeExact(1, 6, "DDR_PATCH");
      return AddressPatchOp{w[2], w[3] & 0xFF, Join(w[4], w[5])};
    }
    const size_t start = at_;
    const auto w = TakeExact(1, 12, "DDR_PATCH");
    if (w[5] != 0) Refuse(start + 5, fmt::format("action {} of DDR_PATCH: 0 is known", w[5]));
    CheckHigh(start + 7, w[7]);
    if (w[9] != 0) Fail(start + 9, "the number of a kernel argument above 32 bits");
    return AddressPatchOp{w[6], w[8], Join(w[10], w[11])};
  }
  StreamOp ReadSync() {
    const size_t start = at_;
    const auto w = TakeExact(1, 4, "TCT");
    if (Byte(w[2], 0) > 1) {
      Fail(start + 2, fmt::format("direction {} of TCT: 0 is S2MM, 1 MM2S", Byte(w[2], 0)));
    }
    return SyncOp{
        Byte(w[2], 2), Byte(w[2], 1), Byte(w[2], 0) == 0 ? Direction::kS2mm : Direction::kMm2s,
        Byte(w[3], 3), Byte(w[3], 2), Byte(w[3], 1)};
  }
  StreamOp ReadReadRegisters() {
    const size_t start = at_;
    const auto w = TakeSized(1, 3, "READ_REGS");
    if (w[2] != w.size() - 3) {
      Fail(start + 2, fmt::format("READ_REGS of {} registers has {}", w[2], w.size() - 3));
    }
    return ReadRegistersOp{{w.begin() + 3, w.end()}};
  }

  StreamOp ReadOp() {
    const uint32_t first = words_[at_];
    switch (first & 0xFF) {
      case opcode::kWrite: return ReadWrite();
      case opcode::kBlockWrite: return ReadBlockWrite();
      case opcode::kMaskWrite: {
        const auto w = ReadMasked("MASKWRITE");
        return MaskWriteOp{w[0], w[1], w[2]};
      }
      case opcode::kMaskPoll:
      case opcode::kMaskPollBusy: {
        const auto w = ReadMasked("MASKPOLL");
        return MaskPollOp{w[0], w[1], w[2], (first & 0xFF) == opcode::kMaskPollBusy};
      }
      case opcode::kNoop: Take(1, "NOOP"); return NoopOp{};
      case opcode::kPreempt: Take(1, "PREEMPT"); return PreemptOp{Byte(first, 1)};
      case opcode::kLoadPdi: {
        const auto w = Take(4, "LOADPDI");
        return LoadPdiOp{static_cast<uint16_t>(first >> 16), w[1], Join(w[2], w[3])};
      }
      case opcode::kCreateScratchpad: {
        const auto w = Take(4, "CREATE_SCRATCHPAD");
        return CreateScratchpadOp{Byte(first, 1), w[1]};
      }
      case opcode::kUpdateRegister: {
        const auto w = Take(3, "UPDATE_REG");
        return UpdateFromScratchpadOp{Byte(first, 1), Byte(first, 2), w[1], w[2]};
      }
      case opcode::kSync: return ReadSync();
      case opcode::kAddressPatch: return ReadAddressPatch();
      case opcode::kReadRegisters: return ReadReadRegisters();
      case opcode::kRecordTimer: return RecordTimerOp{TakeExact(1, 3, "RECORD_TIMER")[2]};
      case opcode::kMergeSync: {
        const auto w = TakeExact(1, 3, "MERGE_SYNC");
        return MergeSyncOp{Byte(w[2], 0), Byte(w[2], 1)};
      }
      case opcode::kBlockSet:
      case opcode::kLoadPmStart:
      case opcode::kUpdateStateTable:
      case opcode::kUpdateScratch:
      case opcode::kConfigShimBd:
      case opcode::kConfigShimDmaBuf:
        Refuse(at_, fmt::format("operation 0x{:02X}: its layout is not public", first & 0xFF));
      default: Fail(at_, fmt::format("unknown operation 0x{:02X}", first & 0xFF));
    }
  }

  std::string_view name_;
  std::vector<uint32_t> words_;
  std::array<uint32_t, 3> masked_{};
  size_t at_ = 0;
  bool short_ = false;
};

}  // namespace

std::vector<uint32_t> WordsOf(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.size() % 4 != 0) {
    throw Error(
        ErrorKind::kCorruptFile,
        fmt::format("{}: {} bytes, not a whole number of 32-bit words", name, bytes.size()));
  }
  std::vector<uint32_t> words(bytes.size() / 4);
  if (!bytes.empty()) std::memcpy(words.data(), bytes.data(), bytes.size());
  return words;
}

ReadResult ReadStream(std::span<const std::byte> bytes, std::string_view name) {
  return Reader(bytes, name).Read();
}

}  // namespace tandem::npu
