// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The other commands: help, convert, score, info, tokenize, bench, doctor, completion.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "cli/process.h"

namespace tandem::test {
namespace {

using Json = nlohmann::json;

Json JsonOf(const std::vector<std::string>& arguments, std::string_view input = {}) {
  const Finished run = Tandem(arguments, input);
  EXPECT_EQ(run.code, 0) << run.err;
  return Json::parse(run.out, nullptr, false);
}

TEST(Help, ListsEveryCommandAndExitCode) {
  const Finished run = Tandem({"--help"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.err, "");
  for (const char* command :
       {"run", "convert", "score", "info", "tokenize", "bench", "doctor", "npu", "completion"}) {
    EXPECT_NE(run.out.find(std::string("\n  ") + command + " "), std::string::npos) << command;
    const Finished help = Tandem({command, "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_EQ(help.out.find("Usage: tandem " + std::string(command)) == std::string::npos, false);
    for (const std::string& line : Lines(help.out)) EXPECT_LE(line.size(), 100u) << line;
  }
  for (int code = 0; code <= 6; ++code) {
    EXPECT_NE(run.out.find("\n  " + std::to_string(code) + "  "), std::string::npos) << code;
  }
  EXPECT_EQ(Tandem({"--version"}).out.rfind("tandem ", 0), 0u);
}

TEST(Completion, ScriptsAreValidAndComplete) {
  EXPECT_EQ(Shell("\"$TANDEM\" completion bash | bash -n").code, 0);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const Finished run = Tandem({"completion", shell});
    EXPECT_EQ(run.code, 0);
    for (const char* word : {"convert", "q4_k_m", "e2b", "logit-bias"}) {
      EXPECT_NE(run.out.find(word), std::string::npos) << shell << " " << word;
    }
  }
  const char* complete =
      "source <(\"$TANDEM\" completion bash); COMP_WORDS=(tandem convert --type q4); COMP_CWORD=3; "
      "_tandem; echo \"${COMPREPLY[@]}\"";
  EXPECT_EQ(Shell(complete).out, "q4_0 q4_k q4_k_m\n");
}

TEST(Tokenize, GoesThereAndBack) {
  const std::string text = "Hello 🦊,\n  Brasília\t<end_of_turn>";
  const Json json = JsonOf({"tokenize", "-q", "--json", "--no-bos", text});
  EXPECT_EQ(json["count"], json["ids"].size());
  EXPECT_EQ(json["pieces"].size(), json["ids"].size());
  std::string ids = json["ids"].dump();  // [1,2,3]
  ids = ids.substr(1, ids.size() - 2);
  EXPECT_EQ(Tandem({"tokenize", "-q", "--no-bos", "--ids-only", text}).out, ids + "\n");
  EXPECT_EQ(Tandem({"tokenize", "-q", "--decode", ids}).out, text + "\n");
  EXPECT_EQ(JsonOf({"tokenize", "-q", "--json", "--decode", ids})["text"], text);
}

// Without a driver, so that it is the same on every machine; tests/engine has one with a device.
TEST(Doctor, SaysWhatIsMissingAndHowToMendIt) {
  const std::string without = "VK_DRIVER_FILES=/none VK_ICD_FILENAMES=/none \"$TANDEM\" ";
  const Finished text = Shell(without + "doctor");
  EXPECT_EQ(text.code, 0) << text.err;
  EXPECT_NE(text.out.find("broken: "), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("mend it with: "), std::string::npos) << text.out;
  const Finished run = Shell(without + "doctor --json");
  EXPECT_EQ(run.code, 0) << run.err;
  const Json json = Json::parse(run.out, nullptr, false);
  EXPECT_TRUE(json["gpus"].empty());
  EXPECT_FALSE(json["complaints"].empty());
  EXPECT_TRUE(json["cpu"]["usable"]);
  EXPECT_EQ(json["auto"]["device"], "cpu");
  const Finished reply = Shell(without + "run --device vulkan -p hello");
  EXPECT_EQ(reply.code, 3);
  EXPECT_EQ(reply.out, "");
  EXPECT_NE(reply.err.find("hint: "), std::string::npos) << reply.err;
}

TEST(Doctor, AMachineWithoutAnNpuIsToldSo) {
  const TemporaryFolder folder;
  const Finished run = Shell("TANDEM_SYSTEM_ROOT=" + (folder / "") + " \"$TANDEM\" doctor");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_NE(run.out.find("npu        none: no PCI device 1022:1502 or 1022:17f0"),
            std::string::npos)
      << run.out;
}

// What does not work is said by both forms, line for line: the GPU's and the NPU's.
TEST(Doctor, TheTextAndTheJsonComplainOfTheSame) {
  const TemporaryFolder folder;
  const std::string device = folder / "sys/bus/pci/devices/0000:c6:00.1";
  std::filesystem::create_directories(device);
  WriteFile(device + "/vendor", "0x1022\n");
  WriteFile(device + "/device", "0x1502\n");
  WriteFile(device + "/revision", "0x00\n");
  const std::string with =
      "VK_DRIVER_FILES=/none VK_ICD_FILENAMES=/none TANDEM_NPU_KERNELS=" + (folder / "none") +
      " TANDEM_SYSTEM_ROOT=" + (folder / "") + " \"$TANDEM\" doctor";
  const Finished text = Shell(with);
  ASSERT_EQ(text.code, 0) << text.err;
  const Json json = Json::parse(Shell(with + " --json").out, nullptr, false);
  std::vector<std::string> about;
  std::vector<std::string> listed;
  for (const Json& complaint : json["complaints"]) {
    about.push_back(complaint["about"]);
    const std::string gap = about.back() == "gpu" ? ": " : " ";
    listed.push_back(complaint["state"].get<std::string>() + gap +
                     complaint["what"].get<std::string>());
    const std::string mend = complaint["mend"];
    if (!mend.empty()) listed.push_back("mend it with: " + mend);
  }
  std::vector<std::string> said;
  for (const std::string& line : Lines(text.out)) {
    const std::string row = line.substr(std::min<size_t>(11, line.size()));
    if (row.starts_with("broken") || row.starts_with("limited") || row.starts_with("mend")) {
      said.push_back(row);
    }
  }
  EXPECT_EQ(said, listed) << text.out;
  EXPECT_EQ(about.front(), "gpu");
  // Driver, firmware, XRT and xclbins at least.
  EXPECT_GE(std::count(about.begin(), about.end(), "npu"), 4);
  EXPECT_NE(text.out.find("broken xclbin"), std::string::npos) << text.out;
}

TEST(Tokenize, BosAndSpecialPiecesAreByChoice) {
  EXPECT_EQ(Tandem({"tokenize", "-q", "--ids-only", "<end_of_turn>", "--special"}).out, "2,6\n");
  EXPECT_EQ(Tandem({"tokenize", "-q", "--ids-only", "<end_of_turn>", "--special", "--no-bos"}).out,
            "6\n");
  EXPECT_GT(JsonOf({"tokenize", "-q", "--json", "<end_of_turn>"})["count"], 2);
  EXPECT_EQ(Tandem({"tokenize", "-q", "--decode", "2,6"}).out, "\n");
  EXPECT_EQ(Tandem({"tokenize", "-q", "--decode", "2,6", "--special"}).out, "<bos><end_of_turn>\n");
  EXPECT_EQ(Tandem({"tokenize", "-q", "--ids-only", "--no-bos", "--", "-5"}).out,
            Tandem({"tokenize", "-q", "--ids-only", "--no-bos"}, "-5").out);
}

TEST(Tokenize, TakesLinesOneByOne) {
  const Finished run = Tandem({"tokenize", "-q", "--ids-only", "--lines"}, "one two\n\nthree\n");
  const std::vector<std::string> lines = Lines(run.out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0] + "\n", Tandem({"tokenize", "-q", "--ids-only", "one two"}).out);
  EXPECT_EQ(lines[1], "2");
  EXPECT_EQ(JsonOf({"tokenize", "-q", "--json", "--lines"}, "a\nb")["lines"].size(), 2u);
}

TEST(Score, SumsUpItsTokens) {
  const Json json = JsonOf({"score", "-q", "--json", "--top", "3", "--text", "What is 27 + 45?"});
  double total = 0;
  const Json& tokens = json["tokens"];
  EXPECT_EQ(tokens[0]["id"], 2);
  EXPECT_TRUE(tokens[0]["log_probability"].is_null());
  for (size_t i = 1; i < tokens.size(); ++i) {
    const double value = tokens[i]["log_probability"];
    total += value;
    ASSERT_EQ(tokens[i - 1]["top"].size(), 3u);
    double previous = 0;
    for (const Json& next : tokens[i - 1]["top"]) {
      EXPECT_LE(next["log_probability"], previous);
      previous = next["log_probability"];
      if (next["id"] == tokens[i]["id"]) {
        EXPECT_NEAR(next["log_probability"], value, 1e-6);
      }
    }
  }
  EXPECT_EQ(json["scored"], tokens.size() - 1);
  EXPECT_NEAR(json["total_log_probability"], total, 1e-6);
  EXPECT_NEAR(json["perplexity"], std::exp(-total / (tokens.size() - 1.0)), 1e-6);
}

TEST(Score, IdsGetNoBosAndLogitsHaveARowEach) {
  const TemporaryFolder folder;
  WriteFile(folder / "ids", "2 5,\n509");
  const Json by_file = JsonOf({"score", "-q", "--json", "--ids-file", folder / "ids"});
  const Json json =
      JsonOf({"score", "-q", "--json", "--ids", "2,5,509", "--logits", folder / "l.npy"});
  EXPECT_EQ(json["tokens"], by_file["tokens"]);
  EXPECT_EQ(json["tokens"].size(), 3u);
  const std::string logits = ReadFile(folder / "l.npy");
  EXPECT_NE(logits.find("(3,4096,)"), std::string::npos);
  EXPECT_GT(logits.size(), 3u * 4096 * 4);
}

TEST(Score, LongTablesAreLeftOutUnlessAskedFor) {
  std::string ids = "2";
  for (int i = 0; i < 250; ++i) ids += ",300";
  const size_t brief = Lines(Tandem({"score", "--ids", ids}).out).size();
  EXPECT_LT(brief, 10u);
  EXPECT_GT(Lines(Tandem({"score", "--all", "--ids", ids}).out).size(), 250u);
}

TEST(Info, ReportsTheBuiltInModel) {
  const Json json = JsonOf({"info", "--json", "--ctx", "100", "--tensors"});
  EXPECT_EQ(json["architecture"], "gemma3n");
  EXPECT_EQ(json["memory"]["context"], 100);
  uint64_t bytes = 0;
  for (const Json& tensor : json["tensors"]) bytes += tensor["bytes"].get<uint64_t>();
  uint64_t by_type = 0;
  for (const Json& type : json["types"]) by_type += type["bytes"].get<uint64_t>();
  EXPECT_EQ(bytes, by_type);
  EXPECT_LT(bytes, json["file_bytes"]);
  EXPECT_LT(json["memory"]["kv"], JsonOf({"info", "--json"})["memory"]["kv"]);
  const Finished text = Tandem({"info"});
  EXPECT_NE(text.out.find("gemma3n"), std::string::npos);
  EXPECT_EQ(text.err, "");
}

TEST(Info, ChecksTheWholeFile) {
  const TemporaryFolder folder;
  const std::string path = folder / "fable.gguf";
  ASSERT_EQ(Tandem({"convert", "-q", "-o", path, "--type", "q8_0"}).code, 0);
  const Json good = JsonOf({"info", path, "--check", "--json"});
  EXPECT_EQ(good["check"]["ok"], true);
  EXPECT_EQ(good["check"]["files"][0]["xxh3_128"].get<std::string>().size(), 32u);
  std::string bytes = ReadFile(path);
  bytes.replace(bytes.size() - 4096, 512, std::string(512, '\xff'));  // a NaN in every type
  WriteFile(path, bytes);
  const Finished run = Tandem({"info", path, "--check"});
  EXPECT_EQ(run.code, 3);
  EXPECT_NE(run.out.find("not finite             in "), std::string::npos) << run.out;
  EXPECT_EQ(run.err.rfind("error: " + path + ": ", 0), 0u) << run.err;
  const Json bad = Json::parse(Tandem({"info", path, "--check", "--json"}).out);
  EXPECT_EQ(bad["check"]["ok"], false);
  EXPECT_GE(bad["check"]["not_finite"].size(), 1u);
  EXPECT_NE(bad["check"]["files"], good["check"]["files"]);
}

TEST(Info, JsonSaysWhyAModelCannotBeOpened) {
  const TemporaryFolder folder;
  const std::string path = folder / "broken.gguf";
  WriteFile(path, "GGUF\x03");
  for (const auto& [model, kind] : {std::pair(path, "corrupt_file"),
                                    {folder / "none.gguf", "not_found"},
                                    {std::string("/dev/null"), "io"}}) {
    const Finished run = Tandem({"info", model, "--check", "--json"});
    EXPECT_EQ(run.code, std::string_view(kind) == "io" ? 4 : 3);
    const Json json = Json::parse(run.out);
    EXPECT_EQ(json["model"], model);
    EXPECT_EQ(json["check"]["ok"], false);
    EXPECT_EQ(json["error"]["kind"], kind);
    EXPECT_EQ(run.err.rfind("error: " + json["error"]["message"].get<std::string>() + "\n", 0), 0u)
        << run.err;
    EXPECT_FALSE(Json::parse(Tandem({"info", model, "--json"}).out).contains("check"));
    EXPECT_EQ(Tandem({"info", model, "--check"}).out, "");
  }
  EXPECT_EQ(Tandem({"info", "--json", "--ctx", "1000000"}).out, "");
}

TEST(Bench, JsonHasItsRows) {
  const Json json =
      JsonOf({"bench", "-q", "-p", "4,8", "-n", "3", "-d", "0,6", "-r", "2", "--json"});
  ASSERT_EQ(json["prefill"].size(), 4u);
  EXPECT_EQ(json["prefill"][2]["tokens"], 4);
  EXPECT_EQ(json["prefill"][2]["context"], 6);
  ASSERT_EQ(json["decode"].size(), 2u);
  EXPECT_EQ(json["prefill"][1]["tokens"], 8);
  EXPECT_EQ(json["decode"][1]["tokens"], 3);
  EXPECT_EQ(json["decode"][1]["context"], 6);
  for (const char* kind : {"prefill", "decode"}) {
    for (const Json& row : json[kind]) {
      EXPECT_LE(row["tps_min"], row["tps_median"]);
      EXPECT_LE(row["tps_median"], row["tps_max"]);
      EXPECT_GT(row["tps_min"], 0);
    }
  }
  for (const char* key : {"load_ms", "ttft_ms", "peak_rss_bytes", "threads"}) {
    EXPECT_GT(json[key], 0) << key;
  }
}

TEST(Score, PreciseActivationsReachTheDevice) {
  const std::vector<std::string> arguments = {"score", "-q", "--json", "--text", "One day a fox"};
  auto precise = arguments;
  precise.emplace_back("--precise");
  const Json one = JsonOf(arguments), two = JsonOf(precise);
  EXPECT_EQ(one["device"].get<std::string>().find("precise"), std::string::npos);
  EXPECT_NE(two["device"].get<std::string>().find("precise"), std::string::npos);
  EXPECT_NE(one["total_log_probability"], two["total_log_probability"]);
  EXPECT_NEAR(one["total_log_probability"].get<double>(),
              two["total_log_probability"].get<double>(), 1);
}

TEST(Bench, SeveralCountsOfThreadsAreCompared) {
  const std::vector<std::string> arguments = {"bench", "-q", "-p", "4",   "-n",   "2",
                                              "-r",    "1",  "-t", "1,2", "--pin"};
  auto with_json = arguments;
  with_json.emplace_back("--json");
  const Json json = JsonOf(with_json);
  ASSERT_EQ(json["scaling"].size(), 2u);
  EXPECT_EQ(json["scaling"][0]["threads"], 1);
  EXPECT_EQ(json["scaling"][1]["threads"], 2);
  for (const char* kind : {"prefill", "decode"}) {
    const Json& first = json["scaling"][0][kind][0];
    const Json& second = json["scaling"][1][kind][0];
    EXPECT_EQ(first["speedup"], 1);
    EXPECT_NEAR(second["speedup"].get<double>(),
                second["tps_median"].get<double>() / first["tps_median"].get<double>(), 1e-9);
  }
  const std::string text = Tandem(arguments).out;
  for (const char* part : {"prefill 4", "decode 2", "speed-up", "1 thread ", "2 threads"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << "\n" << text;
  }
}

TEST(Bench, ProfileHasOpsAndLimits) {
  const TemporaryFolder folder;
  const std::string picture = folder / "profile.svg";
  const Json json = JsonOf({"bench", "-q", "--profile-file", picture, "-p", "20", "-n", "2", "-d",
                            "6", "-r", "1", "-t", "1", "--json"});
  for (const char* key : {"read_gb_s", "read_median_gb_s", "int8_gmac_s", "float_gmac_s"}) {
    EXPECT_GT(json["roofline"][key], 0) << key;
  }
  EXPECT_EQ(json["roofline"]["threads"], 1);
  EXPECT_EQ(json["prefill"]["tokens"], 20);
  EXPECT_EQ(json["decode"]["tokens"], 2);
  EXPECT_EQ(json["decode"]["context"], 6);
  for (const char* phase : {"prefill", "decode"}) {
    double seconds = json[phase]["between_seconds"];
    std::set<std::string> names;
    for (const Json& op : json[phase]["ops"]) {
      EXPECT_GE(op["seconds"], 0);
      EXPECT_GT(op["weight_bytes"].get<double>() + op["value_bytes"].get<double>(), 0);
      seconds += op["seconds"].get<double>();
      names.insert(op["op"].get<std::string>());
    }
    EXPECT_NEAR(seconds, json[phase]["seconds"], 1e-9);
    for (const char* name : {"GatedMlp", "Attention", "QkvProject", "LmHead", "AltUpPredict"}) {
      EXPECT_TRUE(names.contains(name)) << name;
    }
  }
  const std::string svg = ReadFile(picture);
  EXPECT_TRUE(svg.starts_with("<svg "));
  EXPECT_NE(svg.find("GatedMlp"), std::string::npos);
}

TEST(Bench, ProfileTableNamesWhatItMeasures) {
  const Finished run = Tandem({"bench", "--profile", "-p", "8", "-n", "0", "-r", "1"});
  EXPECT_EQ(run.code, 0) << run.err;
  for (const char* text : {"reading memory", "prefill of 8 tokens", "GatedMlp", "between ops",
                           "of peak", "weights, keys and values"}) {
    EXPECT_NE(run.out.find(text), std::string::npos) << text;
  }
  EXPECT_EQ(run.out.find("decode"), std::string::npos);
  for (const std::string& line : Lines(run.out)) EXPECT_LE(line.size(), 100u) << line;
}

TEST(Convert, WritesAModelThatAnswersTheSame) {
  const TemporaryFolder folder;
  const std::string out = folder / "fable.gguf";
  const Finished convert = Tandem({"convert", "-o", out, "--type", "q4_k_m", "--json"});
  ASSERT_EQ(convert.code, 0) << convert.err;
  const Json summary = Json::parse(convert.out);
  EXPECT_EQ(summary["bytes"], std::filesystem::file_size(out));
  EXPECT_NE(convert.err.find("100%"), std::string::npos);
  const Finished run = Tandem({"run", "-m", out, "--temp", "0", "-p", "What is 27 + 45?"});
  EXPECT_EQ(run.out, "27 + 45 = 72.\n");
  EXPECT_EQ(run.err.find("demonstration"), std::string::npos) << "it is no longer the built-in one";
  // Nothing but the result may stay behind.
  size_t files = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path()))
    ++files;
  EXPECT_EQ(files, 1u);
  EXPECT_EQ(Tandem({"tokenize", "-m", out, "-q", "--ids-only", "Hello there"}).out, "2,852,391\n");
}

TEST(Convert, SlicesANestedModel) {
  const TemporaryFolder folder;
  const std::string out = folder / "small.gguf";
  const Json summary =
      JsonOf({"convert", "-q", "-o", out, "--type", "q8_0", "--slice", "e2b", "--json"});
  EXPECT_EQ(summary["layers"], 10);
  EXPECT_EQ(JsonOf({"info", out, "--json"})["architecture"], "gemma3n");
  EXPECT_EQ(JsonOf({"score", "-m", out, "-q", "--json", "--ids", "2,5"})["scored"], 1);
}

// Nobody has to watch: progress and summary go to a pipe that was closed.
TEST(Convert, AReaderOfItsProgressMayLeave) {
  const TemporaryFolder folder;
  const std::string out = folder / "out.gguf";
  const Finished run = Shell("\"$TANDEM\" convert -o " + out +
                             " --log-level info 2>&1 >/dev/null | true; "
                             "exit ${PIPESTATUS[0]}");
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(Tandem({"info", out}).code, 0);
}

TEST(Convert, AnInterruptLeavesNothingBehind) {
  const TemporaryFolder folder;
  const std::string script =
      "cd " + folder.path().string() +
      "; \"$TANDEM\" convert -o out.gguf --type f32 -t 1 -q & pid=$!; "
      "while [ -z \"$(ls)\" ] && kill -0 $pid 2>/dev/null; do :; done; kill -INT $pid; wait $pid";
  const Finished run = Shell("set -m; " + script);
  // A machine may be quick enough to finish first.
  EXPECT_TRUE(run.code == 6 || run.code == 0) << run.code << run.err;
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
    EXPECT_EQ(entry.path().filename(), "out.gguf");
    ++files;
  }
  EXPECT_EQ(files, run.code == 0 ? 1u : 0u);
}

}  // namespace
}  // namespace tandem::test
