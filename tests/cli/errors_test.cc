// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Every failure: its exit code, nothing on stdout, one line on stderr and at most a hint.
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

#include "cli/process.h"
#include "support/sanitizers.h"

namespace tandem::test {
namespace {

void ExpectError(const Finished& run, int code, const std::string& mention) {
  EXPECT_EQ(run.code, code);
  EXPECT_EQ(run.out, "");
  const std::vector<std::string> lines = Lines(run.err);
  ASSERT_TRUE(lines.size() == 1 || lines.size() == 2) << run.err;
  EXPECT_EQ(lines[0].rfind("error: ", 0), 0u) << run.err;
  if (lines.size() == 2) {
    EXPECT_EQ(lines[1].rfind("hint: ", 0), 0u) << run.err;
  }
  EXPECT_NE(run.err.find(mention), std::string::npos) << run.err;
}

TEST(Errors, UsageIsTwo) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{}, "no command"},
      {{"rum"}, "did you mean run?"},
      {{"run", "--tempp", "1"}, "did you mean --temp?"},
      {{"run", "surplus"}, "surplus"},
      {{"run", "-p"}, "--prompt"},
      {{"run", "-p", ""}, "empty"},
      {{"run", "-p", " \n"}, "empty"},
      {{"run"}, "standard input holds no prompt"},
      {{"run", "-p", "x", "--temp", "nan"}, "--temp"},
      {{"run", "-p", "x", "--temp", "-1"}, "--temp"},
      {{"run", "-p", "x", "--temp", "1x"}, "1x"},
      {{"run", "-p", "x", "--temp", "1e999"}, "--temp"},
      {{"run", "-p", "x", "--top-k", "-1"}, "--top-k"},
      {{"run", "-p", "x", "--top-p", "1.5"}, "--top-p"},
      {{"run", "-p", "x", "-n", "-2"}, "--predict"},
      {{"run", "-p", "x", "-n", "99999999999999999999"}, "--predict"},
      {{"run", "-p", "x", "-n", ""}, "--predict"},
      {{"run", "-p", "x", "-n", " 5"}, "--predict"},
      {{"run", "-p", "x", "--ctx", "0"}, "--ctx"},
      {{"run", "-p", "x", "--ctx", "1000000"}, "1000000"},
      {{"run", "-p", "x", "--threads", "1025"}, "--threads"},
      {{"run", "-p", "x", "--seed", "-1"}, "--seed"},
      {{"run", "-p", "x", "--stop", ""}, "--stop"},
      {{"run", "-p", "x", "--draft", "oracle"}, "oracle"},
      {{"run", "-p", "x", "--draft-tokens", "0"}, "--draft-tokens"},
      {{"run", "-p", "x", "--draft", "model"}, "--draft-model"},
      {{"run", "-p", "x", "--draft", "lookup", "--draft-slice", "e2b"}, "lookup"},
      {{"run", "-p", "x", "--draft-model", "a.gguf", "--draft-slice", "e2b"}, "two models"},
      {{"run", "-p", "x", "--draft-slice", "e3b"}, "e3b"},
      {{"run", "-p", "x", "--draft-tokens", "15"}, "--draft-tokens"},
      {{"run", "-p", "x", "--device", "abacus"}, "abacus"},
      {{"run", "-p", "x", "--logit-bias", "5"}, "ID=VALUE"},
      {{"run", "-p", "x", "--logit-bias", "5=inf"}, "inf"},
      {{"run", "-p", "x", "--logit-bias", "4096=1"}, "4096"},
      {{"run", "-m", "", "-p", "x"}, "--model"},
      {{"score"}, "nothing to score"},
      {{"score", "--ids", "2", "--text", "x"}, "more than one"},
      {{"score", "--ids", "2,,3"}, "--ids"},
      {{"score", "--ids", "2,"}, "--ids"},
      {{"score", "--ids", "2,-3"}, "-3"},
      {{"score", "--ids", "2,4096"}, "4096"},
      {{"score", "--ids", ""}, "no ids"},
      {{"convert"}, "--output"},
      {{"convert", "-o", "x", "--type", "q3"}, "q3"},
      {{"bench", "-p", "0"}, "--prompts"},
      {{"bench", "-p", "8,,9"}, "--prompts"},
      {{"bench", "-p", "5000"}, "5000"},
      {{"bench", "-r", "0"}, "--repetitions"},
      {{"bench", "--profile", "-p", "8,16"}, "--prompts"},
      {{"bench", "--profile", "-d", "0,8"}, "--depth"},
      {{"bench", "--profile", "-p", "5000"}, "5000"},
      {{"bench", "--profile-file", "x.png"}, "x.png"},
      {{"bench", "--profile-file", ""}, "--profile-file"},
      {{"info", "--ctx", "5000"}, "5000"},
      {{"tokenize", "--decode", "99999"}, "99999"},
      {{"tokenize", "x", "--file", "y"}, "--file"},
      {{"completion", "csh"}, "csh"},
  };
  for (const auto& [arguments, mention] : cases) {
    std::string line;
    for (const std::string& argument : arguments) line += " " + argument;
    SCOPED_TRACE("tandem" + line);
    ExpectError(Tandem(arguments), 2, mention);
  }
}

TEST(Errors, AnUnusableModelIsThree) {
  const TemporaryFolder folder;
  const std::string missing = folder / "missing.gguf";
  ExpectError(Tandem({"run", "-m", missing, "-p", "x"}), 3, "missing.gguf");
  ExpectError(Tandem({"info", missing}), 3, "missing.gguf");
  const std::string broken = folder / "broken.gguf";
  WriteFile(broken, "GGUF\x03");
  for (const std::vector<std::string>& command : {std::vector<std::string>{"run", "-p", "x"},
                                                  {"info"},
                                                  {"score", "--ids", "2"},
                                                  {"bench"},
                                                  {"tokenize", "x"}}) {
    std::vector<std::string> arguments = command;
    arguments.insert(arguments.end(), {"-m", broken});
    SCOPED_TRACE(command.front());
    ExpectError(Tandem(arguments), 3, "broken.gguf");
  }
  ExpectError(Tandem({"convert", broken, "-o", folder / "out.gguf", "-q"}), 3, "broken.gguf");
  EXPECT_FALSE(std::filesystem::exists(folder / "out.gguf"));
}

TEST(Errors, ReadingAndWritingIsFour) {
  const TemporaryFolder folder;
  ExpectError(Tandem({"score", "--file", folder / "none.txt"}), 4, "none.txt");
  ExpectError(Tandem({"convert", "-q", "-o", folder / "none/out.gguf"}), 4, "none/out.gguf");
  ExpectError(Shell("\"$TANDEM\" info > /dev/full"), 4, "standard output");
  ExpectError(Shell("\"$TANDEM\" info >&-"), 4, "standard output");
}

TEST(Errors, ModelsMustBeFiles) {
  const TemporaryFolder folder;
  ExpectError(
      Shell("mkfifo " + (folder / "pipe") + "; timeout 20 \"$TANDEM\" info " + (folder / "pipe")),
      4, "not a regular file");
  ExpectError(Shell("timeout 20 \"$TANDEM\" convert -q -o /dev/null"), 4, "not a regular file");
}

TEST(Errors, RawHasNoSystemText) {
  ExpectError(Tandem({"run", "--raw", "--system", "x", "-p", "y"}), 2, "--system");
}

TEST(Errors, NoRoomIsFive) {
  const Finished run = Tandem({"run", "--ctx", "4", "-p", "What is 27 + 45?"});
  ExpectError(run, 5, "22");  // tokens of the prompt
  EXPECT_NE(run.err.find("4"), std::string::npos);
}

#if TANDEM_ADDRESS_SANITIZER || TANDEM_THREAD_SANITIZER
constexpr bool kTakesAddressSpace = true;
#else
constexpr bool kTakesAddressSpace = false;
#endif

// A model that looks back at 2^24 tokens, in 8 GB of address space.
TEST(Errors, NoMemoryIsFiveToo) {
  if (kTakesAddressSpace) GTEST_SKIP() << "sanitizers take more address space than the test leaves";
  const TemporaryFolder folder;
  const std::string path = folder / "huge.gguf";
  ASSERT_EQ(Tandem({"convert", "-q", "-o", path}).code, 0);
  std::string bytes = ReadFile(path);
  for (const std::string key : {"gemma3n.context_length", "gemma3n.attention.sliding_window"}) {
    // The key is followed by a type of four bytes and the value.
    bytes.replace(bytes.find(key) + key.size() + 4, 4, std::string("\0\0\0\x01", 4));
  }
  WriteFile(path, bytes);
  const std::string run =
      "ulimit -v 8000000; \"$TANDEM\" run -q -m " + path + " -p hi -n 1 --kv f32";
  ExpectError(Shell(run), 5, "keys and values of 16777216 tokens (85899.3 MB)");
  ExpectError(Shell(run), 5, "of address space");
  ExpectError(Shell(run), 5, "--no-memory-check");
  EXPECT_EQ(Shell(run + " --ctx 4096").code, 0);
  const Finished forced = Shell(run + " --no-memory-check");
  ExpectError(forced, 5, "");
  EXPECT_EQ(forced.err.find("do not fit"), std::string::npos) << forced.err;
  const Finished info = Shell("ulimit -v 8000000; \"$TANDEM\" info " + path);
  EXPECT_NE(info.out.find("does not fit: "), std::string::npos) << info.out;
}

TEST(Errors, AnInterruptIsSix) {
  for (const char* signal : {"INT", "TERM"}) {
    // Job control (set -m): without it a shell lets its background jobs ignore SIGINT.
    const Finished run =
        Shell(std::string("exec 3>&2 2>/dev/null; set -m; cd $(mktemp -d); \"$TANDEM\" run -q "
                          "--seed 1 --logit-bias 6=-1000 "
                          "--logit-bias 1=-1000 -p 'Tell me a story.' >out 2>&3 & "
                          "pid=$!; while ! [ -s out ]; do sleep 0.05; done; rm -r $PWD; kill -") +
              signal + " $pid; wait $pid");
    ExpectError(run, 6, "interrupted");
  }
}

TEST(Errors, ClosedStandardInputAndErrorAreNoFailure) {
  const Finished run = Shell("\"$TANDEM\" run --temp 0 -p 'What is 2 + 2?' <&- 2>&-");
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, "2 + 2 = 4.\n");
}

TEST(Errors, ATooLongInputIsRefused) {
  ExpectError(Shell("head -c 9000000 /dev/zero | tr '\\0' a | \"$TANDEM\" run -q"), 2,
              "standard input");
}

TEST(Errors, ControlCharactersOfArgumentsDoNotReachTheTerminal) {
  const Finished run = Tandem({"run", "--\x1b[31mred\n"});
  ExpectError(run, 2, "\\x1b");
  EXPECT_EQ(run.err.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace tandem::test
