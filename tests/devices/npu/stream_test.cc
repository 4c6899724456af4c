// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Instruction streams: published words, reading what was written, and hostile bytes.
#include "devices/npu/stream/stream.h"

#include <gtest/gtest.h>

#include <random>

#include "core/error.h"
#include "devices/npu/golden.h"
#include "devices/npu/stream/disassembly.h"

namespace tandem::npu::test {
namespace {

const Device kNpu1{Generation::kNpu1, 4};
const Device kNpu2{Generation::kNpu2, 8};

// MLIR-AIE's own tests say which words these operations are.
TEST(NpuStream, PublishedWords) {
  std::vector<uint32_t> data;
  for (uint32_t i = 100; i < 108; ++i) data.push_back(i);
  Stream stream{
      kNpu1,
      Encoding::kPlain,
      {WriteOp{0x06400DEF, 0x42}, WriteOp{0xABC00DEF, 0x314}, BlockWriteOp{0x12345679, data, 0},
       BlockWriteOp{AddressOf({1, 1}, 100), data, 0x101},
       MaskWriteOp{0x0430567A, 0x1001, 0xF00FF00F}, SyncOp{3, 4, Direction::kMm2s, 5, 1, 2},
       LoadPdiOp{2, 0x400, 0xABC12345678}}};
  const std::string body =
      "0 0 6400DEF 0 42 18  0 0 ABC00DEF 0 314 18  1 0 12345679 30 64 65 66 67 68 69 6A 6B "
      "1 101 2100064 30 64 65 66 67 68 69 6A 6B  3 0 430567A 0 1001 F00FF00F 1C "
      "80 10 30401 5010200 ";
  EXPECT_EQ(WriteStream(stream), ParseWords("6030100 104 7 DC " + body + "20008 400 12345678 ABC"));
  stream.device = kNpu2;
  stream.ops.back() = PreemptOp{3};
  EXPECT_EQ(WriteStream(stream), ParseWords("6040100 108 7 D0 " + body + "306"));
  EXPECT_EQ(WriteStream({{Generation::kNpu2, 1}, Encoding::kPlain, {}}),
            ParseWords("6040100 101 0 10"));
  EXPECT_EQ(WriteStream({kNpu2, Encoding::kPlain, {ReadRegistersOp{{0x04300100}}}}),
            ParseWords("6040100 108 1 20 82 10 1 4300100"));
  EXPECT_EQ(WriteStream({kNpu2, Encoding::kPlain, {AddressPatchOp{0x12340, 0, 0x200000100}}}),
            ParseWords("6040100 108 1 40 81 30 0 0 0 0 12340 0 0 0 100 2"));
}

// Another compiler leaves bits in the first word that nobody reads.
TEST(NpuStream, StrayBitsAreDropped) {
  const auto words =
      ParseWords("6030100 104 2 38  140000 0 401D214 0 80FF000F 18  80 10 20001 10100");
  const Stream stream = ReadWords(words);
  ASSERT_EQ(stream.ops.size(), 2U);
  EXPECT_EQ(stream.ops[0], StreamOp(WriteOp{0x0401D214, 0x80FF000F}));
  EXPECT_EQ(stream.ops[1], StreamOp(SyncOp{2, 0, Direction::kMm2s, 0, 1, 1}));
}

// The first words of the program with which AMD's assembler saves memory tiles.
TEST(NpuStream, ShortEncoding) {
  const auto words = ParseWords(
      "6040001 108 5 54  0 1B001C 80000000  0 1B0100 80000000  3 1F004 10 30 "
      "1 1A0000 10 10000  84 C 810");
  const Stream stream = ReadWords(words);
  EXPECT_EQ(stream.encoding, Encoding::kOptimized);
  EXPECT_EQ(stream.ops[2], StreamOp(MaskWriteOp{0x1F004, 0x10, 0x30}));
  EXPECT_EQ(stream.ops[3], StreamOp(BlockWriteOp{0x1A0000, {0x10000}, 0}));
  EXPECT_EQ(stream.ops[4], StreamOp(MergeSyncOp{16, 8}));
  EXPECT_EQ(WriteStream(stream), words);
}

class RandomOps {
 public:
  explicit RandomOps(uint32_t seed) : random_(seed) {}

  Stream Next() {
    Stream stream;
    stream.device.generation = Bit() ? Generation::kNpu1 : Generation::kNpu2;
    stream.device.columns = 1 + static_cast<int>(random_() % 4);
    stream.encoding = Bit() ? Encoding::kPlain : Encoding::kOptimized;
    const bool plain = stream.encoding == Encoding::kPlain;
    const size_t count = random_() % 20;
    while (stream.ops.size() < count) stream.ops.push_back(Op(plain));
    return stream;
  }

 private:
  uint32_t Word() { return static_cast<uint32_t>(random_()); }
  uint8_t Byte() { return static_cast<uint8_t>(random_()); }
  bool Bit() { return random_() % 2 == 0; }
  std::vector<uint32_t> Words() {
    std::vector<uint32_t> words(random_() % 9);
    for (uint32_t& word : words) word = Word();
    return words;
  }
  StreamOp Op(bool plain) {
    const uint64_t wide = uint64_t{Word()} << 32 | Word();
    switch (random_() % 14) {
      case 0: return WriteOp{Word(), Word()};
      case 1: return BlockWriteOp{Word(), Words(), plain ? Word() : 0};
      case 2: return MaskWriteOp{Word(), Word(), Word()};
      case 3: return MaskPollOp{Word(), Word(), Word(), Bit()};
      case 4: return NoopOp{};
      case 5: return PreemptOp{Byte()};
      case 6: return LoadPdiOp{static_cast<uint16_t>(random_()), Word(), wide};
      case 7: return CreateScratchpadOp{Byte(), Word()};
      case 8: return UpdateFromScratchpadOp{Byte(), Byte(), Word(), Word()};
      case 9: {
        const Direction direction = Bit() ? Direction::kS2mm : Direction::kMm2s;
        return SyncOp{Byte(), Byte(), direction, Byte(), Byte(), Byte()};
      }
      case 10: return AddressPatchOp{Word(), plain ? Word() : Byte(), wide};
      case 11: return ReadRegistersOp{Words()};
      case 12: return RecordTimerOp{Word()};
      default: return MergeSyncOp{Byte(), Byte()};
    }
  }

  std::mt19937 random_;
};

TEST(NpuStream, ReadsWhatItWrites) {
  RandomOps random(11);
  for (int round = 0; round < 3000; ++round) {
    const Stream stream = random.Next();
    const std::vector<uint32_t> words = WriteStream(stream);
    const ReadResult read = ReadStream(std::as_bytes(std::span(words)), "random");
    ASSERT_EQ(read.stream, stream);
    ASSERT_EQ(WriteStream(read.stream), words);
    ASSERT_EQ(read.offsets.size(), stream.ops.size());
    for (const StreamOp& op : stream.ops) TextOf(Disassemble(stream.device, op));
  }
}

template <typename Words>
void ExpectReadOrRefused(const Words& words) {
  try {
    ReadStream(std::as_bytes(std::span(words)), "hostile");
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == ErrorKind::kCorruptFile || error.kind() == ErrorKind::kUnsupported)
        << error.message();
    EXPECT_TRUE(error.message().starts_with("hostile: ")) << error.message();
  }
}

TEST(NpuStream, CutAndChangedStreamsAreRefused) {
  RandomOps random(5);
  std::mt19937 bits(6);
  for (int round = 0; round < 200; ++round) {
    const std::vector<uint32_t> words = WriteStream(random.Next());
    for (size_t keep = 0; keep < words.size(); ++keep) {
      const std::vector<uint32_t> cut(words.begin(), words.begin() + static_cast<long>(keep));
      EXPECT_THROW(ReadStream(std::as_bytes(std::span(cut)), "cut"), Error);
      // With a header that fits.
      if (keep < 4) continue;
      std::vector<uint32_t> mended = cut;
      mended[3] = static_cast<uint32_t>(4 * keep);
      ExpectReadOrRefused(mended);
    }
    std::vector<uint32_t> changed = words;
    changed[bits() % changed.size()] ^= 1U << bits() % 32;
    ExpectReadOrRefused(changed);
  }
}

ErrorKind KindOfError(const std::string& hex, std::string* message = nullptr) {
  const auto words = ParseWords(hex);
  try {
    ReadStream(std::as_bytes(std::span(words)), "x");
  } catch (const Error& error) {
    if (message != nullptr) *message = error.message();
    return error.kind();
  }
  ADD_FAILURE() << hex << " was read";
  return ErrorKind::kInternal;
}

TEST(NpuStream, SaysWhatIsWrong) {
  std::string message;
  EXPECT_EQ(KindOfError("11 1000405 1000100 B590100", &message), ErrorKind::kUnsupported);
  EXPECT_NE(message.find("2023"), std::string::npos);
  EXPECT_EQ(KindOfError("6050100 104 0 10"), ErrorKind::kUnsupported);
  EXPECT_EQ(KindOfError("6030100 105 0 10"), ErrorKind::kUnsupported);
  EXPECT_EQ(KindOfError("6030200 104 0 10"), ErrorKind::kCorruptFile);
  EXPECT_EQ(KindOfError("6030100 104 1 14 E0", &message), ErrorKind::kCorruptFile);
  EXPECT_EQ(message, "x: word 4: unknown operation 0xE0");
  EXPECT_EQ(KindOfError("6030100 104 1 14 9"), ErrorKind::kUnsupported);
  EXPECT_EQ(KindOfError("6030100 104 1 28 0 0 1D204 1 5 18"), ErrorKind::kCorruptFile);
  EXPECT_EQ(KindOfError("6030100 104 1 28 0 0 1D204 0 5 1C"), ErrorKind::kCorruptFile);
  EXPECT_EQ(KindOfError("6030100 104 2 14 5"), ErrorKind::kCorruptFile);
  EXPECT_EQ(KindOfError("6030100 104 1 18 5 5"), ErrorKind::kCorruptFile);
  EXPECT_EQ(KindOfError("6030100 104 1 20 1 0 1D000 FFFFFFF0"), ErrorKind::kCorruptFile);
  EXPECT_EQ(KindOfError("6030100 104 1 20 80 10 2 10100"), ErrorKind::kCorruptFile);
  const std::byte odd[5] = {};
  EXPECT_THROW(ReadStream(odd, "x"), Error);
}

TEST(NpuStream, DisassemblyNamesTileRegisterAndFields) {
  const auto text = [](const StreamOp& op) { return TextOf(Disassemble(kNpu1, op)); };
  EXPECT_EQ(text(WriteOp{AddressOf({2, 0}, 0x1D214), 0x80030002}),
            "shim (2,0) DMA_MM2S_0_TASK_QUEUE = 0x80030002  Enable_Token_Issue=1 Repeat_Count=3 "
            "Start_BD_ID=2");
  EXPECT_EQ(text(MaskWriteOp{AddressOf({0, 0}, 0x1F000), 0x400, 0xC00}),
            "shim (0,0) MUX_CONFIG = 0x00000400 mask 0x00000C00  South3=1");
  EXPECT_EQ(text(BlockWriteOp{
                AddressOf({0, 1}, 0xA0000), {0x400, 0x24000, 0, 0, 0, 0, 0, 0x8143FF42}, 0}),
            "memory tile (0,1) DMA_BD0_0 [8]  Buffer_Length=1024 Base_Address=147456 Valid_BD=1 "
            "Lock_Rel_Value=1 Lock_Rel_ID=67 Lock_Acq_Enable=1 Lock_Acq_Value=-1 Lock_Acq_ID=66");
  EXPECT_EQ(text(WriteOp{AddressOf({0, 0}, 0x567C), 1}),
            "shim (0,0) no register at 0x0000567C = 0x00000001");
  EXPECT_EQ(text(SyncOp{1, 0, Direction::kMm2s, 1, 4, 1}), "shim (1,0)  columns=4 rows=1 MM2S=1");
}

}  // namespace
}  // namespace tandem::npu::test
