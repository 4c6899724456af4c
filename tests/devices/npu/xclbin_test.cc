// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Configurations as CDO, device image and xclbin: what is written reads back, what is broken is
// refused.
#include "devices/npu/xclbin/xclbin.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "core/error.h"
#include "devices/npu/cdo/cdo.h"
#include "devices/npu/emulator/emulator.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/gemm/pack.h"
#include "devices/npu/xclbin/emulated_pdi.h"

namespace tandem::npu {
namespace {

using Words = std::vector<uint32_t>;

std::span<const std::byte> BytesOf(const Words& words) { return std::as_bytes(std::span(words)); }

template <typename Function>
ErrorKind KindThrown(const Function& function) {
  try {
    function();
  } catch (const Error& error) {
    return error.kind();
  }
  ADD_FAILURE() << "nothing was thrown";
  return ErrorKind::kInternal;
}

GemmConfig I8(Generation generation) {
  return {{generation, MaxColumns(generation)}, GemmType::kI8, GemmOutput::kI32};
}

// Words as bootgen's CDO driver writes them, composed by hand.
TEST(NpuCdo, WordsOfEachCommand) {
  const std::vector<StreamOp> ops = {WriteOp{0x0021D204, 7}, MaskWriteOp{0x00232000, 2, 3},
                                     MaskPollOp{0x00232004, 1, 0x100000, false},
                                     BlockWriteOp{0x00200404, {0x11, 0x22}, 0}};
  const Words expected = {
      4,          0x004F4443, 0x00000200, 20,         ~(4U + 0x004F4443 + 0x200 + 20),
      0x00030108, 0,          0x0021D204, 7,  //
      0x00040107, 0,          0x00232000, 3,          2,
      0x00050106, 0,          0x00232004, 0x100000,   1,
      1000,       0x00040105, 0,          0x00200404, 0x11,
      0x22};
  // 20 words stand before the block: its data would begin at word 23.
  Words padded = expected;
  padded[3] = 21;
  padded[4] = ~(4U + 0x004F4443 + 0x200 + 21);
  padded.insert(padded.begin() + 20, 0x00000111);
  EXPECT_EQ(EncodeCdo(ops), padded);
  EXPECT_EQ(DecodeCdo(BytesOf(padded), "cdo"), ops);
  Words bare = expected;
  EXPECT_EQ(DecodeCdo(BytesOf(bare), "cdo"), ops);
}

TEST(NpuCdo, RandomOperationsReadBackAndDataIsAligned) {
  std::mt19937 random(7);
  for (int round = 0; round < 200; ++round) {
    std::vector<StreamOp> ops;
    for (int i = 0; i < 20; ++i) {
      switch (random() % 3) {
        case 0:
          ops.emplace_back(
              WriteOp{static_cast<uint32_t>(random()), static_cast<uint32_t>(random())});
          break;
        case 1:
          ops.emplace_back(
              MaskWriteOp{static_cast<uint32_t>(random()), static_cast<uint32_t>(random()), 5});
          break;
        default: {
          // Lengths around the border of the long form.
          Words data(random() % 2 == 0 ? 248 + random() % 10 : random() % 9);
          std::generate(data.begin(), data.end(), [&] { return static_cast<uint32_t>(random()); });
          ops.emplace_back(BlockWriteOp{static_cast<uint32_t>(random()), std::move(data), 0});
        }
      }
    }
    const Words words = EncodeCdo(ops);
    ASSERT_EQ(DecodeCdo(BytesOf(words), "cdo"), ops);
    // An oracle of its own for the alignment: walk the commands.
    for (size_t at = 5; at < words.size();) {
      size_t payload = at + 1;
      size_t length = words[at] >> 16 & 0xFF;
      if (length == 255) length = words[payload++];
      if ((words[at] & 0xFFFF) == 0x105) {
        ASSERT_EQ((payload + 2) % 4, 0U);
      }
      at = payload + length;
    }
  }
}

TEST(NpuCdo, RefusesWhatIsBroken) {
  const Words good = EncodeCdo(std::vector<StreamOp>{WriteOp{0x0021D204, 7}, WriteOp{4, 5}});
  for (size_t words = 0; words < good.size(); ++words) {
    const Words cut(good.begin(), good.begin() + static_cast<ptrdiff_t>(words));
    EXPECT_EQ(KindThrown([&] { DecodeCdo(BytesOf(cut), "cdo"); }), ErrorKind::kCorruptFile);
  }
  for (size_t i = 0; i < 5; ++i) {
    Words wrong = good;
    wrong[i] ^= 1;
    EXPECT_NE(KindThrown([&] { DecodeCdo(BytesOf(wrong), "cdo"); }), ErrorKind::kInternal);
  }
  Words high = good;
  high[6] = 1;  // An address above 4 GB.
  EXPECT_EQ(KindThrown([&] { DecodeCdo(BytesOf(high), "cdo"); }), ErrorKind::kCorruptFile);
  Words other = good;
  other[5] = 0x00030201;  // A command of another module.
  EXPECT_EQ(KindThrown([&] { DecodeCdo(BytesOf(other), "cdo"); }), ErrorKind::kUnsupported);
  EXPECT_EQ(KindThrown([&] { EncodeCdo(std::vector<StreamOp>{SyncOp{}}); }),
            ErrorKind::kInvalidArgument);
}

// What went through the image multiplies as the design itself does.
TEST(NpuEmulatedPdi, AnArrayFromTheImageMultiplies) {
  for (const Generation generation : {Generation::kNpu1, Generation::kNpu2}) {
    const GemmConfig config = I8(generation);
    const std::vector<std::byte> image = WriteEmulatedPdi(MakeGemmDesign(config));
    ASSERT_TRUE(IsEmulatedPdi(image));
    const EmulatedPdi pdi = ReadEmulatedPdi(image, "image");
    EXPECT_EQ(pdi.configuration.device, config.device);
    const GemmPlan plan = PlanGemm(config, {5, 130, 70});
    std::vector<int8_t> a(5 * 130);
    std::vector<int8_t> b(130 * 70);
    std::mt19937 random(3);
    for (int8_t& value : a) value = static_cast<int8_t>(random());
    for (int8_t& value : b) value = static_cast<int8_t>(random());
    std::vector<std::byte> packed_a(static_cast<size_t>(plan.a_bytes));
    std::vector<std::byte> packed_b(static_cast<size_t>(plan.b_bytes));
    std::vector<std::byte> packed_c(static_cast<size_t>(plan.c_bytes));
    PackA(plan, a, packed_a);
    PackB(plan, b, 0, packed_b);
    Emulator emulator(config.device);
    emulator.Load(pdi.configuration, pdi.programs);
    const uint64_t arguments[] = {emulator.AddBuffer(packed_a), emulator.AddBuffer(packed_b),
                                  emulator.AddBuffer(packed_c)};
    ASSERT_FALSE(emulator.Run(GemmStream(plan), arguments).has_value());
    std::vector<int32_t> c(5 * 70);
    UnpackC<int32_t>(plan, packed_c, c);
    for (size_t m = 0; m < 5; ++m) {
      for (size_t n = 0; n < 70; ++n) {
        int32_t sum = 0;
        for (size_t k = 0; k < 130; ++k) sum += a[m * 130 + k] * b[k * 70 + n];
        ASSERT_EQ(c[m * 70 + n], sum);
      }
    }
  }
}

TEST(NpuEmulatedPdi, RefusesWhatIsBroken) {
  const std::vector<std::byte> image = WriteEmulatedPdi(MakeGemmDesign(I8(Generation::kNpu1)));
  const auto read = [](std::span<const std::byte> bytes) { ReadEmulatedPdi(bytes, "image"); };
  for (size_t size = 0; size < image.size(); size += 1 + size / 8) {
    const auto kind = KindThrown([&] { read(std::span(image).first(size)); });
    EXPECT_TRUE(kind == ErrorKind::kCorruptFile || kind == ErrorKind::kUnsupported) << size;
  }
  // Anything else, it must say so or read it; what it reads the emulator must take or refuse.
  std::mt19937 random(5);
  int refused = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<std::byte> wrong = image;
    for (int i = 0; i < 3; ++i) wrong[random() % wrong.size()] = static_cast<std::byte>(random());
    try {
      read(wrong);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 0);
  Design with_code = MakeGemmDesign(I8(Generation::kNpu1));
  with_code.cores[0].elf = "core.elf";
  EXPECT_EQ(KindThrown([&] { WriteEmulatedPdi(with_code); }), ErrorKind::kInvalidArgument);
}

Xclbin Example() {
  Xclbin xclbin;
  xclbin.buffers = 3;
  xclbin.columns = 4;
  xclbin.start_columns = {1};
  xclbin.operations_per_cycle = 2048;
  xclbin.pdi.assign(1001, std::byte{0x5A});
  return xclbin;
}

TEST(NpuXclbin, ReadsBackAndIsReproducible) {
  const Xclbin example = Example();
  const std::vector<std::byte> bytes = WriteXclbin(example);
  EXPECT_EQ(bytes, WriteXclbin(example));
  const Xclbin read = ReadXclbin(bytes, "xclbin");
  EXPECT_EQ(read.kernel, "MLIR_AIE");
  EXPECT_EQ(read.buffers, 3);
  EXPECT_EQ(read.columns, 4);
  EXPECT_EQ(read.start_columns, example.start_columns);
  EXPECT_EQ(read.operations_per_cycle, 2048U);
  EXPECT_EQ(read.pdi, example.pdi);
  EXPECT_NE(read.uuid, (std::array<uint8_t, 16>{}));
  Xclbin other = example;
  other.pdi[5] = std::byte{0};
  EXPECT_NE(ReadXclbin(WriteXclbin(other), "xclbin").uuid, read.uuid);
}

TEST(NpuXclbin, HasTheSevenSectionsAndTheKernelsArguments) {
  const std::vector<std::byte> bytes = WriteXclbin(Example());
  uint32_t count = 0;
  std::memcpy(&count, bytes.data() + 0x1C0, 4);
  std::vector<uint32_t> kinds(count);
  for (uint32_t i = 0; i < count; ++i) std::memcpy(&kinds[i], bytes.data() + 0x1C8 + 40 * i, 4);
  EXPECT_EQ(kinds, (std::vector<uint32_t>{6, 32, 2, 8, 7, 27, 26}));
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_NE(
      text.find("<arg name=\"bo2\" addressQualifier=\"1\" id=\"5\" size=\"0x8\" offset=\"0x24\""),
      std::string::npos);
  EXPECT_EQ(text.find("bo3"), std::string::npos);
}

TEST(NpuXclbin, RefusesWhatIsBroken) {
  const std::vector<std::byte> good = WriteXclbin(Example());
  for (size_t size = 0; size < good.size(); size += 7) {
    EXPECT_EQ(KindThrown([&] { ReadXclbin(std::span(good).first(size), "xclbin"); }),
              ErrorKind::kCorruptFile);
  }
  // Every word in turn at its largest: no length or offset leads outside.
  for (size_t at = 0; at + 4 <= good.size(); at += 4) {
    std::vector<std::byte> wrong = good;
    std::fill_n(wrong.begin() + static_cast<ptrdiff_t>(at), 4, std::byte{0xFF});
    try {
      EXPECT_LE(ReadXclbin(wrong, "xclbin").pdi.size(), good.size());
    } catch (const Error& error) {
      EXPECT_TRUE(error.kind() == ErrorKind::kCorruptFile ||
                  error.kind() == ErrorKind::kUnsupported);
    }
  }
  for (const auto& spoil :
       {+[](Xclbin& x) { x.buffers = 6; }, +[](Xclbin& x) { x.columns = 0; },
        +[](Xclbin& x) { x.kernel = "a b"; }, +[](Xclbin& x) { x.pdi.clear(); }}) {
    Xclbin wrong = Example();
    spoil(wrong);
    EXPECT_EQ(KindThrown([&] { WriteXclbin(wrong); }), ErrorKind::kInvalidArgument);
  }
}

}  // namespace
}  // namespace tandem::npu
