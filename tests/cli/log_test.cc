// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// --log-level, --log-file, --log-json, before and after the command.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <string>

#include "cli/process.h"

namespace tandem::test {
namespace {

using Json = nlohmann::json;

std::vector<Json> JsonLines(const std::string& text) {
  std::vector<Json> lines;
  for (const std::string& line : Lines(text)) {
    lines.push_back(Json::parse(line, nullptr, false));
    EXPECT_TRUE(lines.back().is_object()) << line;
  }
  return lines;
}

bool Has(const std::vector<Json>& lines, const char* level, const std::string& start) {
  return std::any_of(lines.begin(), lines.end(), [&](const Json& line) {
    return line["level"] == level && line["message"].get<std::string>().rfind(start, 0) == 0;
  });
}

TEST(Log, TellsWhatHappenedAndNoText) {
  const TemporaryFolder folder;
  const Finished run =
      Tandem({"--log-file", folder / "log", "run", "--log-json", "--session", folder / "s",
              "--temp", "0", "-p", "What is the capital of Brazil?"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.err.find("{"), std::string::npos) << "JSON is the file's";
  EXPECT_EQ(run.err.find("model loaded"), std::string::npos);
  const std::string text = ReadFile(folder / "log");
  const auto lines = JsonLines(text);
  for (const char* start : {"tandem ", "model loaded: built-in fable, ", "engine ready: cpu",
                            "new session: ", "reply finished: ", "session saved: "}) {
    EXPECT_TRUE(Has(lines, "info", start)) << start;
  }
  EXPECT_EQ(text.find("Brazil"), std::string::npos);
  EXPECT_EQ(text.find("capital of"), std::string::npos);
  // Appended to, at another level.
  EXPECT_EQ(Tandem({"run", "--log-file", folder / "log", "--log-level", "warning", "-q",
                    "--session", folder / "s", "-n", "1", "-p", "x"})
                .code,
            0);
  EXPECT_EQ(ReadFile(folder / "log"), text);
}

TEST(Log, LevelsOfStandardError) {
  const std::vector<std::string> ask = {"run", "--temp", "0", "-n", "1", "-p", "x"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), ask.begin(), ask.end());
    return Tandem(more).err;
  };
  EXPECT_NE(with({}).find("info: this is the demonstration"), std::string::npos);
  EXPECT_EQ(with({}).find("model loaded"), std::string::npos);
  EXPECT_NE(with({"--log-level", "info"}).find("info: model loaded"), std::string::npos);
  EXPECT_NE(with({"--log-level", "debug"}).find("info: model loaded"), std::string::npos);
  for (const char* level : {"warning", "error"}) EXPECT_EQ(with({"--log-level", level}), "");
  EXPECT_EQ(with({"--log-level", "debug", "-q"}), "");
}

TEST(Log, ErrorsThatEndTheProgramAreInTheFile) {
  const TemporaryFolder folder;
  const std::vector<std::string> cases[] = {
      {"info", folder / "missing.gguf"}, {"run", "--temp", "x"},
      {"run", "--no-such-option"},       {"frobnicate"},
      {"run", "-p", "x", "--ctx", "2"},  {"convert", "-q", "-o", folder / "none/out.gguf"},
  };
  for (const auto& arguments : cases) {
    std::filesystem::remove(folder / "log");
    std::vector<std::string> all = {"--log-file", folder / "log", "--log-json"};
    all.insert(all.end(), arguments.begin(), arguments.end());
    const Finished run = Tandem(all);
    EXPECT_NE(run.code, 0);
    const auto lines = JsonLines(ReadFile(folder / "log"));
    ASSERT_FALSE(lines.empty()) << run.err;
    EXPECT_EQ(lines.back()["level"], "error");
    const std::string message = lines.back()["message"];
    EXPECT_EQ(Lines(run.err)[0], "error: " + message);
    if (lines.back().contains("hint")) {
      EXPECT_EQ(Lines(run.err).back(), "hint: " + lines.back()["hint"].get<std::string>());
    }
  }
}

TEST(Log, WithoutAFileStandardErrorIsJson) {
  const Finished run =
      Tandem({"run", "--log-json", "--log-level", "debug", "--temp", "0", "-p", "What is 2 + 2?"});
  EXPECT_EQ(run.out, "2 + 2 = 4.\n");
  EXPECT_TRUE(Has(JsonLines(run.err), "info", "model loaded"));
  const auto lines = JsonLines(Tandem({"--log-json", "info", "no\"such\n\\file"}).err);
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["message"], "no\"such\\x0a\\file: no such file");
}

TEST(Log, AFileThatCannotBeWrittenIsOneLine) {
  const TemporaryFolder folder;
  for (const std::string& path : {folder / "none/log", folder.path().string()}) {
    const Finished run = Tandem({"info", "--log-file", path});
    EXPECT_EQ(run.code, 4);
    EXPECT_EQ(run.out, "");
    ASSERT_EQ(Lines(run.err).size(), 1u) << run.err;
    EXPECT_EQ(run.err.rfind("error: " + path + ": cannot open the log file", 0), 0u) << run.err;
  }
  EXPECT_EQ(Tandem({"info", "--log-level", "loud"}).code, 2);
  // A disk that fills up ends nothing.
  const Finished full = Tandem({"info", "--log-file", "/dev/full"});
  EXPECT_EQ(full.code, 0);
  EXPECT_EQ(Lines(full.err).size(), 1u) << full.err;
}

TEST(Log, IsNotAddedToAModel) {
  const TemporaryFolder folder;
  const std::string model = folder / "model.gguf";
  const std::string before("GGUF\3\0\0\0", 8);
  std::ofstream(model, std::ios::binary) << before;
  const Finished run = Tandem({"info", "--log-file", model});
  EXPECT_EQ(run.code, 2);
  EXPECT_EQ(run.err.rfind("error: " + model + ": no text file", 0), 0u) << run.err;
  std::ifstream file(model, std::ios::binary);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), before);
}

TEST(Log, ASessionThatCannotBeKeptIsSaidBeforeTheReply) {
  const TemporaryFolder folder;
  const Finished run = Tandem({"run", "-p", "Hi", "--session", folder / "none/chat"});
  EXPECT_EQ(run.code, 4);
  EXPECT_EQ(run.out, "");
  EXPECT_EQ(run.err.rfind("error: --session: ", 0), 0u) << run.err;
}

TEST(Log, HelpAndCompletionKnowTheOptions) {
  for (const char* option : {"--log-level", "--log-file", "--log-json"}) {
    EXPECT_NE(Tandem({"--help"}).out.find(option), std::string::npos);
    EXPECT_NE(Tandem({"convert", "--help"}).out.find(option), std::string::npos);
  }
  const auto complete = [](const std::string& words, int index) {
    return Shell("source <(\"$TANDEM\" completion bash); COMP_WORDS=(" + words +
                 "); COMP_CWORD=" + std::to_string(index) + "; _tandem; echo \"${COMPREPLY[@]}\"")
        .out;
  };
  EXPECT_EQ(complete("tandem bench --log-level w", 3), "warning\n");
  EXPECT_NE(complete("tandem --log", 1).find("--log-level"), std::string::npos);
  EXPECT_EQ(complete("tandem --log-level e", 2), "error\n");
  EXPECT_EQ(complete("tandem --log-level error inf", 3), "info\n");
  EXPECT_EQ(complete("tandem --log-level error info --ten", 4), "--tensors\n");
}

}  // namespace
}  // namespace tandem::test
