// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The program `tandem`: reads the command line, runs one command, turns whatever happens into an
// exit code and at most two lines on stderr.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/file_loss.h"
#include "cli/help.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "core/log.h"

namespace tandem::cli {
namespace {

constexpr const char* kEnvironment =
    "\n"
    "Environment: NO_COLOR, TANDEM_CPU_ISA, TANDEM_HISTORY, XDG_STATE_HOME. All of it is explained "
    "in "
    "docs/cli.md.\n";

/// A file descriptor 0, 1 or 2 that is closed would be given to the next file we open, which would
/// then get our output. Each is pointed at something that refuses instead.
void KeepStandardDescriptors() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) != -1) continue;
    if (::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd) ::_exit(kExitIo);
  }
}

/// The command that was asked for, or the program itself.
const CLI::App& Chosen(const CLI::App& app) {
  const auto commands = app.get_subcommands();
  return commands.empty() ? app : Chosen(*commands.front());
}

void AddLogToCommands(CLI::App& app, LogOptions& log) {
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    AddLog(*command, log);
    AddLogToCommands(*command, log);
  }
}

/// CLI11's complaint in our words.
Error UsageError(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App& command = Chosen(app);
  const auto extras = app.remaining(true);
  const bool missing = dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  const bool no_command = missing && !CommandsOf(command).empty();
  if (!extras.empty() && (no_command || dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr)) {
    const std::string& first = extras.front();
    const bool is_option = first.starts_with("-");
    const auto* kind = is_option ? "option" : !CommandsOf(command).empty() ? "command" : "argument";
    return Error(ErrorKind::kInvalidArgument,
                 fmt::format("unknown {} \"{}\"", kind, Printable(first)),
                 UnknownArgumentHint(command, first));
  }
  std::string what = error.what();
  what = what.substr(0, what.find('\n'));
  if (no_command) what = "no command given";
  return Error(ErrorKind::kInvalidArgument, what,
               fmt::format("{} --help lists what there is", CommandLineOf(command)));
}

int Main(int argc, const char* const* argv) {
  CLI::App app("Runs Gemma 3n and Gemma 3 on this machine: chat, convert, score and measure.",
               "tandem");
  app.set_help_flag("-h,--help", "Print this help");
  app.set_version_flag("--version", "tandem " TANDEM_VERSION, "Print the version");
  app.require_subcommand(1);

  Action action;
  AddRunCommand(app, action);
  AddConvertCommand(app, action);
  AddScoreCommand(app, action);
  AddInfoCommand(app, action);
  AddTokenizeCommand(app, action);
  AddBenchCommand(app, action);
  AddDoctorCommand(app, action);
  AddNpuCommand(app, action);
  AddCompletionCommand(app, action);
  AddManualCommand(app, action);
  LogOptions log;
  AddLog(app, log);
  AddLogToCommands(app, log);
  // Last: commands would inherit it.
  app.footer(
      fmt::format("Examples:\n{}\nExit codes:\n{}{}", ExampleHelp(), ExitCodeHelp(), kEnvironment));

  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    Print(HelpText(Chosen(app)));
    return kExitOk;
  } catch (const CLI::CallForVersion&) {
    Print("tandem " TANDEM_VERSION "\n");
    return kExitOk;
  } catch (const CLI::ParseError& error) {
    ApplyLog(log, Chosen(app));
    return Report(UsageError(app, error));
  } catch (const Error&) {
    ApplyLog(log, Chosen(app));
    throw;
  }
  ApplyLog(log, Chosen(app));
  log::Event("tandem {} {}", TANDEM_VERSION, Chosen(app).get_name());
  return action();
}

}  // namespace
}  // namespace tandem::cli

int main(int argc, char** argv) {
  using namespace tandem::cli;
  KeepStandardDescriptors();
  // A closed pipe is told by the write that fails.
  std::signal(SIGPIPE, SIG_IGN);
  // So is a file that may not grow.
  std::signal(SIGXFSZ, SIG_IGN);
  InstallFileLossHandler();
  KeepLinesApart();
  try {
    InstallInterruptHandlers();
    const int code = Main(argc, argv);
    FlushOutput();
    return code;
  } catch (...) {
    return ReportCurrentException();
  }
}
