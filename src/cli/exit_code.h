// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the program's exit status means, and how a failure is said: one line that starts with
// "error: " and at most one that starts with "hint: ", on stderr, and in the log file.
#pragma once

#include <string>
#include <string_view>

#include "core/error.h"

namespace tandem::cli {

/// All below 126, so that no shell takes one for a signal or for a program that is not there.
enum ExitCode : int {
  kExitOk = 0,
  kExitFailure = 1,    ///< Anything without a number of its own.
  kExitUsage = 2,      ///< Options or a request that make no sense as given.
  kExitModel = 3,      ///< A model, tokenizer or device that cannot be used.
  kExitIo = 4,         ///< The operating system refused a read or a write.
  kExitResource = 5,   ///< No room in the context or in memory.
  kExitCancelled = 6,  ///< Ended by Ctrl-C or a request to terminate.
};

/// The lines of `tandem --help` that explain the numbers.
std::string_view ExitCodeHelp();

ExitCode ExitCodeOf(ErrorKind kind);

/// Prints `error` and returns its exit code.
ExitCode Report(const Error& error);

/// Reports the exception in flight, whatever it is. Call it inside a catch block.
ExitCode ReportCurrentException();

}  // namespace tandem::cli
