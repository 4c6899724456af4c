// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu as its user calls it. What the words are is the library's tests' matter.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/process.h"
#include "cli/terminal.h"
#include "formats/npy.h"

namespace tandem::test {
namespace {

using Json = nlohmann::json;

constexpr const char* kSequence =
    R"({"device":"npu2","args":[{"type":"i32","elements":64}],"allocs":[{"name":"x","col":0,)"
    R"("dir":"MM2S","channel":0}],"ops":[{"op":"dma_memcpy_nd","arg":0,"offsets":[0,0,0,0],)"
    R"("sizes":[1,1,1,64],"strides":[0,0,0,1],"bd":0,"alloc":"x","token":true},)"
    R"({"op":"dma_wait","alloc":"x"}]})";
constexpr const char* kDesign =
    R"({"device":"npu1","locks":[{"tile":[0,2],"id":1,"init":2,"name":"l"}],"buffers":[],)"
    R"("cores":[],"dmas":[],"switchboxes":[],"shim_muxes":[],"cascades":[]})";

TEST(Npu, EncodesAndSaysWhatItEncoded) {
  const TemporaryFolder folder;
  WriteFile(folder / "s.json", kSequence);
  const Finished encode = Tandem({"npu", "encode", folder / "s.json", "-o", folder / "s.bin"});
  EXPECT_EQ(encode.code, 0) << encode.err;
  EXPECT_EQ(encode.out, "");
  EXPECT_NE(encode.err.find("4 operations, 152 bytes"), std::string::npos) << encode.err;
  EXPECT_EQ(Tandem({"npu", "insts", folder / "s.bin"}).out,
            "npu2, 8 columns, version 0.1, 4 operations, 152 bytes\n"
            "     4  BLOCKWRITE         shim (0,0) DMA_BD0_0 [8]  Buffer_Length=64 Burst_Length=3 "
            "AxCache=2 Valid_BD=1\n"
            "    16  DDR_PATCH          shim (0,0) DMA_BD0_1  argument=0 offset=0\n"
            "    28  WRITE              shim (0,0) DMA_MM2S_0_TASK_QUEUE = 0x80000000  "
            "Enable_Token_Issue=1 Repeat_Count=0 Start_BD_ID=0\n"
            "    34  TCT                shim (0,0)  columns=1 rows=1 MM2S=0\n");
  // Not over what it reads, whatever the way there.
  const Finished over = Tandem({"npu", "encode", folder / "s.json", "-o", folder / "./s.json"});
  EXPECT_EQ(over.code, 2);
  EXPECT_NE(over.err.find("is what is read"), std::string::npos) << over.err;
  EXPECT_EQ(ReadFile(folder / "s.json"), kSequence);
  const Json json = Json::parse(Tandem({"npu", "insts", "--json", folder / "s.bin"}).out);
  EXPECT_EQ(json["generation"], "npu2");
  EXPECT_EQ(json["bytes"], ReadFile(folder / "s.bin").size());
  EXPECT_EQ(json["ops"].size(), 4U);
  EXPECT_EQ(json["ops"][2]["register"], "DMA_MM2S_0_TASK_QUEUE");
  EXPECT_EQ(json["ops"][2]["data"], Json::array({0x80000000U}));
  EXPECT_EQ(json["ops"][2]["tile"], Json::array({0, 0}));
}

TEST(Npu, ConfiguresDesigns) {
  const TemporaryFolder folder;
  WriteFile(folder / "d.json", kDesign);
  EXPECT_EQ(Tandem({"npu", "config", "-q", folder / "d.json", "-o", folder / "d.bin"}).err, "");
  EXPECT_EQ(Tandem({"npu", "insts", folder / "d.bin"}).out,
            "npu1, 4 columns, version 0.1, 1 operations, 40 bytes\n"
            "     4  WRITE              core tile (0,2) LOCK1_VALUE = 0x00000002  Lock_Value=2\n");
}

TEST(Npu, ErrorsNameFileAndPlace) {
  const TemporaryFolder folder;
  const auto encode = [&](const std::string& text) {
    WriteFile(folder / "s.json", text);
    return Tandem({"npu", "encode", folder / "s.json", "-o", folder / "s.bin"});
  };
  Finished run = encode("{");
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("s.json: not valid JSON"), std::string::npos) << run.err;
  run = encode(R"({"device":"npu1","ops":[{"op":"fly"}]})");
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("s.json.ops[0]: \"fly\" is not an operation"), std::string::npos)
      << run.err;
  std::string wide(kSequence);
  wide.replace(wide.find("\"bd\":0"), 6, "\"bd\":16");
  run = encode(wide);
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err, "error: " + (folder / "s.json") +
                         ": op 0 (dma_memcpy_nd): BD 16: a shim has BDs 0 to 15\n");
  EXPECT_FALSE(std::filesystem::exists(folder / "s.bin"));
  WriteFile(folder / "x.bin", "not a stream");
  run = Tandem({"npu", "insts", folder / "x.bin"});
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.err.find("x.bin: word 0: too short"), std::string::npos) << run.err;
}

TEST(Npu, ListsDesignsAndWritesThem) {
  const TemporaryFolder folder;
  const Finished list = Tandem({"npu", "designs"});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_NE(list.out.find("gemm-i4-i32-npu2"), std::string::npos);
  const Json json = Json::parse(Tandem({"npu", "designs", "--json"}).out);
  EXPECT_EQ(json["designs"].size(), Lines(list.out).size() - 1);
  for (const Json& design : json["designs"]) EXPECT_TRUE(design["problems"].empty());
  const std::string name = "gemm-i8-i32-npu1";
  const Json one = Json::parse(Tandem({"npu", "designs", name, "--json"}).out);
  EXPECT_EQ(one["cores"], 16);
  EXPECT_EQ(one["kernels"], Json::array({"attention_finish", "attention_keys", "attention_queries",
                                         "attention_values", "gemm_i8_npu1", "next_b"}));
  EXPECT_EQ(one["use"].size(), 24U);
  EXPECT_EQ(one["fingerprint"].get<std::string>().size(), 16U);
  EXPECT_NE(Tandem({"npu", "designs", name}).out.find("every stream has two ends"),
            std::string::npos);
  EXPECT_EQ(Tandem({"npu", "designs", name, "--json", "-o", folder / "d.json"}).out, "");
  EXPECT_EQ(Json::parse(ReadFile(folder / "d.json")), one);
  // The same text on standard output and in a file.
  EXPECT_EQ(Tandem({"npu", "designs", name, "--mlir", "-o", folder / "d.mlir"}).out, "");
  EXPECT_EQ(Tandem({"npu", "designs", name, "--mlir"}).out, ReadFile(folder / "d.mlir"));
  for (const std::string form : {"--config", "--insts"}) {
    EXPECT_EQ(Tandem({"npu", "designs", name, form, "-o", folder / "x.bin"}).code, 0);
    EXPECT_EQ(Tandem({"npu", "insts", folder / "x.bin"}).code, 0);
  }
  const auto wrong = [](std::vector<std::string> arguments, const std::string& text) {
    arguments.insert(arguments.begin(), {"npu", "designs"});
    const Finished run = Tandem(arguments);
    EXPECT_EQ(run.code, 2) << text;
    EXPECT_NE(run.err.find(text), std::string::npos) << run.err;
  };
  wrong({"gemm"}, "there is no design gemm");
  wrong({"--mlir"}, "of which design?");
  wrong({name, "--mlir", "--config"}, "one of them at a time");
  wrong({name, "--mlir", "--json"}, "one of them at a time");
  wrong({name, "--config"}, "there is no --output");
  wrong({name, "-o", "x"}, "--output");
  wrong({name, "--calls", "pointer"}, "--calls");
  wrong({name, "--mlir", "--calls", "magic"}, "--calls");
  wrong({""}, "there is no design");
}

TEST(Npu, TestsItselfUpToTheFirstThingThatDiffers) {
  const TemporaryFolder folder;
  const Finished wrong = Tandem({"npu", "selftest", "--inject", "wrong-data", "--inject-step", "3",
                                 "--save", folder / "report"});
  EXPECT_EQ(wrong.code, 1);
  EXPECT_NE(wrong.out.find(" 3 FAILED  one-core"), std::string::npos) << wrong.out;
  EXPECT_NE(wrong.out.find("2 of 15 steps passed"), std::string::npos) << wrong.out;
  EXPECT_NE(wrong.out.find("tandem doctor --json"), std::string::npos) << wrong.out;
  EXPECT_EQ(Tandem({"npu", "insts", folder / "report/stream.bin"}).code, 0);
  EXPECT_EQ(ReadFile(folder / "report/argument2.dat").size(), 3U * 64 * 64 * 4);
  EXPECT_EQ(Json::parse(ReadFile(folder / "report/report.json"))["steps"].size(), 3U);
  const Finished lost = Tandem({"npu", "selftest", "--inject", "vanish", "--inject-step", "1"});
  EXPECT_EQ(lost.code, 1);
  const Json json = Json::parse(
      Tandem({"npu", "selftest", "--inject", "hang", "--inject-step", "2", "--json"}).out);
  EXPECT_EQ(json["ok"], false);
  EXPECT_EQ(json["emulated"], true);
  EXPECT_EQ(json["steps"].size(), 2U);
  EXPECT_EQ(json["planned"], 15);
  EXPECT_NE(lost.out.find("the device is gone"), std::string::npos) << lost.out;
  for (const std::vector<std::string>& bad :
       std::vector<std::vector<std::string>>{{"--timeout", "0"},
                                             {"--inject", "bug"},
                                             {"--inject-step", "0"},
                                             {"--inject-step", "3"},
                                             {"--save", ""},
                                             {"--seed", "-1"}}) {
    std::vector<std::string> arguments = {"npu", "selftest"};
    arguments.insert(arguments.end(), bad.begin(), bad.end());
    const Finished run = Tandem(arguments);
    EXPECT_EQ(run.code, 2) << bad[0];
    EXPECT_NE(run.err.find(bad[0]), std::string::npos) << run.err;
  }
}

TEST(Npu, ReckonsProducts) {
  const Json json = Json::parse(
      Tandem({"npu", "gemm", "-m", "4032", "-k", "4032", "-n", "4032", "--tile", "112x112x112",
              "--out", "i8", "--kernel-class", "chess", "--model-only", "--json"})
          .out);
  EXPECT_NEAR(json["tops"], 6.52, 0.35 * 6.52);
  EXPECT_EQ(json["bound"], "compute");
  EXPECT_EQ(json["modelled"], true);
  const auto wrong = [](const std::string& option, const std::string& value) {
    const Finished run =
        Tandem({"npu", "gemm", "-m", "1", "-k", "1", "-n", "1", "--model-only", option, value});
    EXPECT_EQ(run.code, 2) << option;
    EXPECT_NE(run.err.find(option), std::string::npos) << run.err;
  };
  wrong("--tile", "64x64");
  wrong("--tile", "64x64x64x64");
  wrong("--tile", "64x-1x64");
  wrong("--tile", "");
  wrong("--columns", "5");
  wrong("--activations", "bf16");
  wrong("--clock", "nan");
}

TEST(Npu, MultipliesOnTheEmulatedArray) {
  const TemporaryFolder folder;
  const auto multiply = [&](const std::string& type, const std::string& generation,
                            const std::vector<std::string>& more = {}) {
    std::vector<std::string> args = {
        "npu", "gemm",   "-m",           "3",        "-k",     "200",         "-n", "70", "--type",
        type,  "--json", "--generation", generation, "--save", folder / "out"};
    args.insert(args.end(), more.begin(), more.end());
    const Finished run = Tandem(args);
    EXPECT_EQ(run.code, 0) << run.err;
    return Json::parse(run.out);
  };
  for (const std::string generation : {"npu1", "npu2"}) {
    for (const std::string type : {"i8", "i4", "bf16"}) {
      const Json json = multiply(type, generation);
      EXPECT_EQ(json["ok"], true);
      EXPECT_EQ(json["modelled"], true);
      // The files say the same as the report.
      const auto check = [&]<typename T>(T) {
        const auto a = ReadNpy<T>(folder / "out/a.npy");
        const auto b = ReadNpy<T>(folder / "out/b.npy");
        const auto c = ReadNpy<T>(folder / "out/c.npy");
        EXPECT_EQ(a.shape, (std::vector<int64_t>{3, 200}));
        EXPECT_EQ(b.shape, (std::vector<int64_t>{200, 70}));
        ASSERT_EQ(c.shape, (std::vector<int64_t>{3, 70}));
        double most = 0;
        double largest = 0;
        for (size_t m = 0; m < 3; ++m) {
          for (size_t n = 0; n < 70; ++n) {
            double sum = 0;
            for (size_t k = 0; k < 200; ++k) {
              sum += static_cast<double>(a.values[m * 200 + k]) *
                     static_cast<double>(b.values[k * 70 + n]);
            }
            most = std::max(most, std::abs(sum - static_cast<double>(c.values[m * 70 + n])));
            largest = std::max(largest, std::abs(sum));
          }
        }
        EXPECT_NEAR(most, json["max_abs_error"].get<double>(), 1e-9 * largest);
        EXPECT_LE(most, (type == "i8" ? 0 : type == "i4" ? 2e-2 : 1e-5) * largest);
      };
      type == "i8" ? check(int64_t{}) : check(float{});
      const Json stream =
          Json::parse(Tandem({"npu", "insts", "--json", folder / "out/gemm.bin"}).out);
      EXPECT_EQ(stream["generation"], generation);
    }
  }
  EXPECT_EQ(multiply("i8", "npu1", {"--out", "i8", "--seed", "7"})["max_abs_error"], 0);
  EXPECT_EQ(multiply("bf16", "npu2", {"--out", "bf16", "--columns", "4"})["ok"], true);
  EXPECT_EQ(multiply("i8", "npu1", {"--out", "f32"})["ok"], true);
  EXPECT_EQ(multiply("i4", "npu2", {"--out", "i32"})["ok"], true);
  // 4 bits are rounded to bytes, which an error beside nothing does not tell from a wrong result.
  EXPECT_LT(multiply("i4", "npu1").at("relative_error"), 0.02);
  EXPECT_FALSE(multiply("i8", "npu1").contains("relative_error"));
  const auto refuse = [&](const std::vector<std::string>& more, const std::string& says,
                          int code = 2) {
    std::vector<std::string> args = {"npu", "gemm"};
    for (const std::string side : {"-m", "-k", "-n"}) {
      if (std::find(more.begin(), more.end(), side) == more.end()) {
        args.insert(args.end(), {side, "1"});
      }
    }
    args.insert(args.end(), more.begin(), more.end());
    const Finished run = Tandem(args);
    EXPECT_TRUE(code == 0 ? run.code != 0 : run.code == code) << run.code << ": " << run.err;
    EXPECT_NE(run.err.find(says), std::string::npos) << run.err;
    // One line of what is wrong, at most one of what to do.
    EXPECT_LE(Lines(run.err).size(), 2U) << run.err;
    EXPECT_EQ(run.out, "");
  };
  refuse({"--tile", "32x32x32"}, "64x128x64");
  refuse({"--tile", "64x128x64x1"}, "MxKxN");
  refuse({"--out", "bf16"}, "--out bf16: Tandem's designs for i8 give i8 or i16 or i32 or f32");
  refuse({"--type", "bf16", "--out", "i8"}, "--out i8: sums of bf16 are bf16 or f32");
  refuse({"--type", "i4", "--activations", "bf16"}, "no design for w4bf16");
  refuse({"--columns", "3"}, "--columns 3: Tandem's designs for npu1 take 4");
  refuse({"--columns", "5", "--generation", "npu2"}, "take 4 or 8");
  refuse({"-m", "65537"}, "-m 65537: Tandem's designs take 65536 at most");
  refuse({"-k", "131072"}, "-k 131072");
  refuse({"-n", "524289"}, "-n 524289");
  refuse({"--save", ""}, "--save");
  refuse({"--model-only", "--save", "x"}, "--save");
  WriteFile(folder / "file", "");
  refuse({"--save", folder / "file"}, "--save " + (folder / "file"), 4);
  refuse({"--save", "/proc"}, "--save /proc: no file can be made there", 4);
  // What keeps XRT from an NPU, both say alike.
  const Finished info = Tandem({"npu", "info", "--json"});
  const Json there = Json::parse(info.out);
  EXPECT_EQ(info.code == 0, there["usable"].get<bool>());
  if (info.code != 0) {
    refuse({"--device", "xrt", "--save", folder / "none"}, there["problem"].get<std::string>(), 0);
    EXPECT_FALSE(std::filesystem::exists(folder / "none"));
  }
}

// Where somebody watches, and nowhere else.
TEST(Npu, ShowsHowFarItIs) {
  const std::vector<std::vector<std::string>> commands = {
      {"npu", "gemm", "-m", "64", "-k", "512", "-n", "256"},
      {"npu", "attention", "-q", "64"},
      {"npu", "selftest"}};
  const std::vector<std::string> labels = {"multiplying", "attending", "testing"};
  for (size_t i = 0; i < commands.size(); ++i) {
    Terminal watched(commands[i], {});
    EXPECT_NE(watched.WaitFor(labels[i] + "   0%"), "") << watched.screen();
    // It vanishes before the result, which begins its own line.
    EXPECT_NE(watched.WaitFor("\r" + std::string(i < 2 ? "npu1, emulated: right" : " 1 ok")), "")
        << watched.screen();
    EXPECT_EQ(watched.Wait(), 0);
    std::vector<std::string> json = commands[i];
    json.push_back("--json");
    Terminal quiet(json, {});
    EXPECT_EQ(quiet.Wait(), 0);
    EXPECT_EQ(quiet.screen().find(labels[i]), std::string::npos) << quiet.screen();
    EXPECT_EQ(Tandem(commands[i]).err, "");
  }
}

TEST(Npu, PromptsShowHowFarTheyAre) {
  Terminal watched({"run", "-p", "hello", "--temp", "0", "--prefill", "npu", "-n", "1"}, {});
  EXPECT_NE(watched.WaitFor("reading the prompt   0%"), "") << watched.screen();
  EXPECT_EQ(watched.Wait(), 0);
}

TEST(Npu, WritesXclbins) {
  const TemporaryFolder folder;
  const std::string path = folder / "x.xclbin";
  const Finished run =
      Tandem({"npu", "xclbin", "--type", "i4", "--generation", "npu2", "-o", path});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.err.find("gemm-i4-i32-npu2"), std::string::npos);
  const Finished wrong = Tandem({"npu", "xclbin", "--type", "i4", "--out", "i8", "-o", path});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("--out i8: Tandem's designs for i4"), std::string::npos) << wrong.err;
  EXPECT_NE(Tandem({"npu", "xclbin", "-o", folder / "none/x.xclbin"}).code, 0);
}

TEST(Npu, AttendsOnTheEmulatedArray) {
  const TemporaryFolder folder;
  constexpr size_t kRows = 20, kKeys = 70, kHeads = 4, kKvHeads = 2, kDims = 48, kWindow = 33;
  for (const std::string generation : {"npu1", "npu2"}) {
    const Finished run =
        Tandem({"npu",      "attention", "-q",           "20",       "--kv",       "70",
                "--heads",  "4",         "--kv-heads",   "2",        "--head-dim", "48",
                "--window", "33",        "--generation", generation, "--seed",     "5",
                "--json",   "--save",    folder / "out"});
    ASSERT_EQ(run.code, 0) << run.err;
    const Json json = Json::parse(run.out);
    EXPECT_EQ(json["ok"], true);
    EXPECT_EQ(json["modelled"], true);
    EXPECT_EQ(json["device"], generation + ", emulated");
    const auto q = ReadNpy<float>(folder / "out/q.npy");
    const auto k = ReadNpy<float>(folder / "out/k.npy");
    const auto v = ReadNpy<float>(folder / "out/v.npy");
    const auto o = ReadNpy<float>(folder / "out/o.npy");
    ASSERT_EQ(q.shape, (std::vector<int64_t>{kRows, kHeads, kDims}));
    ASSERT_EQ(k.shape, (std::vector<int64_t>{kKeys, kKvHeads, kDims}));
    ASSERT_EQ(v.shape, k.shape);
    ASSERT_EQ(o.shape, q.shape);
    double most = 0;
    for (size_t row = 0; row < kRows; ++row) {
      for (size_t head = 0; head < kHeads; ++head) {
        const size_t at = (row * kHeads + head) * kDims;
        std::vector<double> sums(kDims);
        double total = 0;
        const size_t last = kKeys - kRows + row;
        for (size_t p = last + 1 - kWindow; p <= last; ++p) {
          const size_t key = (p * kKvHeads + head / 2) * kDims;
          double score = 0;
          for (size_t i = 0; i < kDims; ++i) score += double{q.values[at + i]} * k.values[key + i];
          total += std::exp(score);
          for (size_t i = 0; i < kDims; ++i) sums[i] += std::exp(score) * v.values[key + i];
        }
        for (size_t i = 0; i < kDims; ++i) {
          most = std::max(most, std::abs(sums[i] / total - o.values[at + i]));
        }
      }
    }
    EXPECT_NEAR(most, json["max_abs_error"].get<double>(), 1e-6);
    EXPECT_LT(most, 0.02);
    const Json stream =
        Json::parse(Tandem({"npu", "insts", "--json", folder / "out/attention.bin"}).out);
    EXPECT_EQ(stream["generation"], generation);
  }
  const Json model = Json::parse(Tandem({"npu", "attention", "-m", "256", "--kv", "2048",
                                         "--window", "512", "--model-only", "--json"})
                                     .out);
  EXPECT_EQ(model["max_abs_error"], nullptr);
  EXPECT_GT(model["tops"], 0.3);
  EXPECT_LT(model["share_of_peak"], 0.5);
  const auto refuse = [&](const std::vector<std::string>& more, const std::string& says) {
    std::vector<std::string> args = {"npu", "attention", "-q", "4"};
    args.insert(args.end(), more.begin(), more.end());
    const Finished run = Tandem(args);
    EXPECT_NE(run.code, 0);
    EXPECT_NE(run.err.find(says), std::string::npos) << run.err;
  };
  refuse({"--kv", "3"}, "-q 4");
  refuse({"--heads", "3"}, "--heads 3: no multiple of --kv-heads 2");
  refuse({"--head-dim", "257"}, "--head-dim");
  refuse({"--columns", "3"}, "--columns 3: Tandem's designs for npu1 take 4");
  refuse({"--kv", "1048576", "--heads", "3", "--kv-heads", "3"}, "GB to make and check, 8 at most");
  const Finished info = Tandem({"npu", "info", "--json"});
  if (info.code != 0) {
    refuse({"--device", "xrt"}, Json::parse(info.out)["problem"].get<std::string>());
  }
  refuse({"--model-only", "--save", "x"}, "--save");
}

TEST(Npu, CommandsOfTheCommand) {
  EXPECT_EQ(Tandem({"npu"}).err,
            "error: no command given\nhint: tandem npu --help lists what there is\n");
  const Finished wrong = Tandem({"npu", "encodes"});
  EXPECT_EQ(wrong.code, 2);
  EXPECT_NE(wrong.err.find("did you mean encode?"), std::string::npos) << wrong.err;
  const Finished help = Tandem({"npu", "encode", "--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_NE(help.out.find("Usage: tandem npu encode [OPTIONS] SEQUENCE"), std::string::npos);
  EXPECT_NE(Tandem({"manual"}).out.find(".SS tandem npu config"), std::string::npos);
  EXPECT_EQ(Shell("source <(\"$TANDEM\" completion bash); COMP_WORDS=(tandem npu enc); "
                  "COMP_CWORD=2; _tandem; echo \"${COMPREPLY[@]}\"")
                .out,
            "encode\n");
}

}  // namespace
}  // namespace tandem::test
