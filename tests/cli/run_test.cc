// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem run with a prompt: what stands on stdout, what on stderr.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <string>

#include "cli/process.h"

namespace tandem::test {
namespace {

using Json = nlohmann::json;

TEST(Run, AnswersExactlyOnStdout) {
  const std::pair<const char*, const char*> cases[] = {
      {"What is 27 + 45?", "27 + 45 = 72.\n"},
      {"What is the capital of Brazil?", "The capital of Brazil is Brasília.\n"},
      {"Show me a fox emoji.", "🦊\n"},
      {"Give me JSON for Zoe, age 31, who lives at the lake.",
       "{\"name\": \"Zoe\", \"age\": 31, \"home\": \"lake\"}\n"},
  };
  for (const auto& [prompt, reply] : cases) {
    const Finished run = Tandem({"run", "--temp", "0", "--quiet", "-p", prompt});
    EXPECT_EQ(run.code, 0);
    EXPECT_EQ(run.out, reply);
    EXPECT_EQ(run.err, "");
  }
}

TEST(Run, IntroducesTheBuiltInModelOnceOnStderr) {
  const Finished run = Tandem({"run", "--temp", "0", "-p", "What is 2 + 2?"});
  EXPECT_EQ(run.out, "2 + 2 = 4.\n");
  const size_t first = run.err.find("demonstration model");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(run.err.find("demonstration model", first + 1), std::string::npos);
  EXPECT_NE(run.err.find("-m gemma-3n-E2B-it-Q4_K_M.gguf"), std::string::npos);
}

TEST(Run, PipedInputIsThePromptAndPNeverReadsIt) {
  EXPECT_EQ(Tandem({"run", "--temp", "0", "-q"}, "What is 5 + 6?\n").out, "5 + 6 = 11.\n");
  EXPECT_EQ(Tandem({"run", "--temp", "0", "-q", "-p", "What is 5 + 6?"}, "What is 1 + 1?\n").out,
            "5 + 6 = 11.\n");
  // An input that never ends must not be waited for.
  const Finished run = Shell(
      "exec 9< <(exec sleep 100); other=$!; timeout 60 \"$TANDEM\" run --temp 0 -q "
      "-p 'What is 5 + 6?' <&9; kill $other");
  EXPECT_EQ(run.out, "5 + 6 = 11.\n");
}

TEST(Run, SessionsGoOnFromAFile) {
  const TemporaryFolder folder;
  const std::string file = folder / "session";
  const auto say = [&](const std::vector<std::string>& arguments) {
    std::vector<std::string> all = {"run", "-q", "--temp", "0", "--session", file};
    all.insert(all.end(), arguments.begin(), arguments.end());
    return Tandem(all);
  };
  EXPECT_EQ(say({"-p", "Hello! My name is Tom."}).out, "Nice to meet you, Tom!\n");
  EXPECT_EQ(say({"-p", "What is my name?"}).out, "Your name is Tom.\n");
  // Instructions come first in a conversation, or not at all.
  const Finished late = Tandem(
      {"run", "--session", file, "--system", "Be brief.", "-n", "1", "-p", "What is my name?"});
  EXPECT_EQ(late.code, 0);
  EXPECT_NE(late.err.find("--system has no effect"), std::string::npos) << late.err;
  // Nothing is wrong with giving the same ones every time.
  const std::string brief = folder / "brief";
  for (int i = 0; i < 2; ++i) {
    const Finished same = Tandem({"run", "-q", "--session", brief, "--system", "Be brief.\n", "-n",
                                  "1", "-p", "What is my name?"});
    EXPECT_EQ(same.code, 0);
    EXPECT_EQ(same.err, "");
  }
  const std::string saved = ReadFile(file);
  const Finished other = say({"-m", "data/random/base", "--raw", "-p", "x"});
  EXPECT_EQ(other.code, 3);
  WriteFile(file, saved.substr(0, saved.size() / 2));
  const Finished cut = say({"-p", "What is my name?"});
  EXPECT_EQ(cut.code, 3);
  EXPECT_EQ(cut.out, "");
  EXPECT_NE(cut.err.find("cut short or changed"), std::string::npos) << cut.err;
  EXPECT_EQ(ReadFile(file), saved.substr(0, saved.size() / 2));
}

TEST(Run, AFileThatIsNoSessionIsToldSo) {
  const TemporaryFolder folder;
  const std::string file = folder / "notes.txt";
  for (const char* content :
       {"", "TNDM", "Buy some milk, and then the usual things for the week."}) {
    WriteFile(file, content);
    const Finished run = Tandem({"run", "-q", "--session", file, "-p", "x"});
    EXPECT_EQ(run.code, 3);
    EXPECT_EQ(run.out, "");
    EXPECT_NE(run.err.find("notes.txt: not a session of Tandem\nhint: name a file that --session"),
              std::string::npos)
        << run.err;
    EXPECT_EQ(ReadFile(file), content);
  }
}

TEST(Run, SameSeedSameText) {
  const auto story = [](const char* seed) {
    return Tandem({"run", "-q", "--seed", seed, "-n", "40", "-p", "Tell me a story about a fox."});
  };
  const Finished first = story("7");
  EXPECT_EQ(first.code, 0);
  EXPECT_EQ(story("7").out, first.out);
  // Of several other seeds one must tell another story.
  bool differs = false;
  for (const char* seed : {"8", "9", "10"}) differs = differs || story(seed).out != first.out;
  EXPECT_TRUE(differs);
}

TEST(Run, RawContinuesTheText) {
  const Finished run =
      Tandem({"run", "--raw", "-q", "--temp", "0", "-n", "5", "--json", "-p", "There was once a"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Json json = Json::parse(run.out);
  EXPECT_EQ(json["prompt_tokens"], 5);  // with BOS, without turns
  EXPECT_EQ(json["reply_tokens"], 5);
  EXPECT_EQ(json["end_reason"], "max_tokens");
  // The chat format written out by hand is the chat.
  EXPECT_EQ(
      Tandem({"run", "--raw", "-q", "--temp", "0", "-p",
              "<bos><start_of_turn>user\nWhat is 27 + 45?<end_of_turn>\n<start_of_turn>model\n"})
          .out,
      "27 + 45 = 72.\n");
}

TEST(Run, TextOfUsersIsTakenAsItIs) {
  // Each of these has a meaning somewhere on a command line.
  for (const char* prompt :
       {"-5", "--help", "[1,2]", "{}", "a=b", "\"quoted\"", "run", "--", "%%"}) {
    const Finished ids = Tandem({"tokenize", "--ids-only", "-q", "--no-bos"}, prompt);
    const Finished run =
        Tandem({"run", "--raw", "--json", "-q", "--temp", "0", "-n", "1", "-p", prompt});
    ASSERT_EQ(run.code, 0) << prompt << run.err;
    const auto commas = std::count(ids.out.begin(), ids.out.end(), ',');
    EXPECT_EQ(Json::parse(run.out)["prompt_tokens"], commas + 2) << prompt;
  }
}

TEST(Run, SystemTextReachesTheModel) {
  const auto tokens = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"run", "--json", "-q", "-n", "1", "-p", "Hello"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Json::parse(Tandem(arguments).out)["prompt_tokens"].get<int>();
  };
  EXPECT_GT(tokens({"--system", "Be brief."}), tokens({}));
}

TEST(Run, StopStringsEndTheReply) {
  const Finished run = Tandem({"run", "-q", "--temp", "0", "--json", "--stop", "zzz", "--stop",
                               " =", "-p", "What is 27 + 45?"});
  const Json json = Json::parse(run.out);
  EXPECT_EQ(json["text"], "27 + 45");
  EXPECT_EQ(json["end_reason"], "stop_string");
}

TEST(Run, LogitBiasChangesTheChoice) {
  // 2410 is "2", the first token of the greedy reply.
  const Finished run = Tandem({"run", "-q", "--temp", "0", "--json", "-n", "1", "--logit-bias",
                               "2410=-1000", "-p", "What is 27 + 45?"});
  EXPECT_NE(Json::parse(run.out)["ids"][0], 2410);
}

TEST(Run, JsonHasWhatTheManualSays) {
  const Finished run =
      Tandem({"run", "--json", "-q", "--seed", "3", "--temp", "0", "-p", "What is 27 + 45?"});
  const Json json = Json::parse(run.out);
  EXPECT_EQ(json["text"], "27 + 45 = 72.");
  EXPECT_EQ(json["end_reason"], "end_of_turn");
  EXPECT_EQ(json["prompt_tokens"], 22);
  EXPECT_EQ(json["ids"].size(), json["reply_tokens"]);
  EXPECT_EQ(json["seed"], 3);
  for (const char* key : {"ttft_ms", "prefill_tps", "decode_tps"}) {
    EXPECT_TRUE(json[key].is_number()) << key;
  }
  for (const char* key : {"model", "device"}) EXPECT_TRUE(json[key].is_string()) << key;
}

TEST(Run, StatsAreOnStderrUnlessQuiet) {
  const Finished run =
      Tandem({"run", "--temp", "0", "--stats", "--seed", "5", "-p", "What is 2 + 2?"});
  EXPECT_EQ(run.out, "2 + 2 = 4.\n");
  EXPECT_NE(run.err.find("stats: "), std::string::npos);
  EXPECT_NE(run.err.find("seed 5"), std::string::npos);
  EXPECT_EQ(Tandem({"run", "--temp", "0", "--stats", "-q", "-p", "What is 2 + 2?"}).err, "");
}

TEST(Run, DraftsChangeTheStepsAndNotTheReply) {
  const auto run = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {
        "run", "--seed", "4", "--stats", "-p", "Repeat: fish lamp kite river stone"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Tandem(arguments);
  };
  const Json plain = Json::parse(run({"-q", "--json"}).out);
  const Json drafted = Json::parse(run({"-q", "--json", "--draft", "lookup"}).out);
  for (const char* key : {"text", "ids", "end_reason"}) EXPECT_EQ(drafted[key], plain[key]) << key;
  EXPECT_EQ(plain["drafted_tokens"], 0);
  EXPECT_EQ(plain["accepted_tokens"], 0);
  EXPECT_GT(drafted["accepted_tokens"], 0) << drafted;
  EXPECT_LE(drafted["accepted_tokens"], drafted["drafted_tokens"]);
  const std::string said = drafted["accepted_tokens"].dump() + " of " +
                           drafted["drafted_tokens"].dump() + " drafted tokens accepted";
  EXPECT_NE(run({"--draft", "lookup"}).err.find(said), std::string::npos) << said;
  EXPECT_EQ(run({}).err.find("drafted"), std::string::npos);
  const Json short_drafts =
      Json::parse(run({"-q", "--json", "--draft", "lookup", "--draft-tokens", "1"}).out);
  EXPECT_EQ(short_drafts["ids"], plain["ids"]);
}

TEST(Run, ASliceOfTheModelDraftsForIt) {
  const auto run = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {
        "run", "--temp", "0", "--stats", "-p", "Repeat: fish lamp kite river stone"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Tandem(arguments);
  };
  const std::vector<std::string> drafting = {"--draft-slice", "e2b", "--draft-fixed"};
  const Json plain = Json::parse(run({"-q", "--json"}).out);
  const Json drafted =
      Json::parse(run({"-q", "--json", drafting[0], drafting[1], drafting[2]}).out);
  for (const char* key : {"text", "ids", "end_reason"}) EXPECT_EQ(drafted[key], plain[key]) << key;
  EXPECT_TRUE(plain["draft_model"].is_null());
  EXPECT_EQ(plain["acceptance_rate"], 0);
  EXPECT_EQ(plain["steps"], plain["reply_tokens"]);
  EXPECT_EQ(drafted["draft_model"], "built-in fable, slice e2b");
  EXPECT_GT(drafted["accepted_tokens"], 0) << drafted;
  EXPECT_LT(drafted["steps"], plain["steps"]);
  EXPECT_GT(drafted["draft_ms"], 0);
  const double rate =
      drafted["accepted_tokens"].get<double>() / drafted["drafted_tokens"].get<int>();
  EXPECT_DOUBLE_EQ(drafted["acceptance_rate"].get<double>(), rate);
  const std::string said = drafted["accepted_tokens"].dump() + " of " +
                           drafted["drafted_tokens"].dump() + " drafted tokens accepted (";
  EXPECT_NE(run(drafting).err.find(said), std::string::npos) << said;
  const Json off =
      Json::parse(run({"-q", "--json", "--draft-slice", "e2b", "--draft", "none"}).out);
  EXPECT_EQ(off["ids"], plain["ids"]);
  EXPECT_TRUE(off["draft_model"].is_null());
}

TEST(Run, ADraftModelThatCannotPayIsSaid) {
  const auto run = [](const std::vector<std::string>& more) {
    std::vector<std::string> arguments = {"run", "-q", "--temp", "0", "-n", "8", "-p", "Hello!"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Tandem(arguments);
  };
  // Of the built-in model, whose weights lie in the processor's caches, a half saves nothing.
  const Finished unpaid = run({"--draft-slice", "e2b"});
  EXPECT_EQ(unpaid.code, 0);
  EXPECT_NE(unpaid.err.find("nothing is drafted"), std::string::npos) << unpaid.err;
  EXPECT_EQ(unpaid.out, run({}).out);
  EXPECT_EQ(run({"--draft-slice", "e2b", "--draft-fixed"}).err, "");
}

TEST(Run, AFullContextIsSaid) {
  const Finished run = Tandem(
      {"run", "-q", "--temp", "0", "--ctx", "40", "-p", "Tell me a story about a fox named Leo."});
  EXPECT_EQ(run.code, 0);
  ASSERT_EQ(Lines(run.err).size(), 1u) << run.err;
  EXPECT_EQ(run.err.rfind("warning: ", 0), 0u) << run.err;
}

TEST(Run, AReaderThatLeavesIsNoError) {
  const Finished run = Shell(
      "\"$TANDEM\" run -q --temp 0 -p 'Tell me a story about a fox named Leo.' | head -c 5; "
      "exit ${PIPESTATUS[0]}");
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, "There");
  EXPECT_EQ(run.err, "");
}

}  // namespace
}  // namespace tandem::test
