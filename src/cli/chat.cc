// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The interactive half of `tandem run`: a conversation on a terminal. The session keeps what was
// said, so that a turn costs only its own tokens.
#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/line_editor.h"
#include "cli/output.h"
#include "cli/run.h"
#include "core/error.h"
#include "core/log.h"
#include "engine/model_text.h"

namespace tandem::cli {
namespace {

constexpr std::string_view kBlock = "\"\"\"";

class Conversation {
 public:
  Conversation(Engine& engine, const RunSettings& settings, GenerationOptions options)
      : settings_(settings),
        engine_(engine),
        options_(std::move(options)),
        session_(OpenSession(engine, settings)),
        turns_(FindTurns()),
        system_(settings.system),
        stats_(settings.stats),
        editor_(HistoryFile()) {}

  int Loop();

 private:
  using Event = LineEditor::Event;

  struct Message {
    std::string text;
    bool quoted = false;  ///< Between triple quotes: never a command.
  };

  void Converse();
  Event ReadMessage(Message& message);
  Event ReadBlock(std::string_view first_line, Message& message);
  /// False to leave.
  bool Command(const std::string& line);
  void Answer(const std::string& text);
  GenerationResult Ask(const std::string& text);
  bool HasTurns() const { return !session_->tokens().empty(); }
  std::vector<int64_t> FindTurns() const;
  void Forget();
  void Undo();
  /// /save and /load.
  void FileCommand(const std::string& name, const std::string& file);
  void Say(std::string_view text) const {
    if (!settings_.output.quiet) Tell(fmt::format("{}\n", text));
  }

  const RunSettings& settings_;
  Engine& engine_;
  GenerationOptions options_;
  std::unique_ptr<Session> session_;
  /// Tokens that the session had before each message of the conversation.
  std::vector<int64_t> turns_;
  std::string system_;
  bool stats_;
  LineEditor editor_;
};

int Conversation::Loop() {
  try {
    Converse();
  } catch (...) {
    // A terminal that was closed, say: what was said so far is kept all the same.
    if (!settings_.session_file.empty()) session_->Save(settings_.session_file);
    throw;
  }
  if (!settings_.session_file.empty()) session_->Save(settings_.session_file);
  return TerminationRequested() ? kExitCancelled : kExitOk;
}

void Conversation::Converse() {
  Say(fmt::format("Chat with {}. /help lists the commands, Ctrl-D ends.",
                  engine_.model().source()));
  while (!TerminationRequested()) {
    Message message;
    const Event event = ReadMessage(message);
    if (event != Event::kLine) Tell("\n");
    if (event == Event::kInterrupted) continue;
    if (event == Event::kEnd) break;
    if (message.text.find_first_not_of(" \t\r\n") == std::string::npos) continue;
    editor_.Remember(message.text);
    if (message.text.front() == '/' && !message.quoted) {
      if (!Command(message.text)) break;
      continue;
    }
    try {
      Answer(message.text);
    } catch (const Error& error) {
      // What one message cannot have (it is too long, say) need not end the conversation.
      if (error.kind() == ErrorKind::kInternal || error.kind() == ErrorKind::kIo) throw;
      const bool full = error.kind() == ErrorKind::kResource && HasTurns();
      Report(full ? Error(error.kind(), error.message(), "/reset starts a new conversation")
                  : error);
    }
  }
}

Conversation::Event Conversation::ReadMessage(Message& message) {
  std::string line;
  Event event = editor_.Read("> ", line);
  if (event != Event::kLine) return event;
  if (line.starts_with(kBlock)) {
    return ReadBlock(std::string_view(line).substr(kBlock.size()), message);
  }
  while (line.ends_with('\\')) {
    line.back() = '\n';
    message.text += line;
    event = editor_.Read(". ", line);
    if (event != Event::kLine) return event;
  }
  message.text += line;
  return Event::kLine;
}

Conversation::Event Conversation::ReadBlock(std::string_view first_line, Message& message) {
  message.quoted = true;
  std::string line(first_line);
  bool first = true;
  while (!line.ends_with(kBlock)) {
    if (!first || !line.empty()) message.text += line + "\n";
    first = false;
    if (const Event event = editor_.Read(". ", line); event != Event::kLine) return event;
  }
  message.text += line.substr(0, line.size() - kBlock.size());
  return Event::kLine;
}

bool Conversation::Command(const std::string& line) {
  const size_t name_end = std::min(line.find_first_of(" \t\n"), line.size());
  const std::string name = line.substr(0, name_end);
  const size_t rest = line.find_first_not_of(" \t\n", name_end);
  const std::string argument = rest == std::string::npos ? "" : line.substr(rest);
  if (name == "/exit" || name == "/quit") return false;
  if (name == "/help") {
    Tell(ChatHelp());
  } else if (name == "/reset") {
    Forget();
    Say("A new conversation.");
  } else if (name == "/system") {
    system_ = argument;
    Forget();
    Say(system_.empty() ? "A new conversation without instructions."
                        : "A new conversation with these instructions.");
  } else if (name == "/undo") {
    Undo();
  } else if (name == "/save" || name == "/load") {
    FileCommand(name, argument);
  } else if (name == "/stats") {
    stats_ = !stats_;
    Say(stats_ ? "Each reply is followed by its speed." : "Speed is no longer said.");
  } else {
    Report(Error(ErrorKind::kInvalidArgument,
                 fmt::format("unknown command {}: nothing was sent", Printable(name)),
                 "/help lists the commands"));
  }
  return true;
}

// Of a conversation that came out of a file.
std::vector<int64_t> Conversation::FindTurns() const {
  return RequireChat(session_->model()).UserTurns(session_->tokens());
}

void Conversation::Forget() {
  session_->Reset();
  turns_.clear();
}

void Conversation::Undo() {
  if (turns_.empty()) {
    Say("There is no message to take back.");
    return;
  }
  session_->Rewind(turns_.back());
  turns_.pop_back();
  Say("The last message and its reply are taken back.");
}

void Conversation::FileCommand(const std::string& name, const std::string& file) {
  try {
    if (file.empty()) {
      throw Error(ErrorKind::kInvalidArgument, fmt::format("{} needs a file name", name));
    }
    if (name == "/save") {
      session_->Save(file);
      Say(fmt::format("Saved: {} tokens.", session_->tokens().size()));
    } else {
      session_->Load(file);
      turns_ = FindTurns();
      Say(fmt::format("Loaded: {} tokens.", session_->tokens().size()));
    }
  } catch (const Error& error) {
    Report(error);
  }
}

void Conversation::Answer(const std::string& text) {
  const auto before = static_cast<int64_t>(session_->tokens().size());
  const GenerationResult result = Ask(text);
  if (static_cast<int64_t>(session_->tokens().size()) > before) turns_.push_back(before);
  if (result.reason == EndReason::kCancelled) Say("(stopped)");
  if (result.reason == EndReason::kContextFull) {
    log::Warning("the context of {} tokens is full: /reset starts a new conversation",
                 session_->context());
  }
  if (stats_) PrintStats(result, engine_, options_);
  // Another draw for the next reply, still a function of the seed.
  ++options_.sampling.seed;
}

GenerationResult Conversation::Ask(const std::string& text) {
  ProgressLine progress("reading", ProgressLine::Elsewhere::kSilent, settings_.output.quiet);
  const auto print = [&](std::string_view piece) {
    progress.Clear();
    if (piece.empty()) return;
    Print(ForStdout(piece));
    FlushOutput();
  };
  ClearInterrupt();
  const auto reading = [&progress](int64_t done, int64_t total) {
    if (done < total) progress.Update(static_cast<uint64_t>(done), static_cast<uint64_t>(total));
  };
  if (settings_.model.prefill == "npu") reading(0, 1);
  GenerationResult result =
      Reply(*session_, text, options_, {print, Interrupted, reading}, system_);
  progress.Clear();
  if (result.text.empty() || !AtLineStart()) Print("\n");
  FlushOutput();
  return result;
}

}  // namespace

int Chat(Engine& engine, const RunSettings& settings, const GenerationOptions& options) {
  const InterruptScope interrupts(InterruptMode::kChat);
  return Conversation(engine, settings, options).Loop();
}

std::string_view ChatHelp() {
  return "  /help          this list\n"
         "  /reset         start a new conversation\n"
         "  /system TEXT   start a new conversation with these instructions (no TEXT: with none)\n"
         "  /undo          take back the last message and its reply\n"
         "  /save FILE     write the conversation to a file\n"
         "  /load FILE     go on with the conversation of a file\n"
         "  /stats         say speed and time to first token after each reply, or stop to\n"
         "  /exit, /quit   leave; so does Ctrl-D\n"
         "  \\ at the end of a line goes on with the next one; \"\"\" opens and closes several "
         "lines.\n"
         "  Ctrl-C stops a reply, or clears the line.\n";
}

}  // namespace tandem::cli
