// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>

#include "cli/exit_code.h"
#include "core/atomic_file.h"
#include "core/error.h"

namespace tandem::cli {
namespace {

std::atomic<InterruptMode> g_mode = InterruptMode::kExit;
std::atomic<bool> g_interrupted = false;
std::atomic<bool> g_termination = false;
int g_pipe[2] = {-1, -1};

static_assert(std::atomic<InterruptMode>::is_always_lock_free);
static_assert(std::atomic<bool>::is_always_lock_free);

/// Only what is safe inside a signal handler.
[[noreturn]] void ExitNow() {
  static constexpr char kText[] = "\nerror: interrupted\n";
  RemoveTemporaryFiles();
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, kText, sizeof(kText) - 1);
  ::_exit(kExitCancelled);
}

void Wake() {
  const int saved = errno;
  [[maybe_unused]] const auto ignored = ::write(g_pipe[1], "", 1);
  errno = saved;
}

void OnStop(int signal_number) {
  const InterruptMode mode = g_mode;
  if (mode == InterruptMode::kExit || (mode == InterruptMode::kCancel && g_interrupted)) ExitNow();
  g_interrupted = true;
  if (signal_number != SIGINT) g_termination = true;
  Wake();
}

void OnTerminalChange(int) { Wake(); }

void Install(int signal_number, void (*handler)(int)) {
  struct sigaction action {};
  ::sigaction(signal_number, nullptr, &action);
  if (action.sa_handler == SIG_IGN) return;
  action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(signal_number, &action, nullptr);
}

}  // namespace

void InstallInterruptHandlers() {
  if (::pipe2(g_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
    throw Error(ErrorKind::kResource,
                "cannot make a pipe: " + std::generic_category().message(errno));
  }
  Install(SIGINT, OnStop);
  Install(SIGTERM, OnStop);
  Install(SIGHUP, OnStop);
  Install(SIGWINCH, OnTerminalChange);
  Install(SIGCONT, OnTerminalChange);
}

InterruptScope::InterruptScope(InterruptMode mode) : previous_(g_mode) {
  g_interrupted = false;
  g_mode = mode;
}

InterruptScope::~InterruptScope() {
  g_mode = previous_;
  g_interrupted = false;
}

bool Interrupted() { return g_interrupted; }
void ClearInterrupt() { g_interrupted = g_termination.load(); }
bool TerminationRequested() { return g_termination; }
int SignalDescriptor() { return g_pipe[0]; }

}  // namespace tandem::cli
