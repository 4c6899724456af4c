// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The emulated array: address order against nested loops, configurations against a plain list of
// writes, data that moves, and what wrong programs are told.
#include "devices/npu/emulator/emulator.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>

#include "core/error.h"
#include "devices/npu/design/design.h"
#include "devices/npu/design/sequence.h"
#include "devices/npu/emulator/address_walk.h"
#include "devices/npu/golden.h"
#include "devices/npu/small_designs.h"
#include "formats/json_file.h"

namespace tandem::npu::test {
namespace {

/// (padding, offset) of every word, by loops.
std::vector<std::pair<bool, int64_t>> Reference(const Descriptor& bd) {
  struct Dim {
    int64_t before, wrap, after, step;
  };
  const Dim dims[3] = {{bd.d0_before, bd.d0_wrap, bd.d0_after, bd.d0_step + 1},
                       {bd.d1_before, bd.d1_wrap, bd.d1_after, bd.d1_step + 1},
                       {bd.d2_before, bd.d2_wrap, bd.d2_after, bd.d2_step + 1}};
  const int64_t start = bd.iteration_wrap > 0 ? bd.iteration_current * (bd.iteration_step + 1) : 0;
  const auto end = [&](const Dim& dim) { return dim.wrap == 0 ? bd.length : dim.wrap + dim.after; };
  std::vector<std::pair<bool, int64_t>> words;
  for (int64_t d3 = 0; static_cast<int64_t>(words.size()) < bd.length; ++d3) {
    for (int64_t d2 = -dims[2].before; d2 < end(dims[2]); ++d2) {
      for (int64_t d1 = -dims[1].before; d1 < end(dims[1]); ++d1) {
        for (int64_t d0 = -dims[0].before; d0 < end(dims[0]); ++d0) {
          if (static_cast<int64_t>(words.size()) == bd.length) return words;
          bool padding = false;
          const int64_t at[3] = {d0, d1, d2};
          for (int d = 0; d < 3; ++d) {
            if (at[d] < 0 || (dims[d].wrap > 0 && at[d] >= dims[d].wrap)) padding = true;
          }
          words.emplace_back(padding, start + d0 * dims[0].step + d1 * dims[1].step +
                                          d2 * dims[2].step + d3 * (bd.d3_step + 1));
        }
      }
    }
  }
  return words;
}

TEST(NpuAddressWalk, IsNestedLoops) {
  std::mt19937 random(1);
  const auto below = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint32_t>(n));
  };
  for (int round = 0; round < 10000; ++round) {
    Descriptor bd;
    bd.length = 1 + below(200);
    bd.d0_wrap = below(3) == 0 ? 0 : 1 + below(9);
    bd.d1_wrap = bd.d0_wrap == 0 || below(3) == 0 ? 0 : 1 + below(5);
    bd.d2_wrap = bd.d1_wrap == 0 || below(2) == 0 ? 0 : 1 + below(4);
    bd.d0_step = below(20);
    bd.d1_step = below(100);
    bd.d2_step = below(1000);
    bd.d3_step = below(1000);
    if (round % 3 == 0 && bd.d2_wrap > 0) {
      bd.d0_before = below(4);
      bd.d0_after = below(4);
      bd.d1_before = below(3);
      bd.d1_after = below(3);
      bd.d2_before = below(2);
      bd.d2_after = below(2);
    }
    bd.iteration_wrap = below(3);
    bd.iteration_step = below(50);
    bd.iteration_current = below(bd.iteration_wrap + 1);
    AddressWalk walk(bd);
    for (const auto& [padding, offset] : Reference(bd)) {
      ASSERT_FALSE(walk.done());
      ASSERT_EQ(walk.Peek().padding, padding);
      ASSERT_EQ(walk.Peek().offset, offset);
      walk.Advance();
    }
    ASSERT_TRUE(walk.done());
    // The same, several words at a time.
    AddressWalk runs(bd);
    const auto words = Reference(bd);
    for (size_t at = 0; at < words.size();) {
      const int64_t run = runs.Run();
      ASSERT_GT(run, 0);
      const auto first = words[at];
      const int64_t some = 1 + below(run);
      for (int64_t i = 0; i < run; ++i) {
        ASSERT_EQ(words[at + static_cast<size_t>(i)].first, first.first);
        ASSERT_EQ(words[at + static_cast<size_t>(i)].second, first.second + i * runs.step());
      }
      runs.Advance(some);
      at += static_cast<size_t>(some);
      if (at < words.size()) {
        ASSERT_EQ(runs.Peek().offset, words[at].second);
      }
    }
    ASSERT_TRUE(runs.done());
  }
}

// ---- golden configurations ----------------------------------------------------------------------

JsonDocument DesignOf(const Entry& entry) {
  return ParseJson(entry.json->at("design").dump(), "design");
}

TEST(NpuEmulator, GoldenConfigurationsLeaveTheirState) {
  for (const Entry& entry : LoadEntries("designs.jsonl")) {
    const Stream stream = ReadWords(WordsOf(entry, "config"));
    // What a plain memory would hold.
    std::map<uint32_t, uint32_t> want;
    std::map<uint32_t, int> pushes;
    const auto write = [&](uint32_t address, uint32_t value) {
      const auto reg = FindRegister(stream.device.generation, KindOf(TileOfAddress(address)),
                                    OffsetOfAddress(address));
      ASSERT_TRUE(reg) << entry.id << " 0x" << std::hex << address;
      if (reg->cls == RegisterClass::kChannelQueue) {
        ++pushes[AddressOf(
            TileOfAddress(address),
            ChannelStatusOffset(KindOf(TileOfAddress(address)),
                                reg->sub == 0 ? Direction::kS2mm : Direction::kMm2s, reg->index))];
      } else {
        want[address] = value;
      }
    };
    for (const StreamOp& op : stream.ops) {
      if (const auto* one = std::get_if<WriteOp>(&op)) {
        write(one->address, one->value);
      } else if (const auto* mask = std::get_if<MaskWriteOp>(&op)) {
        write(mask->address, (want[mask->address] & ~mask->mask) | (mask->value & mask->mask));
      } else if (const auto* block = std::get_if<BlockWriteOp>(&op)) {
        for (size_t i = 0; i < block->data.size(); ++i) {
          write(block->address + 4 * static_cast<uint32_t>(i), block->data[i]);
        }
      }
    }
    Emulator emulator(stream.device);
    ASSERT_FALSE(emulator.Run(stream, {}, Emulator::AtEnd::kStop)) << entry.id;
    for (const auto& [address, value] : want) {
      EXPECT_EQ(emulator.array().Read(address), value) << entry.id << " 0x" << std::hex << address;
    }
    for (const auto& [status, count] : pushes) {
      EXPECT_EQ(emulator.array().Read(status) >> 20 & 7, static_cast<uint32_t>(count)) << entry.id;
    }
  }
}

const Entry& DesignNamed(const std::string& id) {
  static const std::vector<Entry> entries = LoadEntries("designs.jsonl");
  for (const Entry& entry : entries) {
    if (entry.id == id) return entry;
  }
  throw std::runtime_error("no design " + id);
}

/// Input and output of a run of a golden design with its golden sequence.
struct Ran {
  std::vector<uint32_t> in;
  std::vector<uint32_t> out;
  std::optional<Stall> stall;
};
Ran RunGolden(const std::string& id) {
  const Entry& entry = DesignNamed(id);
  const Sequence sequence = ReadSequence(DesignOf(entry), "design");
  const auto words = [&](size_t argument) {
    return static_cast<size_t>(sequence.arguments[argument].elements *
                               ElementBytes(sequence.arguments[argument].type) / 4);
  };
  Ran ran{std::vector<uint32_t>(words(0)), std::vector<uint32_t>(words(1), 0xEEEEEEEE), {}};
  std::mt19937 random(4);
  for (uint32_t& word : ran.in) word = static_cast<uint32_t>(random());
  const Stream config = ReadWords(WordsOf(entry, "config"));
  Emulator emulator(config.device);
  const std::vector<uint64_t> arguments = {
      emulator.AddBuffer(std::as_writable_bytes(std::span(ran.in))),
      emulator.AddBuffer(std::as_writable_bytes(std::span(ran.out)))};
  EXPECT_FALSE(emulator.Run(config));
  ran.stall = emulator.Run(ReadWords(WordsOf(entry, "insts")), arguments);
  return ran;
}

TEST(NpuEmulator, MovesThroughMemoryTiles) {
  for (const char* generation : {"npu1", "npu2"}) {
    const Ran ran = RunGolden(std::string(generation) + "/mem-only");
    EXPECT_FALSE(ran.stall) << ran.stall->Text();
    EXPECT_EQ(ran.out, ran.in);
  }
}

TEST(NpuEmulator, Transposes) {
  for (const char* generation : {"npu1", "npu2"}) {
    const Ran ran = RunGolden(std::string(generation) + "/mem-transpose");
    ASSERT_FALSE(ran.stall) << ran.stall->Text();
    std::vector<uint32_t> want(ran.in.size());
    for (size_t i = 0; i < want.size(); ++i) {
      const size_t block = i / 4096 * 4096;
      want[i] = ran.in[block + i % 64 * 64 + i % 4096 / 64];
    }
    EXPECT_EQ(ran.out, want);
  }
}

// Cores without programs do nothing: the run stops, and the report says where.
TEST(NpuEmulator, CoresWithoutProgramsStallWithAReport) {
  for (const char* name : {"passthrough", "split-join", "vadd", "passthrough-mem"}) {
    const Entry& entry = DesignNamed(std::string("npu2/") + name);
    const Sequence sequence = ReadSequence(DesignOf(entry), "design");
    std::vector<std::vector<uint32_t>> buffers;
    const Stream config = ReadWords(WordsOf(entry, "config"));
    Emulator emulator(config.device);
    std::vector<uint64_t> arguments;
    for (const Argument& argument : sequence.arguments) {
      buffers.emplace_back(static_cast<size_t>(argument.elements));
      arguments.push_back(emulator.AddBuffer(std::as_writable_bytes(std::span(buffers.back()))));
    }
    EXPECT_FALSE(emulator.Run(config));
    const auto stall = emulator.Run(ReadWords(WordsOf(entry, "insts")), arguments);
    ASSERT_TRUE(stall) << name;
    const std::string text = stall->Text();
    EXPECT_NE(text.find("waits for a token of shim ("), std::string::npos) << text;
    EXPECT_NE(text.find(",0) S2MM 0, BD "), std::string::npos) << text;
    EXPECT_NE(text.find(": waits for its stream"), std::string::npos) << text;
    EXPECT_NE(text.find("the core is enabled and has no program"), std::string::npos) << text;
    EXPECT_NE(text.find(": waits for lock "), std::string::npos) << text;
  }
}

// ---- small designs ------------------------------------------------------------------------------

class Bench {
 public:
  explicit Bench(const Design& design) : emulator(design.device) {
    device_ = design.device;
    const Stream config =
        EncodeConfiguration(design, [](const std::string&) { return std::vector<std::byte>(); });
    EXPECT_FALSE(emulator.Run(config));
  }

  std::vector<uint32_t>& Buffer(size_t words, uint32_t first = 0) {
    buffers_.push_back(std::make_unique<std::vector<uint32_t>>(words));
    std::iota(buffers_.back()->begin(), buffers_.back()->end(), first);
    arguments_.push_back(emulator.AddBuffer(std::as_writable_bytes(std::span(*buffers_.back()))));
    return *buffers_.back();
  }
  std::optional<Stall> Run(std::vector<SequenceStep> steps) {
    Sequence sequence;
    sequence.device = device_;
    for (const auto& buffer : buffers_) {
      sequence.arguments.push_back({ElementType::kI32, static_cast<int64_t>(buffer->size())});
    }
    sequence.controller_ids[{0, 0}] = 15;
    sequence.steps = std::move(steps);
    return emulator.Run(EncodeSequence(sequence), arguments_);
  }

  Emulator emulator;

 private:
  Device device_;
  std::vector<std::unique_ptr<std::vector<uint32_t>>> buffers_;
  std::vector<uint64_t> arguments_;
};

CopyStep Copy(Direction direction, size_t argument, std::vector<int64_t> sizes,
              std::vector<int64_t> strides, int bd, int channel = 0) {
  CopyStep step;
  step.channel = {{0, 0}, direction, channel};
  step.transfer.buffer = argument;
  step.transfer.length = sizes[1] * sizes[2] * sizes[3];
  step.transfer.sizes = std::move(sizes);
  step.transfer.strides = std::move(strides);
  step.transfer.bd = bd;
  return step;
}
CopyStep Line(Direction direction, size_t argument, int64_t words, int bd, int channel = 0) {
  return Copy(direction, argument, {1, 1, 1, words}, {0, 0, 0, 1}, bd, channel);
}
WaitStep WaitOut(int channel = 0) { return {{{0, 0}, Direction::kS2mm, channel}}; }

TEST(NpuEmulator, RelaysThroughACoresMemory) {
  for (const Device device : {Device{Generation::kNpu1, 4}, Device{Generation::kNpu2, 8}}) {
    Bench bench(CoreRelay(device, 64));
    const auto& in = bench.Buffer(1024, 7);
    auto& out = bench.Buffer(1024);
    const auto stall = bench.Run(
        {Line(Direction::kS2mm, 1, 1024, 0), Line(Direction::kMm2s, 0, 1024, 1), WaitOut()});
    ASSERT_FALSE(stall) << stall->Text();
    EXPECT_EQ(out, in);
  }
}

TEST(NpuEmulator, IterationRepeatAndStrides) {
  Bench bench(CoreRelay({Generation::kNpu1, 4}, 8));
  const auto& in = bench.Buffer(256);
  auto& out = bench.Buffer(96);
  // Three times [2][4] words, 8 apart, each time 64 further; then the whole again twice.
  auto read = Copy(Direction::kMm2s, 0, {3, 1, 2, 4}, {64, 0, 8, 1}, 2);
  auto again = Copy(Direction::kMm2s, 0, {2, 1, 1, 36}, {0, 0, 0, 1}, 3);
  const auto stall = bench.Run({Line(Direction::kS2mm, 1, 96, 0), read, again, WaitOut()});
  ASSERT_FALSE(stall) << stall->Text();
  std::vector<uint32_t> want;
  for (uint32_t i = 0; i < 3; ++i) {
    for (uint32_t j = 0; j < 2; ++j) {
      for (uint32_t k = 0; k < 4; ++k) want.push_back(in[i * 64 + j * 8 + k]);
    }
  }
  for (int i = 0; i < 2; ++i) want.insert(want.end(), in.begin(), in.begin() + 36);
  EXPECT_EQ(out, want);
  // The counter is back at the start, in the register.
  const uint32_t word = bench.emulator.array().Read(AddressOf({0, 0}, 0x1D000 + 2 * 0x20 + 24));
  EXPECT_EQ(word >> 26, 0U);
}

TEST(NpuEmulator, PadsWithZerosOrAValue) {
  for (const bool value : {false, true}) {
    const Device device = value ? Device{Generation::kNpu2, 8} : Device{Generation::kNpu1, 4};
    Bench bench(MemoryPad(device, value ? std::optional<uint32_t>(42) : std::nullopt));
    const auto& in = bench.Buffer(6, 100);
    auto& out = bench.Buffer(20);
    const auto stall =
        bench.Run({Line(Direction::kS2mm, 1, 20, 0), Line(Direction::kMm2s, 0, 6, 1), WaitOut()});
    ASSERT_FALSE(stall) << stall->Text();
    // [2][3] inside [4][5]: one row before and after, a word before, one after.
    std::vector<uint32_t> want(20, value ? 42 : 0);
    for (size_t row = 0; row < 2; ++row) {
      for (size_t i = 0; i < 3; ++i) want[(row + 1) * 5 + 1 + i] = in[row * 3 + i];
    }
    EXPECT_EQ(out, want);
  }
}

TEST(NpuEmulator, SplitsAndJoinsThroughAMemoryTile) {
  Bench bench(SplitJoin({Generation::kNpu2, 8}));
  const auto& in = bench.Buffer(128, 1);
  auto& out = bench.Buffer(128);
  const auto stall =
      bench.Run({Line(Direction::kS2mm, 1, 128, 0), Line(Direction::kMm2s, 0, 128, 1), WaitOut()});
  ASSERT_FALSE(stall) << stall->Text();
  // Two cores' memories hold a half of each block; joined in the other order.
  std::vector<uint32_t> want;
  for (size_t block = 0; block < 128; block += 32) {
    want.insert(want.end(), in.begin() + static_cast<long>(block) + 16,
                in.begin() + static_cast<long>(block) + 32);
    want.insert(want.end(), in.begin() + static_cast<long>(block),
                in.begin() + static_cast<long>(block) + 16);
  }
  EXPECT_EQ(out, want);
}

TEST(NpuEmulator, PacketsFindTheirWayOnOneStream) {
  Bench bench(PacketSplit({Generation::kNpu1, 4}));
  const auto& in = bench.Buffer(32, 50);
  auto first = Line(Direction::kMm2s, 0, 16, 0);
  first.transfer.packet = Packet{0, 4};
  auto second = Line(Direction::kMm2s, 0, 16, 1);
  second.transfer.offset = 16;
  second.transfer.packet = Packet{0, 5};
  ASSERT_FALSE(bench.Run({first, second}));
  for (uint32_t i = 0; i < 16; ++i) {
    EXPECT_EQ(bench.emulator.array().Read(AddressOf({0, 2}, 0x1000 + 4 * i)), in[i]);
    EXPECT_EQ(bench.emulator.array().Read(AddressOf({0, 3}, 0x1000 + 4 * i)), in[16 + i]);
  }
}

// A packet to a tile's control port writes its registers.
TEST(NpuEmulator, ControlPacketsWriteRegisters) {
  const Entry& entry = DesignNamed("npu1/ctrl-overlay");
  const Stream config = ReadWords(WordsOf(entry, "config"));
  Emulator emulator(config.device);
  ASSERT_FALSE(emulator.Run(config));
  // To the memory tile, whose id is 26: two words from byte 0x40 of its memory.
  std::vector<uint32_t> packet = {PacketHeaderWord({26, 0, {0, 0}}), 1U << 20 | 0x40, 11, 12};
  const uint64_t at = emulator.AddBuffer(std::as_writable_bytes(std::span(packet)));
  Sequence sequence;
  sequence.device = config.device;
  sequence.arguments = {{ElementType::kI32, 4}};
  sequence.steps = {Line(Direction::kMm2s, 0, 4, 5)};
  ASSERT_FALSE(emulator.Run(EncodeSequence(sequence), std::vector<uint64_t>{at}));
  EXPECT_EQ(emulator.array().Read(AddressOf({0, 1}, 0x40)), 11U);
  EXPECT_EQ(emulator.array().Read(AddressOf({0, 1}, 0x44)), 12U);
}

// ---- wrong programs -----------------------------------------------------------------------------

template <typename Action>
std::string ErrorOf(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
    return error.message();
  }
  return "no error";
}

TEST(NpuEmulatorErrors, RegistersThatAreNotThere) {
  Emulator emulator({Generation::kNpu1, 4});
  const auto run = [&](const StreamOp& op) {
    return ErrorOf([&] { emulator.Run({{Generation::kNpu1, 4}, Encoding::kPlain, {op}}); });
  };
  EXPECT_EQ(run(WriteOp{AddressOf({1, 2}, 0x1D018), 1}),
            "operation 0 (WRITE): core tile (1,2): no register at 0x1D018");
  EXPECT_EQ(run(WriteOp{AddressOf({4, 0}, 0x1D000), 1}),
            "operation 0 (WRITE): 0x0801D000: tile (4,0) is outside of the partition of 4 columns");
  EXPECT_EQ(run(WriteOp{AddressOf({0, 1}, 0xA06E0), 1}),
            "operation 0 (WRITE): memory tile (0,1): no register at 0xA06E0");
  EXPECT_EQ(run(WriteOp{AddressOf({0, 0}, 0x1D220), 1}),
            "operation 0 (WRITE): shim (0,0): DMA_S2MM_STATUS_0 cannot be written");
  EXPECT_EQ(run(SyncOp{3, 0, Direction::kS2mm, 0, 2, 1}).find("operation 0 (TCT): "), 0U);
}

TEST(NpuEmulatorErrors, LocksThatNeverCome) {
  Design design = CoreRelay({Generation::kNpu1, 4}, 64);
  design.dmas[0].transfers[0].acquire->value = 3;  // There are two.
  Bench bench(design);
  bench.Buffer(64);
  bench.Buffer(64);
  const auto stall =
      bench.Run({Line(Direction::kS2mm, 1, 64, 0), Line(Direction::kMm2s, 0, 64, 1), WaitOut()});
  ASSERT_TRUE(stall);
  EXPECT_NE(stall->Text().find(
                "core tile (0,2) S2MM 0, BD 0: waits for lock 0 of core tile (0,2) to be at least "
                "3; it is 2"),
            std::string::npos)
      << stall->Text();
}

TEST(NpuEmulatorErrors, AddressesOutsideOfBuffers) {
  Bench bench(CoreRelay({Generation::kNpu1, 4}, 64));
  bench.Buffer(64);
  bench.Buffer(64);
  // A length of one word more than there is, written past the checks of the encoder.
  Descriptor bd;
  bd.length = 65;
  bd.valid = 1;
  const std::string message = ErrorOf([&] {
    bench.Run({WriteDescriptorStep{{0, 0}, 1, bd},
               StreamOpStep{AddressPatchOp{AddressOf({0, 0}, 0x1D024), 0, 0}},
               PushStep{{{0, 0}, Direction::kMm2s, 0}, 1, 0, false}});
  });
  EXPECT_NE(message.find("shim (0,0) MM2S 0: BD 1, word 64: 0x"), std::string::npos) << message;
  EXPECT_NE(message.find("is in no buffer of the host"), std::string::npos) << message;
}

TEST(NpuEmulatorErrors, OverlappingWrites) {
  Bench bench(TwoWriters({Generation::kNpu1, 4}));
  bench.Buffer(32);
  bench.Buffer(32);
  const std::string message = ErrorOf([&] {
    bench.Run({Line(Direction::kMm2s, 0, 8, 0, 0), Line(Direction::kMm2s, 1, 8, 1, 1)});
  });
  EXPECT_NE(message.find("core tile (0,2) S2MM 1: BD 1, word 0: overwrites what core tile (0,2) "
                         "S2MM 0 is writing"),
            std::string::npos)
      << message;
}

TEST(NpuEmulatorErrors, BdsThatAreStillInUse) {
  Bench bench(CoreRelay({Generation::kNpu1, 4}, 64));
  bench.Buffer(64);
  bench.Buffer(64);
  const std::string message = ErrorOf([&] {
    bench.Run({Line(Direction::kMm2s, 0, 64, 1), Line(Direction::kMm2s, 0, 64, 1)});
  });
  EXPECT_NE(message.find("shim (0,0): BD 1 is rewritten while shim (0,0) MM2S 0 still needs it"),
            std::string::npos)
      << message;
}

TEST(NpuEmulatorErrors, FullQueues) {
  Bench bench(CoreRelay({Generation::kNpu1, 4}, 64));
  bench.Buffer(64);
  bench.Buffer(64);
  std::vector<SequenceStep> steps;
  for (int bd = 0; bd < 6; ++bd) steps.push_back(Line(Direction::kMm2s, 0, 64, bd));
  const std::string message = ErrorOf([&] { bench.Run(steps); });
  EXPECT_NE(message.find("shim (0,0) MM2S 0: BD 5 is pushed to a full queue"), std::string::npos)
      << message;
}

TEST(NpuEmulatorErrors, StreamsThatLeadNowhere) {
  Design design = CoreRelay({Generation::kNpu1, 4}, 64);
  design.shim_muxes.clear();
  Bench bench(design);
  bench.Buffer(64);
  bench.Buffer(64);
  const auto stall =
      bench.Run({Line(Direction::kS2mm, 1, 64, 0), Line(Direction::kMm2s, 0, 64, 1), WaitOut()});
  ASSERT_TRUE(stall);
  EXPECT_NE(stall->Text().find("MUX_CONFIG does not give South 3 to the DMA"), std::string::npos)
      << stall->Text();
}

TEST(NpuEmulatorErrors, LocksThatLeaveTheirRange) {
  Design design = CoreRelay({Generation::kNpu1, 4}, 8);
  design.dmas[0].transfers[0].acquire.reset();
  design.dmas[0].transfers[0].release->value = 63;
  design.dmas[0].channels.resize(1);  // Nobody takes.
  Bench bench(design);
  bench.Buffer(64);
  bench.Buffer(64);
  const std::string message = ErrorOf([&] { bench.Run({Line(Direction::kMm2s, 0, 64, 1)}); });
  EXPECT_NE(message.find("lock 1 of core tile (0,2) leaves its range: 63 + 1"), std::string::npos)
      << message;
}

}  // namespace
}  // namespace tandem::npu::test
