// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/npu/cdo/cdo.h"

#include <fmt/format.h>

#include <initializer_list>
#include <string>
#include <type_traits>
#include <variant>

#include "core/error.h"

namespace tandem::npu {
namespace {

constexpr uint32_t kHeaderWords = 5;
constexpr uint32_t kIdentification = 0x004F4443;  // "CDO"
constexpr uint32_t kVersion = 0x00000200;

// Commands: module 1, which is general.
constexpr uint32_t kMaskWrite = 0x102;
constexpr uint32_t kWrite = 0x103;
constexpr uint32_t kDmaWrite = 0x105;
constexpr uint32_t kMaskPoll64 = 0x106;
constexpr uint32_t kMaskWrite64 = 0x107;
constexpr uint32_t kWrite64 = 0x108;
constexpr uint32_t kNop = 0x111;
/// A length that says that the next word is the length.
constexpr uint32_t kLong = 255;
/// What a poll waits at most, in ms. Configurations of MLIR-AIE have none.
constexpr uint32_t kPollTimeout = 1000;

uint32_t CheckSum(std::span<const uint32_t> header) {
  return ~(header[0] + header[1] + header[2] + header[3]);
}

class Encoder {
 public:
  std::vector<uint32_t> words = std::vector<uint32_t>(kHeaderWords);

  void operator()(const WriteOp& op) { Put(kWrite64, {0, op.address, op.value}); }
  void operator()(const MaskWriteOp& op) { Put(kMaskWrite64, {0, op.address, op.mask, op.value}); }
  void operator()(const MaskPollOp& op) {
    Put(kMaskPoll64, {0, op.address, op.mask, op.value, kPollTimeout});
  }
  void operator()(const BlockWriteOp& op) {
    if (op.data.size() >= UINT32_MAX / 4) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("a CDO cannot write {} words at once", op.data.size()));
    }
    const auto length = static_cast<uint32_t>(op.data.size() + 2);
    const size_t before = length < kLong ? 3 : 4;
    const auto gap = static_cast<uint32_t>((4 - (words.size() + before) % 4) % 4);
    if (gap > 0) {
      words.push_back((gap - 1) << 16 | kNop);
      words.resize(words.size() + gap - 1);
    }
    Head(kDmaWrite, length);
    words.insert(words.end(), {0, op.address});
    words.insert(words.end(), op.data.begin(), op.data.end());
  }
  template <typename Op>
  void operator()(const Op& op) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("a CDO cannot say {}", OpName(StreamOp(op))));
  }

 private:
  void Head(uint32_t command, uint32_t length) {
    if (length < kLong) {
      words.push_back(length << 16 | command);
    } else {
      words.insert(words.end(), {kLong << 16 | command, length});
    }
  }
  void Put(uint32_t command, std::initializer_list<uint32_t> payload) {
    Head(command, static_cast<uint32_t>(payload.size()));
    words.insert(words.end(), payload);
  }
};

class Decoder {
 public:
  Decoder(std::span<const std::byte> bytes, std::string_view name)
      : name_(name), words_(WordsOf(bytes, name)) {}

  std::vector<StreamOp> Run() {
    CheckHeader();
    std::vector<StreamOp> ops;
    for (size_t at = kHeaderWords; at < words_.size();) at = Command(at, ops);
    return ops;
  }

 private:
  [[noreturn]] void Fail(size_t word, const std::string& problem) const {
    throw Error(ErrorKind::kCorruptFile, fmt::format("{}: word {}: {}", name_, word, problem));
  }

  void CheckHeader() const {
    if (words_.size() < kHeaderWords || words_[0] != kHeaderWords - 1 ||
        words_[1] != kIdentification) {
      Fail(0, "not the header of a CDO");
    }
    if (words_[2] != kVersion) {
      throw Error(
          ErrorKind::kUnsupported,
          fmt::format("{}: a CDO of version 0x{:X}; version 2 alone is read", name_, words_[2]));
    }
    if (words_[4] != CheckSum(words_)) Fail(4, "the header's checksum does not hold");
    if (words_[3] != words_.size() - kHeaderWords) {
      Fail(3, fmt::format("the header announces {} words, {} follow", words_[3],
                          words_.size() - kHeaderWords));
    }
  }

  /// Reads the command at a word; returns where the next begins.
  size_t Command(size_t at, std::vector<StreamOp>& ops) const {
    const size_t head = at;
    const uint32_t command = words_[at] & 0xFFFF;
    size_t length = words_[at] >> 16 & 0xFF;
    ++at;
    if (length == kLong) {
      if (at == words_.size()) Fail(head, "ends within a command");
      length = words_[at++];
    }
    if (length > words_.size() - at) {
      Fail(head, fmt::format("a command of {} words, {} follow", length, words_.size() - at));
    }
    const std::span<const uint32_t> payload(words_.data() + at, length);
    const auto need = [&](size_t words) {
      if (length != words) Fail(head, fmt::format("command 0x{:X} has {} words", command, length));
    };
    switch (command) {
      case kWrite:
        need(2);
        ops.push_back(WriteOp{payload[0], payload[1]});
        break;
      case kWrite64:
        need(3);
        ops.push_back(WriteOp{Address(head, payload), payload[2]});
        break;
      case kMaskWrite:
        need(3);
        ops.push_back(MaskWriteOp{payload[0], payload[2], payload[1]});
        break;
      case kMaskWrite64:
        need(4);
        ops.push_back(MaskWriteOp{Address(head, payload), payload[3], payload[2]});
        break;
      case kMaskPoll64:
        need(5);
        ops.push_back(MaskPollOp{Address(head, payload), payload[3], payload[2], false});
        break;
      case kDmaWrite:
        if (length < 2) Fail(head, "a block write without an address");
        ops.push_back(
            BlockWriteOp{Address(head, payload), {payload.begin() + 2, payload.end()}, 0});
        break;
      case kNop: break;
      default:
        throw Error(ErrorKind::kUnsupported,
                    fmt::format("{}: word {}: command 0x{:X} is not one that sets up an array",
                                name_, head, command));
    }
    return at + length;
  }

  uint32_t Address(size_t head, std::span<const uint32_t> payload) const {
    if (payload[0] != 0) {
      Fail(head, fmt::format("0x{:X}{:08X} is no address of the array", payload[0], payload[1]));
    }
    return payload[1];
  }

  std::string name_;
  std::vector<uint32_t> words_;
};

}  // namespace

std::vector<uint32_t> EncodeCdo(std::span<const StreamOp> ops) {
  Encoder encoder;
  for (const StreamOp& op : ops) std::visit(encoder, op);
  std::vector<uint32_t>& words = encoder.words;
  if (words.size() - kHeaderWords > UINT32_MAX / 4) {
    throw Error(ErrorKind::kInvalidArgument, "a CDO of more than 4 GB");
  }
  words[0] = kHeaderWords - 1;
  words[1] = kIdentification;
  words[2] = kVersion;
  words[3] = static_cast<uint32_t>(words.size() - kHeaderWords);
  words[4] = CheckSum(words);
  return std::move(encoder.words);
}

std::vector<StreamOp> DecodeCdo(std::span<const std::byte> bytes, std::string_view name) {
  return Decoder(bytes, name).Run();
}

}  // namespace tandem::npu
