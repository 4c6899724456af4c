// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Sequences and designs against the words of the real compiler. Where the compiler is wrong, a test
// each says how the right words differ.
#include "devices/npu/golden.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/error.h"
#include "core/mapped_file.h"
#include "devices/npu/design/design.h"
#include "devices/npu/design/sequence.h"
#include "devices/npu/isa/descriptor.h"
#include "devices/npu/isa/registers.h"
#include "formats/json_file.h"

namespace tandem::npu::test {
namespace {

std::vector<uint32_t> Encode(const JsonDocument& json,
                             ArgumentFlow flow = ArgumentFlow::kInstructionBuffer) {
  return WriteStream(EncodeSequence(ReadSequence(json, "golden"), flow));
}

TEST(NpuGolden, StreamsWordForWord) {
  std::map<std::string, int> kinds;
  for (const Entry& entry : LoadStreams()) {
    if (!entry.defects.empty()) continue;
    ++kinds[entry.kind];
    EXPECT_EQ(FirstDifference(Encode(entry.json), WordsOf(entry)), "") << entry.id;
    // The reader understands all of it.
    const auto words = WordsOf(entry);
    EXPECT_EQ(WriteStream(ReadWords(words)), words) << entry.id;
  }
  EXPECT_EQ(kinds.size(), 7U);
}

TEST(NpuGolden, StreamsOfTheOtherFlow) {
  int count = 0;
  for (const Entry& entry : LoadStreams()) {
    if (!Has(entry, "elf_words")) continue;
    ++count;
    EXPECT_EQ(FirstDifference(Encode(entry.json, ArgumentFlow::kElf), WordsOf(entry, "elf_words")),
              "")
        << entry.id;
  }
  EXPECT_GE(count, 6);
}

std::vector<std::byte> LoadProgram(const std::string& name) {
  const MappedFile file("data/npu/" + name);
  return {file.bytes().begin(), file.bytes().end()};
}

TEST(NpuGolden, ConfigurationsWordForWord) {
  int sequences = 0;
  for (const Entry& entry : LoadEntries("designs.jsonl")) {
    const JsonDocument json = ParseJson(entry.json->at("design").dump(), "design");
    const Design design = ReadDesign(json, "design");
    if (entry.id == "npu1/pad-value") {
      // The generation has no register for it; the compiler left it out.
      EXPECT_FALSE(Has(entry, "insts"));
    }
    EXPECT_EQ(FirstDifference(WriteStream(EncodeConfiguration(design, LoadProgram)),
                              WordsOf(entry, "config")),
              "")
        << entry.id;
    if (!Has(entry, "insts")) continue;
    ++sequences;
    EXPECT_EQ(FirstDifference(Encode(json), WordsOf(entry, "insts")), "") << entry.id;
  }
  EXPECT_GE(sequences, 20);
}

// ---- what the compiler gets wrong ---------------------------------------------------------------

/// Memory-tile BDs of a stream, and where their address is written afterwards.
bool IsMemoryBd(const BlockWriteOp& op) {
  return TileOfAddress(op.address).row == 1 && op.data.size() == 8 &&
         OffsetOfAddress(op.address) >= 0xA0000 && OffsetOfAddress(op.address) < 0xA0600;
}
bool IsMemoryBase(const MaskWriteOp& op) {
  return TileOfAddress(op.address).row == 1 && op.mask == 0x7FFFF;
}

/// Undoes in `ours` what is right, as far as `theirs` has it wrong, and says where they still
/// differ.
struct Undone {
  int bases = 0;
  int wraps = 0;
  int paddings = 0;
  std::string difference;
};
Undone UndoRight(const Entry& entry) {
  Undone undone;
  Stream ours = EncodeSequence(ReadSequence(entry.json, "golden"));
  const Stream theirs = ReadWords(WordsOf(entry));
  if (ours.ops.size() != theirs.ops.size()) {
    undone.difference = "another number of operations";
    return undone;
  }
  for (size_t i = 0; i < ours.ops.size(); ++i) {
    if (ours.ops[i] == theirs.ops[i]) continue;
    auto* base = std::get_if<MaskWriteOp>(&ours.ops[i]);
    if (base != nullptr && IsMemoryBase(*base) && entry.defects.contains("npu1-memtile-base")) {
      base->value -= 0x80000 / 4;
      ++undone.bases;
    }
    auto* block = std::get_if<BlockWriteOp>(&ours.ops[i]);
    const auto* other = std::get_if<BlockWriteOp>(&theirs.ops[i]);
    if (block != nullptr && other != nullptr && IsMemoryBd(*block)) {
      Descriptor right = UnpackDescriptor(TileKind::kMemory, block->data);
      const Descriptor wrong = UnpackDescriptor(TileKind::kMemory, other->data);
      if (entry.defects.contains("memtile-deep-dims") && right.d2_wrap > 0 && wrong.d2_wrap == 0) {
        right.d2_wrap = 0;
        ++undone.wraps;
      }
      if (entry.defects.contains("runtime-padding") && right.length != wrong.length) {
        // Theirs has the length without padding, and counts elements where words are meant.
        EXPECT_GT(right.length, wrong.length) << entry.id;
        for (const auto& [words, elements] : {std::pair(right.d0_before, wrong.d0_before),
                                              std::pair(right.d0_after, wrong.d0_after)}) {
          EXPECT_TRUE(elements == words || elements == 2 * words || elements == 4 * words);
        }
        // A padded row must be counted, though it is the only one.
        if (wrong.d0_wrap == 0) right.d0_wrap = right.d1_wrap = 0;
        right.length = wrong.length;
        right.d0_before = wrong.d0_before;
        right.d0_after = wrong.d0_after;
        ++undone.paddings;
      }
      block->data = PackDescriptor(TileKind::kMemory, right);
    }
    if (!(ours.ops[i] == theirs.ops[i]) && undone.difference.empty()) {
      undone.difference = "operation " + std::to_string(i);
    }
  }
  return undone;
}

/// Entries that have `defect`, and none of those that make us refuse them or number BDs otherwise.
std::vector<Entry> Comparable(const std::string& defect) {
  std::vector<Entry> entries;
  for (Entry& entry : LoadStreams()) {
    if (!entry.defects.contains(defect) || entry.defects.contains("odd-channel-bd") ||
        entry.defects.contains("sub-word-stride")) {
      continue;
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

// A memory tile's own memory starts at 0x80000 of its window, on both generations.
TEST(NpuCompilerDefects, MemoryTileBaseOfNpu1) {
  int bases = 0;
  for (const Entry& entry : Comparable("npu1-memtile-base")) {
    const Undone undone = UndoRight(entry);
    EXPECT_EQ(undone.difference, "") << entry.id;
    bases += undone.bases;
  }
  EXPECT_GT(bases, 0);
}

// The wrap of the third dimension belongs into its field.
TEST(NpuCompilerDefects, DeepDimensionsOfMemoryTiles) {
  int wraps = 0;
  for (const Entry& entry : Comparable("memtile-deep-dims")) {
    const Undone undone = UndoRight(entry);
    EXPECT_EQ(undone.difference, "") << entry.id;
    wraps += undone.wraps;
  }
  EXPECT_GT(wraps, 0);
}

// The length of a padded transfer counts what goes out, and D0 is padded in words.
TEST(NpuCompilerDefects, RuntimePadding) {
  int paddings = 0;
  for (const Entry& entry : Comparable("runtime-padding")) {
    const Undone undone = UndoRight(entry);
    EXPECT_EQ(undone.difference, "") << entry.id;
    paddings += undone.paddings;
  }
  EXPECT_GT(paddings, 0);
}

// Odd channels of a memory tile reach BDs 24 to 47: others are refused, or never chosen.
TEST(NpuCompilerDefects, BdsOfOddChannels) {
  int chosen = 0;
  int refused = 0;
  for (const Entry& entry : LoadStreams()) {
    if (!entry.defects.contains("odd-channel-bd") || entry.defects.contains("sub-word-stride")) {
      continue;
    }
    Stream ours;
    try {
      ours = EncodeSequence(ReadSequence(entry.json, "golden"));
    } catch (const Error& error) {
      EXPECT_NE(error.message().find("odd ones 24 to 47"), std::string::npos) << error.message();
      ++refused;
      continue;
    }
    ++chosen;
    const auto pushes = [](const Stream& stream) {
      std::vector<std::pair<int, int>> found;  // channel, BD
      for (const StreamOp& op : stream.ops) {
        const auto* write = std::get_if<WriteOp>(&op);
        if (write == nullptr || TileOfAddress(write->address).row != 1) continue;
        const auto reg = FindRegister(stream.device.generation, TileKind::kMemory,
                                      OffsetOfAddress(write->address));
        if (reg && reg->cls == RegisterClass::kChannelQueue) {
          found.emplace_back(reg->index, static_cast<int>(write->value & 0x3F));
        }
      }
      return found;
    };
    const auto reached = [](const auto& list) {
      bool all = true;
      for (const auto& [channel, bd] : list) {
        all = all && ChannelReaches(TileKind::kMemory, channel, bd);
      }
      return all;
    };
    EXPECT_TRUE(reached(pushes(ours))) << entry.id;
    EXPECT_FALSE(reached(pushes(ReadWords(WordsOf(entry))))) << entry.id;
    EXPECT_EQ(pushes(ours).size(), pushes(ReadWords(WordsOf(entry))).size());
  }
  EXPECT_GT(chosen + refused, 0);
}

// Elements below 32 bits that do not lie side by side would move in words.
TEST(NpuCompilerDefects, StridesInsideAWord) {
  int count = 0;
  for (const Entry& entry : LoadStreams()) {
    if (!entry.defects.contains("sub-word-stride") || entry.defects.size() > 1) continue;
    ++count;
    try {
      Encode(entry.json);
      ADD_FAILURE() << entry.id << " was encoded";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kInvalidArgument);
      EXPECT_NE(error.message().find("side by side"), std::string::npos) << error.message();
    }
  }
  EXPECT_GT(count, 0);
}

// The aperture added to a large offset carries into the upper word.
TEST(NpuCompilerDefects, OffsetsThatCarry) {
  int carried = 0;
  for (const Entry& entry : LoadStreams()) {
    if (!entry.defects.contains("arg-plus-wrap")) continue;
    const Stream ours = EncodeSequence(ReadSequence(entry.json, "golden"));
    const Stream theirs = ReadWords(WordsOf(entry));
    ASSERT_EQ(ours.ops.size(), theirs.ops.size());
    for (size_t i = 0; i < ours.ops.size(); ++i) {
      if (ours.ops[i] == theirs.ops[i]) continue;
      const auto& right = std::get<AddressPatchOp>(ours.ops[i]);
      const auto& wrong = std::get<AddressPatchOp>(theirs.ops[i]);
      EXPECT_GE(right.argument, 5U);
      EXPECT_EQ(right.offset, wrong.offset + (uint64_t{1} << 32));
      ++carried;
    }
  }
  EXPECT_GT(carried, 0);
}

// Shapes beyond a BD: the compiler splits dimensions, we say which to split.
TEST(NpuCompilerDefects, OversizeShapesAreRefusedOrNeedNoWrap) {
  int count = 0;
  for (const Entry& entry : LoadStreams()) {
    if (!entry.defects.contains("oversize")) continue;
    ++count;
    try {
      // A repetition beyond the compiler's own limit is none beyond the queue's.
      EXPECT_EQ(Encode(entry.json), WordsOf(entry)) << entry.id;
      EXPECT_NE(entry.id.find("repeat"), std::string::npos) << entry.id;
    } catch (const Error& error) {
      EXPECT_NE(error.message().find("counts to 1023"), std::string::npos) << error.message();
      EXPECT_FALSE(error.hint().empty());
    }
  }
  EXPECT_GT(count, 0);
}

// What the compiler refuses, we refuse; what it takes and does right, we write the same; what it
// takes and does wrong, we refuse or do otherwise.
TEST(NpuLimits, AsTheCompilerOrBetter) {
  int refused = 0;
  int same = 0;
  int better = 0;
  // Where the compiler's limit is not the hardware's: queues repeat up to 256 times, the length
  // counts the padding, and the last dimension needs no wrap.
  const std::set<std::string> wider = {"limit-repeat-66", "limit-task-mem-pad-len-with",
                                       "limit-task-mem-d2", "task-035", "oversize-repeat-300"};
  // The same order of words, said with other fields.
  const std::set<std::string> other = {"limit-stride2-zero", "limit-task-mem-d2b"};
  // Raw pushes are the caller's; the emulator refuses this one.
  const std::set<std::string> raw = {"limit-q-bd24-even-mem"};
  for (const Entry& entry : LoadEntries("limits.jsonl")) {
    const std::string name = entry.id.substr(5);
    std::vector<uint32_t> words;
    std::string message;
    try {
      words = Encode(entry.json);
    } catch (const Error& error) {
      EXPECT_TRUE(error.kind() == ErrorKind::kInvalidArgument ||
                  error.kind() == ErrorKind::kCorruptFile);
      message = error.message();
    }
    if (!entry.json->at("accepted").get<bool>()) {
      ++refused;
      if (!wider.contains(name)) {
        EXPECT_FALSE(message.empty()) << entry.id << " " << entry.json->at("message");
      }
    } else if (Has(entry, "accepted_but_wrong")) {
      ++better;
      if (message.empty() && !raw.contains(name)) {
        EXPECT_NE(words, WordsOf(entry)) << entry.id;
      }
    } else if (!message.empty()) {
      // Shapes that the compiler re-factors.
      EXPECT_NE(message.find("counts to"), std::string::npos) << entry.id << ": " << message;
    } else if (!other.contains(name)) {
      ++same;
      EXPECT_EQ(FirstDifference(words, WordsOf(entry)), "") << entry.id;
    }
  }
  EXPECT_GT(refused, 40);
  EXPECT_GT(same, 20);
  EXPECT_GT(better, 20);
}

// ---- hostile documents --------------------------------------------------------------------------

TEST(NpuJson, SaysWhereItIsWrong) {
  const auto message = [](const std::string& text) -> std::string {
    try {
      EncodeSequence(ReadSequence(ParseJson(text, "f"), "f"));
    } catch (const Error& error) {
      return error.message();
    }
    return {};
  };
  const std::string head = R"({"device":"npu1","ops":[)";
  EXPECT_EQ(message("[]"), "f: not an object");
  EXPECT_EQ(message(R"({"device":"npu9","ops":[]})"),
            "f.device: not a device: npu1, npu2, or with fewer columns npu1_1col to npu2_7col");
  EXPECT_EQ(message(head + R"({"op":"jump"}]})"), "f.ops[0]: \"jump\" is not an operation");
  EXPECT_EQ(message(head + R"({"op":"preempt","level":4}]})"),
            "f.ops[0].level: not a whole number from 0 to 3");
  EXPECT_EQ(message(head + R"({"op":"preempt","level":1,"now":true}]})"),
            "f.ops[0]: \"now\" is not known here");
  EXPECT_EQ(message(head + R"({"op":"start","task":"t"}]})"),
            "op 0 (start): there is no task t yet");
  EXPECT_EQ(message(head + R"({"op":"dma_wait","alloc":"x"}]})"), "f.ops[0].alloc: there is no x");
  EXPECT_EQ(message(head + R"({"op":"push_queue","col":4,"row":0,"dir":"S2MM","channel":0,)" +
                    R"("bd":0,"repeat":0,"token":true}]})"),
            "op 0 (push_queue): tile (4,0): npu1 has columns 0 to 3, rows 0 to 5");
}

TEST(NpuJson, ProgramsLieBesideTheDesign) {
  const ProgramLoader load = ProgramsBeside("data/npu/design.json");
  EXPECT_EQ(load("core.elf").size(), std::filesystem::file_size("data/npu/core.elf"));
  for (const char* name : {"", "..", "../npu/core.elf", "/etc/passwd", "a/b"}) {
    EXPECT_THROW(load(name), Error) << name;
  }
}

}  // namespace
}  // namespace tandem::npu::test
