// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The sub-commands. Each function adds one to `app`; when the user asked for it, `action` is set
// to what it does. One file per command.
#pragma once

#include <CLI/CLI.hpp>

#include "cli/options.h"

namespace tandem::cli {

void AddRunCommand(CLI::App& app, Action& action);
void AddConvertCommand(CLI::App& app, Action& action);
void AddScoreCommand(CLI::App& app, Action& action);
void AddInfoCommand(CLI::App& app, Action& action);
void AddDoctorCommand(CLI::App& app, Action& action);
void AddTokenizeCommand(CLI::App& app, Action& action);
void AddBenchCommand(CLI::App& app, Action& action);
void AddNpuCommand(CLI::App& app, Action& action);
void AddCompletionCommand(CLI::App& app, Action& action);
void AddManualCommand(CLI::App& app, Action& action);

}  // namespace tandem::cli
