// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Designs as text for MLIR-AIE: what stands in it, that a stock mlir-opt reads it, and that its
// runtime sequence has the words of ours.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "devices/npu/built/fingerprint.h"
#include "devices/npu/gemm/cut_plan.h"
#include "devices/npu/golden.h"
#include "devices/npu/mlir/design_mlir.h"
#include "devices/npu/mlir/mlir_text.h"
#include "devices/npu/mlir/task_sequence.h"
#include "devices/npu/small_designs.h"
#include "devices/npu/workbench/design_list.h"
#include "formats/json_file.h"

namespace tandem::npu::test {
namespace {

int Count(const std::string& text, const std::string& part) {
  int count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

MlirOptions OptionsOf(const NamedDesign& named, MlirCalls calls = MlirCalls::kPointer) {
  return {calls, KernelObjectOf(named.make()), named.example()};
}

Design GoldenDesign(const Entry& entry) {
  return ReadDesign(ParseJson(entry.json->at("design").dump(), "design"), "design");
}

/// What a stock mlir-opt says about a text, or nothing when it takes it.
class StockReader {
 public:
  StockReader() : program_(Find()) {
    folder_ = std::filesystem::temp_directory_path() /
              fmt::format("tandem-mlir-{}", static_cast<long>(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  ~StockReader() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  bool exists() const { return !program_.empty(); }

  std::string Read(const std::string& text) const {
    const std::string file = folder_ / "design.mlir";
    std::ofstream(file) << text;
    const std::string log = folder_ / "log";
    const std::string command = fmt::format(
        "'{}' --allow-unregistered-dialect --split-input-file=//cut '{}' -o '{}' 2>'{}'", program_,
        file, (folder_ / "again.mlir").string(), log);
    if (std::system(command.c_str()) == 0) return {};
    std::ifstream in(log);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  static std::string Find() {
    std::vector<std::string> places;
    if (const char* named = std::getenv("TANDEM_MLIR_OPT")) places.emplace_back(named);
    const char* cache = std::getenv("XDG_CACHE_HOME");
    const char* home = std::getenv("HOME");
    if (cache != nullptr && *cache != 0) {
      places.push_back(std::string(cache) + "/tandem-mlir/mlir-opt");
    } else if (home != nullptr) {
      places.push_back(std::string(home) + "/.cache/tandem-mlir/mlir-opt");
    }
    for (int version = 24; version >= 17; --version) {
      places.push_back(fmt::format("/usr/lib/llvm-{}/bin/mlir-opt", version));
    }
    for (const std::string& place : places) {
      if (std::filesystem::exists(place)) return place;
    }
    return {};
  }

  std::string program_;
  std::filesystem::path folder_;
};

TEST(NpuMlir, SaysAllThatTheDesignHas) {
  for (const NamedDesign& named : AllDesigns()) {
    const Design design = named.make();
    const std::string text = DesignMlir(design, OptionsOf(named));
    size_t transfers = 0;
    size_t channels = 0;
    for (const TileDma& dma : design.dmas) {
      transfers += dma.transfers.size();
      channels += dma.channels.size();
    }
    size_t circuits = 0;
    for (const StreamSwitch& one : design.switches) circuits += one.circuits.size();
    for (const ShimMux& mux : design.shim_muxes) circuits += mux.circuits.size();
    const std::string run = text.substr(text.find("aie.runtime_sequence"));
    const std::string fixed = text.substr(0, text.size() - run.size());
    const auto count = [&](const char* op) { return static_cast<size_t>(Count(fixed, op)); };
    EXPECT_EQ(count("\"aie.lock\""), design.locks.size()) << named.name;
    EXPECT_EQ(count("\"aie.buffer\""), design.buffers.size()) << named.name;
    EXPECT_EQ(count("\"aie.dma_bd\""), transfers) << named.name;
    EXPECT_EQ(count("\"aie.dma_start\""), channels) << named.name;
    EXPECT_EQ(count("\"aie.connect\""), circuits) << named.name;
    EXPECT_EQ(count("\"aie.core\""), design.cores.size()) << named.name;
    EXPECT_EQ(count("\"aie.switchbox\""), design.switches.size()) << named.name;
    EXPECT_EQ(count("\"aie.shim_mux\""), design.shim_muxes.size()) << named.name;
    // The compiler adds the way of the tokens.
    EXPECT_EQ(count("\"aie.packet_rules\""), 0U) << named.name;
    EXPECT_NE(run.find("aiex.dma_await_task"), std::string::npos) << named.name;
  }
}

TEST(NpuMlir, OneCoreInFull) {
  // A core of the design alone, so that the text can be read here.
  const NamedDesign named = FindDesign("gemm-i8-i32-npu1");
  const Design design = named.make();
  const std::string text = DesignMlir(design, OptionsOf(named, MlirCalls::kFunction));
  EXPECT_NE(text.find("    \"func.func\"() <{function_type = (memref<2080xi32>, memref<2064xi32>, "
                      "memref<2064xi32>, memref<16xi32>, memref<4096xi32>) -> (), sym_name = "
                      "\"tandem_gemm_i8_npu1\", "
                      "sym_visibility = \"private\"}> ({}) {link_with = \"gemm_kernels.aie2.o\"} : "
                      "() -> ()\n"),
            std::string::npos);
  const size_t begin = text.find("%core_0_2 = ");
  const std::string core = text.substr(begin, text.find("%core_0_3", begin) - begin);
  EXPECT_EQ(core.substr(0, core.find('\n')),
            "%core_0_2 = \"aie.core\"(%tile_0_2) <{stack_size = 1024 : i32}> ({");
  // Both halves, of products: A, B for each step of it, and where a sum begins the results' lock;
  // then what B says, the kernel, and releases. Of attention: queries of all core rows go by in two
  // tiles of B each, one of them its own; keys; values, which begin with the results' lock; the
  // end.
  EXPECT_EQ(Count(core, "<{action = 2 : i32, value = 1 : i32}>"), 16);
  EXPECT_EQ(Count(core, "<{action = 1 : i32, value = 1 : i32}>"), 16);
  EXPECT_EQ(Count(core, "\"func.call\""), 20);
  EXPECT_EQ(Count(core, "<{callee = @tandem_gemm_i8_npu1}>"), 2);
  EXPECT_EQ(Count(core, "\"scf.if\""), 16);
  EXPECT_EQ(Count(core, "\"scf.for\""), 1 + 2 * (1 + 4));
  EXPECT_NE(core.find("value = 4294967295 : index"), std::string::npos);
}

TEST(NpuMlir, TheWaysToCallDifferInTheCallsAlone) {
  const NamedDesign named = FindDesign("gemm-i4-i32-npu2");
  const auto lines = [&](MlirCalls calls) {
    std::multiset<std::string> set;
    std::istringstream in(DesignMlir(named.make(), OptionsOf(named, calls)));
    for (std::string line; std::getline(in, line);) {
      // Numbers of values shift.
      if (line.find("aie.") != std::string::npos && line.find("aie.core") == std::string::npos &&
          line.find('%') == line.find("%lock")) {
        set.insert(line);
      }
    }
    return set;
  };
  EXPECT_GT(lines(MlirCalls::kPointer).size(), 1000U);
  EXPECT_EQ(lines(MlirCalls::kPointer), lines(MlirCalls::kFunction));
}

/// Tasks write an argument's offset into the BD, too, where the patch replaces it.
Stream WithoutBases(Stream stream) {
  for (StreamOp& op : stream.ops) {
    auto* block = std::get_if<BlockWriteOp>(&op);
    if (block == nullptr) continue;
    EXPECT_EQ(block->data.size(), 8U);
    block->data[1] = 0;
  }
  return stream;
}

/// A sequence of the design's with chains of BDs.
Sequence WithChains(const NamedDesign& named) {
  const Generation generation = named.make().device.generation;
  return CutUpSequence(
      PlanCut({{generation, MaxColumns(generation)}, GemmType::kI8, GemmOutput::kF32},
              {300, 500, 0, 4500, 100}));
}

// Chains are tasks as they stand: of sums, of those that fill no tile, which are three, and of what
// halves take. For two blocks of rows and four core rows.
TEST(NpuMlir, ChainsOfDescriptorsAreBlocksOfATask) {
  for (const auto& [name, unfilled] : {std::pair{"gemm-i8-f32-npu1", 1}, {"gemm-i8-f32-npu2", 0}}) {
    const NamedDesign named = FindDesign(name);
    MlirOptions options = OptionsOf(named);
    options.sequence = WithChains(named);
    const std::string text = DesignMlir(named.make(), options);
    const std::string run = text.substr(text.find("aie.runtime_sequence"));
    EXPECT_EQ(Count(run, "\"aie.next_bd\"()[^bd1]"), 2 * 4 * (2 + unfilled));
    EXPECT_EQ(Count(run, "\"aie.next_bd\"()[^bd2]"), 2 * 4 * unfilled);
    EXPECT_EQ(Count(run, "^bd1:"), 2 * 4 * (2 + unfilled));
    const Stream stream = EncodeSequence(*options.sequence);
    EXPECT_EQ(stream, WithoutBases(stream));
    EXPECT_EQ(FirstDifference(WriteStream(WithoutBases(EncodeSequence(AsTasks(*options.sequence)))),
                              WriteStream(stream)),
              "");
  }
}

TEST(NpuMlir, TasksHaveTheWordsOfCopies) {
  for (const NamedDesign& named : AllDesigns()) {
    const Sequence sequence = named.example();
    const Stream copies = EncodeSequence(sequence);
    EXPECT_EQ(copies, WithoutBases(copies));
    EXPECT_EQ(FirstDifference(WriteStream(WithoutBases(EncodeSequence(AsTasks(sequence)))),
                              WriteStream(copies)),
              "")
        << named.name;
  }
  Sequence other;
  other.steps.emplace_back(ResetCoreStep{{0, 2}});
  EXPECT_THROW(AsTasks(other), Error);
  other.steps = {WaitStep{{{0, 0}, Direction::kMm2s, 0}}};
  EXPECT_THROW(AsTasks(other), Error);
}

TEST(NpuMlir, RefusesWhatItCannotSay) {
  const auto kind = [](const Design& design, const MlirOptions& options = {}) {
    try {
      DesignMlir(design, options);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::kInternal;
  };
  const NamedDesign named = FindDesign("gemm-bf16-f32-npu1");
  EXPECT_EQ(kind(named.make()), ErrorKind::kInvalidArgument);  // Which object?
  Design design = named.make();
  design.buffers[0].address = -1;
  EXPECT_EQ(kind(design, OptionsOf(named)), ErrorKind::kInvalidArgument);
  design = named.make();
  design.dmas[0].transfers[0].iteration = Iteration{2, 4, 0};
  EXPECT_EQ(kind(design, OptionsOf(named)), ErrorKind::kUnsupported);
  design = named.make();
  for (Buffer& buffer : design.buffers) {
    if (buffer.name == "a0_0_2") buffer.elements -= 8;
  }
  for (TileDma& dma : design.dmas) {
    for (Transfer& transfer : dma.transfers) {
      transfer.length = std::min(transfer.length, design.buffers[transfer.buffer].elements);
    }
  }
  EXPECT_EQ(kind(design, OptionsOf(named)), ErrorKind::kUnsupported);  // Buffers of two sizes.
}

TEST(NpuMlir, QuotesNamesFromOutside) {
  EXPECT_EQ(MlirString("a\"b\\c\n\xC3\xA4"), "\"a\\22b\\5Cc\\0A\\C3\\A4\"");
}

TEST(NpuMlir, AStockMlirOptReadsIt) {
  const StockReader reader;
  if (!reader.exists()) GTEST_SKIP() << "no mlir-opt here: tools/fetch-mlir.sh unpacks one";
  // One process for all, and one for the example of what it refuses.
  std::string all;
  const auto add = [&](const std::string& text) { all += text + "//cut\n"; };
  for (const NamedDesign& named : AllDesigns()) {
    add(DesignMlir(named.make(), OptionsOf(named)));
  }
  const NamedDesign chained = FindDesign("gemm-i8-f32-npu1");
  MlirOptions options = OptionsOf(chained);
  options.sequence = WithChains(chained);
  add(DesignMlir(chained.make(), options));
  int read = 0;
  for (const Entry& entry : LoadEntries("designs.jsonl")) {
    try {
      add(DesignMlir(GoldenDesign(entry), {}));
      ++read;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUnsupported) << entry.id << ": " << error.what();
    }
  }
  EXPECT_EQ(reader.Read(all), "");
  EXPECT_GE(read, 20);
  // It does look.
  std::string broken = DesignMlir(AllDesigns()[0].make(), OptionsOf(AllDesigns()[0]));
  broken.replace(broken.find("%lock0 ="), 8, "%lockX =");
  EXPECT_NE(reader.Read(broken), "");
}

}  // namespace
}  // namespace tandem::npu::test
