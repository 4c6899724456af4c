// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The help texts, made from what the commands declared.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <string_view>

namespace tandem::cli {

/// Help of `app`, a sub-command or the whole program: what it is, usage, options by group, footer.
std::string HelpText(const CLI::App& app);

/// What to say about an argument that `app` does not know: the closest name that it does, or where
/// its help is.
std::string UnknownArgumentHint(const CLI::App& app, std::string_view argument);

/// "tandem run": how a user calls `app`.
std::string CommandLineOf(const CLI::App& app);

}  // namespace tandem::cli
