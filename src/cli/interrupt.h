// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What Ctrl-C and requests to terminate do. Signals are the process's: so is this state.
#pragma once

namespace tandem::cli {

enum class InterruptMode {
  kExit,    ///< Ends the program at once, exit code kExitCancelled.
  kCancel,  ///< The first sets the flag, a second ends the program at once.
  kChat,    ///< Sets the flag, always.
};

/// Installs the handlers, in mode kExit. A signal that was ignored stays ignored.
void InstallInterruptHandlers();

/// Another mode for a scope, with a clear flag at both ends.
class InterruptScope {
 public:
  explicit InterruptScope(InterruptMode mode);
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
  ~InterruptScope();

 private:
  InterruptMode previous_;
};

/// Whether somebody asked to stop since the flag was last cleared.
bool Interrupted();
void ClearInterrupt();
/// Whether it was more than Ctrl-C: SIGTERM or a lost terminal. Never cleared.
bool TerminationRequested();

/// A descriptor that becomes readable with every signal handled here, window changes and
/// continuation after a stop included: for poll(). Whoever wakes reads what is there.
int SignalDescriptor();

}  // namespace tandem::cli
