// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The help texts, made from what the commands declared. Commands and options whose group has no
// name are hidden: from here, from the manual page and from completion.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace tandem::cli {

/// Some commands, or options of one, under a title.
struct HelpGroup {
  struct Row {
    std::string name;  ///< "-m, --model FILE".
    std::string description;
  };
  std::string title;
  std::vector<Row> rows;
};

/// Commands of `app` that are not hidden.
std::vector<const CLI::App*> CommandsOf(const CLI::App& app);
/// Options of `app` and of its commands, each name once.
std::vector<const CLI::Option*> OptionsOf(const CLI::App& app);
/// Commands by group, in the order of their first appearance.
std::vector<HelpGroup> CommandGroups(const CLI::App& app);
/// Options and arguments of `app` by group.
std::vector<HelpGroup> OptionGroups(const CLI::App& app);

/// "tandem run [OPTIONS]": how `app` is called.
std::string UsageOf(const CLI::App& app);

/// Help of `app`, a sub-command or the whole program: what it is, usage, options by group, footer.
std::string HelpText(const CLI::App& app);

/// Lines of `tandem --help` that show typical calls.
std::string_view ExampleHelp();

/// What to say about an argument that `app` does not know: the closest name that it does, or where
/// its help is.
std::string UnknownArgumentHint(const CLI::App& app, std::string_view argument);

/// "tandem run": how a user calls `app`.
std::string CommandLineOf(const CLI::App& app);

}  // namespace tandem::cli
