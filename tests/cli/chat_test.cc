// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem run on a terminal: a conversation, its commands and its keys.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/process.h"
#include "cli/terminal.h"

namespace tandem::test {
namespace {

constexpr const char* kCtrlC = "\x03";
constexpr const char* kCtrlD = "\x04";

bool Contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

class Chat : public testing::Test {
 protected:
  Chat()
      : history_(folder_ / "state/history"),
        terminal_({"run", "--temp", "0"}, {{"TANDEM_HISTORY", history_}, {"NO_COLOR", "1"}}) {
    greeting_ = terminal_.WaitFor("\n> ");
  }

  TemporaryFolder folder_;
  std::string history_;
  Terminal terminal_;
  std::string greeting_;
};

TEST_F(Chat, RemembersTheConversationUntilReset) {
  EXPECT_TRUE(Contains(greeting_, "demonstration model")) << greeting_;
  EXPECT_TRUE(Contains(terminal_.Ask("Hello! My name is Tom."), "Nice to meet you, Tom!"));
  EXPECT_TRUE(Contains(terminal_.Ask("What is my name?"), "Your name is Tom."));
  EXPECT_TRUE(Contains(terminal_.Ask("/reset"), "new conversation"));
  EXPECT_FALSE(Contains(terminal_.Ask("What is my name?"), "Your name is Tom."));
  terminal_.Type(kCtrlD);
  EXPECT_EQ(terminal_.Wait(), 0) << terminal_.screen();
}

TEST_F(Chat, UndoSaveAndLoad) {
  const std::string file = folder_ / "saved";
  terminal_.Ask("Hello! My name is Tom.");
  EXPECT_TRUE(Contains(terminal_.Ask("/save " + file), "Saved"));
  terminal_.Ask("/reset");
  EXPECT_TRUE(Contains(terminal_.Ask("/load " + file + ".none"), "error: "));
  EXPECT_TRUE(Contains(terminal_.Ask("/load " + file), "Loaded"));
  EXPECT_TRUE(Contains(terminal_.Ask("What is my name?"), "Your name is Tom."));
  EXPECT_TRUE(Contains(terminal_.Ask("/undo"), "taken back"));
  EXPECT_TRUE(Contains(terminal_.Ask("What is my name?"), "Your name is Tom."));
  // What was said before the conversation went to the file can be taken back as well.
  EXPECT_TRUE(Contains(terminal_.Ask("/load " + file), "Loaded"));
  EXPECT_TRUE(Contains(terminal_.Ask("/undo"), "taken back"));
  EXPECT_FALSE(Contains(terminal_.Ask("What is my name?"), "Your name is Tom."));
  terminal_.Ask("/reset");
  EXPECT_TRUE(Contains(terminal_.Ask("/undo"), "no message"));
  EXPECT_TRUE(Contains(terminal_.Ask("/save"), "needs a file name"));
}

TEST_F(Chat, UndoGoesBackThroughASessionFile) {
  const std::string file = folder_ / "session";
  const auto open = [&] {
    auto terminal = std::make_unique<Terminal>(
        std::vector<std::string>{"run", "--temp", "0", "--session", file},
        std::map<std::string, std::string>{{"TANDEM_HISTORY", ""}, {"NO_COLOR", "1"}});
    EXPECT_FALSE(terminal->WaitFor("\n> ").empty()) << terminal->screen();
    return terminal;
  };
  const auto first = open();
  first->Ask("Hello! My name is Tom.");
  first->Ask("What is 27 + 45?");
  first->Type(kCtrlD);
  ASSERT_EQ(first->Wait(), 0) << first->screen();
  const auto second = open();
  EXPECT_TRUE(Contains(second->Ask("/undo"), "taken back"));
  EXPECT_TRUE(Contains(second->Ask("What is my name?"), "Your name is Tom."));
  EXPECT_TRUE(Contains(second->Ask("/undo"), "taken back"));
  EXPECT_TRUE(Contains(second->Ask("/undo"), "taken back"));
  EXPECT_TRUE(Contains(second->Ask("/undo"), "no message"));
  EXPECT_TRUE(Contains(second->Ask("/load " + history_), "error: "));
}

// One terminal shows replies and log: no line of the log begins in the middle of a line.
TEST_F(Chat, LinesOfTheLogStandByThemselves) {
  Terminal chat({"run", "--temp", "0", "--log-level", "info"},
                {{"TANDEM_HISTORY", ""}, {"NO_COLOR", "1"}});
  ASSERT_FALSE(chat.WaitFor("\n> ").empty()) << chat.screen();
  const std::string reply = chat.Ask("What is 27 + 45?");
  EXPECT_TRUE(Contains(reply, "27 + 45 = 72.\r\ninfo: reply finished")) << reply;
  EXPECT_FALSE(Contains(reply, "\n\r\n")) << reply;
  Terminal once({"run", "--temp", "0", "--log-level", "info", "-p", "What is 27 + 45?"},
                {{"NO_COLOR", "1"}});
  EXPECT_EQ(once.Wait(), 0) << once.screen();
  EXPECT_TRUE(Contains(once.screen(), "27 + 45 = 72.\r\ninfo: reply finished")) << once.screen();
  EXPECT_FALSE(Contains(once.screen(), "\n\r\n")) << once.screen();
}

TEST_F(Chat, CommandsAreNotSent) {
  const std::string help = terminal_.Ask("/help");
  for (const char* command : {"/reset", "/system", "/stats", "/exit"}) {
    EXPECT_TRUE(Contains(help, command)) << help;
  }
  EXPECT_TRUE(Contains(terminal_.Ask("/hlep"), "error: unknown command /hlep"));
  EXPECT_FALSE(Contains(terminal_.Ask("What is 2 + 2?"), "stats:"));
  terminal_.Ask("/stats");
  const std::string reply = terminal_.Ask("What is 2 + 3?");
  EXPECT_TRUE(Contains(reply, "stats:")) << reply;
  EXPECT_TRUE(Contains(terminal_.Ask("/system Be brief."), "new conversation"));
  terminal_.Type("/exit\n");
  EXPECT_EQ(terminal_.Wait(), 0) << terminal_.screen();
}

TEST(ChatWithDrafts, SaysTheSameAndHowManyCame) {
  Terminal terminal({"run", "--temp", "0", "--draft", "lookup", "--stats"},
                    {{"TANDEM_HISTORY", ""}, {"NO_COLOR", "1"}});
  terminal.WaitFor("\n> ");
  const std::string reply = terminal.Ask("Hello! My name is Tom.");
  EXPECT_TRUE(Contains(reply, "Nice to meet you, Tom!")) << reply;
  EXPECT_TRUE(Contains(reply, "drafted tokens accepted")) << reply;
  EXPECT_TRUE(Contains(terminal.Ask("What is my name?"), "Your name is Tom."));
  terminal.Type(kCtrlD);
  EXPECT_EQ(terminal.Wait(), 0) << terminal.screen();
}

TEST(ChatWithDraftModel, FollowsWhatIsTakenBack) {
  Terminal terminal({"run", "--temp", "0", "--draft-slice", "e2b", "--draft-fixed", "--stats"},
                    {{"TANDEM_HISTORY", ""}, {"NO_COLOR", "1"}});
  terminal.WaitFor("\n> ");
  const std::string reply = terminal.Ask("Hello! My name is Tom.");
  EXPECT_TRUE(Contains(reply, "Nice to meet you, Tom!")) << reply;
  EXPECT_TRUE(Contains(reply, "drafted tokens accepted")) << reply;
  EXPECT_TRUE(Contains(terminal.Ask("/undo"), "taken back"));
  EXPECT_TRUE(Contains(terminal.Ask("Hello! My name is Mia."), "Nice to meet you, Mia!"));
  EXPECT_TRUE(Contains(terminal.Ask("What is my name?"), "Your name is Mia."));
  terminal.Type(kCtrlD);
  EXPECT_EQ(terminal.Wait(), 0) << terminal.screen();
}

TEST_F(Chat, MessagesMayHaveSeveralLines) {
  // fable answers what it was trained on, whatever white space stands between the words.
  terminal_.Type("Repeat: kite \\\n");
  EXPECT_FALSE(terminal_.WaitFor("\n. ").empty()) << terminal_.screen();
  EXPECT_TRUE(Contains(terminal_.Ask("moon"), "\n")) << terminal_.screen();
  terminal_.Type("\"\"\"\n");
  EXPECT_FALSE(terminal_.WaitFor("\n. ").empty()) << terminal_.screen();
  terminal_.Type("/reset is no command here\n");
  EXPECT_FALSE(terminal_.WaitFor("\n. ").empty()) << terminal_.screen();
  const std::string reply = terminal_.Ask("\"\"\"");
  EXPECT_FALSE(reply.empty());
  EXPECT_FALSE(Contains(reply, "new conversation")) << reply;
  terminal_.Ask("/reset");
  EXPECT_TRUE(Contains(terminal_.Ask("\"\"\"What is 5 + 6?\"\"\""), "5 + 6 = 11."));
}

TEST_F(Chat, CtrlCStopsTheReplyAndClearsTheLine) {
  terminal_.Type("Tell me a story about a fox named Leo.\n");
  ASSERT_FALSE(terminal_.WaitFor("There was").empty()) << terminal_.screen();
  terminal_.Type(kCtrlC);
  EXPECT_TRUE(Contains(terminal_.WaitFor("\n> "), "(stopped)")) << terminal_.screen();
  terminal_.Type("What is 1 + 1?");
  ASSERT_FALSE(terminal_.WaitFor("1 + 1?").empty());
  terminal_.Type(kCtrlC);
  ASSERT_FALSE(terminal_.WaitFor("\n> ").empty()) << terminal_.screen();
  EXPECT_TRUE(Contains(terminal_.Ask("What is 27 + 45?"), "27 + 45 = 72."));
  terminal_.Type(kCtrlD);
  EXPECT_EQ(terminal_.Wait(), 0) << terminal_.screen();
}

TEST_F(Chat, LinesAreEditedAndRemembered) {
  // Two characters taken back, one of them outside ASCII; then the line again from history.
  const std::string first = terminal_.Ask(
      "What is 27 + 4\xc3\xb6"
      "6\x7f\x7f"
      "5?");
  EXPECT_TRUE(Contains(first, "27 + 45 = 72.")) << first;
  terminal_.Ask("/reset");
  const std::string again = terminal_.Ask("\x1b[A\x1b[A");
  EXPECT_TRUE(Contains(again, "27 + 45 = 72.")) << again;
  terminal_.Type(kCtrlD);
  EXPECT_EQ(terminal_.Wait(), 0) << terminal_.screen();
  struct stat status {};
  ASSERT_EQ(::stat(history_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(Chat, AMessageThatDoesNotFitEndsNothing) {
  Terminal small({"run", "--temp", "0", "-q", "--ctx", "48"},
                 {{"TANDEM_HISTORY", ""}, {"NO_COLOR", "1"}});
  ASSERT_FALSE(small.WaitFor("> ").empty());
  std::string words = "Repeat:";
  for (int i = 0; i < 60; ++i) words += " moon";
  EXPECT_TRUE(Contains(small.Ask(words), "error: ")) << small.screen();
  EXPECT_TRUE(Contains(small.Ask("What is 27 + 45?"), "27 + 45 = 72.")) << small.screen();
  // The next turn does not fit any more; the way out is said and works.
  EXPECT_TRUE(Contains(small.Ask("What is 27 + 45?"), "/reset")) << small.screen();
  small.Ask("/reset");
  EXPECT_TRUE(Contains(small.Ask("What is 27 + 45?"), "27 + 45 = 72.")) << small.screen();
}

TEST_F(Chat, HistoryCanBeTurnedOff) {
  const TemporaryFolder home;
  Terminal terminal(
      {"run", "--temp", "0"},
      {{"TANDEM_HISTORY", ""}, {"HOME", home.path().string()}, {"XDG_STATE_HOME", ""}});
  ASSERT_FALSE(terminal.WaitFor("\n> ").empty());
  terminal.Ask("/help");
  terminal.Type(kCtrlD);
  EXPECT_EQ(terminal.Wait(), 0);
  EXPECT_TRUE(std::filesystem::is_empty(home.path()));
}

TEST_F(Chat, NoColorMeansNone) {
  EXPECT_FALSE(Contains(greeting_, "\x1b[3")) << greeting_;
  EXPECT_TRUE(Contains(greeting_, "info: ")) << greeting_;
  Terminal coloured({"run", "--temp", "0"}, {{"TANDEM_HISTORY", ""}, {"NO_COLOR", ""}});
  EXPECT_TRUE(Contains(coloured.WaitFor("\n> "), "\x1b[3"));
}

}  // namespace
}  // namespace tandem::test
