// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem manual: the manual page tandem(1), made from what the commands declared. Hidden: the build
// calls it, users call man.
#include <fmt/format.h>

#include <string>
#include <string_view>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/output.h"
#include "cli/run.h"

namespace tandem::cli {
namespace {

constexpr std::string_view kDescription =
    "Tandem runs Gemma 3n and Gemma 3 models. Results go to standard output, everything else to "
    "standard error. A model is a GGUF file (of several parts: the first) or a Hugging Face "
    "folder; "
    "without one, commands use a small demonstration model inside the program.";

/// `text` as roff prints it unchanged: dashes that can be copied, no accidental requests.
std::string Roff(std::string_view text) {
  std::string out;
  bool line_start = true;
  for (const char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    line_start = c == '\n';
    switch (c) {
      case '\\': out += "\\e"; break;
      case '-': out += "\\-"; break;
      case '^': out += "\\(ha"; break;
      case '~': out += "\\(ti"; break;
      case '`': out += "\\(ga"; break;
      case '\'': out += "\\(aq"; break;
      default: out += c;
    }
  }
  return out;
}

std::string Section(std::string_view title) { return fmt::format(".SH {}\n", title); }

/// Lines that are not filled, for text that is already laid out.
std::string Verbatim(std::string_view text) { return fmt::format(".nf\n{}.fi\n", Roff(text)); }

std::string Item(const HelpGroup::Row& row) {
  // Options without a short name are set in by four spaces in the help.
  const size_t start = row.name.find_first_not_of(' ');
  return fmt::format(".TP\n.B {}\n{}\n", Roff(row.name.substr(start)), Roff(row.description));
}

std::string Options(const CLI::App& app) {
  std::string out;
  for (const HelpGroup& group : OptionGroups(app)) {
    if (group.title != "Options") out += fmt::format(".PP\n.I {}\n", Roff(group.title));
    for (const HelpGroup::Row& row : group.rows) out += Item(row);
  }
  return out;
}

/// A part for every command, and for the commands of a command behind it.
std::string Commands(const CLI::App& app) {
  std::string out;
  for (const CLI::App* command : CommandsOf(app)) {
    out += fmt::format(".SS {}\n{}.\n", Roff(UsageOf(*command)), Roff(command->get_description()));
    for (const HelpGroup& group : CommandGroups(*command)) {
      for (const HelpGroup::Row& row : group.rows) out += Item(row);
    }
    out += Options(*command) + Commands(*command);
  }
  return out;
}

std::string Environment() {
  const HelpGroup::Row rows[] = {
      {"NO_COLOR", "If set and not empty: no colours on standard error."},
      {"TERM", "If unset or dumb: no colours either."},
      {"TANDEM_CPU_ISA",
       "Level of instructions on the CPU: reference, portable, avx2, avx512. Otherwise avx512 or "
       "avx2 where the processor has them, else reference."},
      {"TANDEM_HISTORY", "File that keeps the lines typed in chats. Set to nothing: no history."},
      {"XDG_STATE_HOME",
       "Without TANDEM_HISTORY, the history is tandem/history in this folder, or in "
       "~/.local/state."}};
  std::string out = Section("ENVIRONMENT");
  for (const HelpGroup::Row& row : rows) out += Item(row);
  return out;
}

std::string ManualPage(const CLI::App& app) {
  std::string out = ".TH TANDEM 1 \"\" \"tandem " TANDEM_VERSION "\" \"User Commands\"\n";
  out += ".\\\" Made by the program itself: change src/cli instead.\n";
  out += Section("NAME") + "tandem \\- run Gemma 3n and Gemma 3 language models on this machine\n";
  out += Section("SYNOPSIS") + ".B " + Roff(UsageOf(app)) + "\n";
  out += Section("DESCRIPTION") + Roff(kDescription) + "\n";
  for (const HelpGroup& group : CommandGroups(app)) {
    for (const HelpGroup::Row& row : group.rows) out += Item(row);
  }
  out += Section("OPTIONS") + Options(app);
  out += Section("COMMANDS");
  out += Commands(app);
  out += Section("IN A CHAT") + Verbatim(ChatHelp());
  out += Section("EXIT STATUS") + Verbatim(ExitCodeHelp());
  out += Environment();
  out += Section("EXAMPLES") + Verbatim(ExampleHelp());
  return out;
}

}  // namespace

void AddManualCommand(CLI::App& app, Action& action) {
  CLI::App& command = *app.add_subcommand("manual", "Print the manual page")->group("");
  command.final_callback([&app, &action] {
    action = [&app] {
      Print(ManualPage(app));
      return kExitOk;
    };
  });
}

}  // namespace tandem::cli
