// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "cli/options.h"

namespace tandem::cli {
namespace {

constexpr size_t kWidth = 100;
/// Names wider than this get their description on the next line.
constexpr size_t kNameColumn = 30;

using Row = HelpGroup::Row;

std::string NameOf(const CLI::Option& option) {
  std::string name;
  if (option.get_positional()) {
    name = option.get_name();
  } else {
    for (const auto& part : option.get_snames()) name += (name.empty() ? "-" : ", -") + part;
    if (name.empty()) name = "    ";
    for (const auto& part : option.get_lnames()) {
      name += (name == "    " ? "--" : ", --") + part;
    }
    // Choices are listed with the description: some are long.
    if (option.get_items_expected_max() != 0) {
      name += TakesChoice(option) ? " NAME" : " " + option.get_type_name();
    }
  }
  return name;
}

std::string DescriptionOf(const CLI::Option& option) {
  std::string text = option.get_description();
  if (TakesChoice(option)) text += ": " + option.get_type_name();
  if (option.get_required()) text += " (required)";
  if (!option.get_default_str().empty()) text += " [" + option.get_default_str() + "]";
  return text;
}

/// `text` wrapped, later lines indented by `indent`.
std::string Wrapped(std::string_view text, size_t indent) {
  std::string out;
  size_t column = indent;
  while (!text.empty()) {
    const size_t space = std::min(text.find(' '), text.size());
    if (column > indent && column + 1 + space > kWidth) {
      out += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      out += ' ';
      ++column;
    }
    out += text.substr(0, space);
    column += space;
    text.remove_prefix(std::min(space + 1, text.size()));
  }
  return out;
}

/// Rows by group, groups in the order of their first appearance.
template <typename Items, typename MakeRow>
std::vector<HelpGroup> Grouped(const Items& items, const MakeRow& row) {
  std::vector<HelpGroup> groups;
  for (const auto* item : items) {
    const std::string& name = item->get_group();
    if (name.empty()) continue;  // hidden
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const auto& known) { return known.title == name; });
    if (group == groups.end()) group = groups.insert(groups.end(), {name, {}});
    group->rows.push_back(row(*item));
  }
  return groups;
}

std::string Section(const HelpGroup& group) {
  std::string out = fmt::format("\n{}:\n", group.title);
  for (const auto& [name, description] : group.rows) {
    out += fmt::format("  {:<{}}", name, kNameColumn - 2);
    if (name.size() + 3 > kNameColumn) out += "\n" + std::string(kNameColumn, ' ');
    out += Wrapped(description, kNameColumn) + "\n";
  }
  return out;
}

size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string CommandLineOf(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : CommandLineOf(*parent) + " " + app.get_name();
}

std::vector<const CLI::App*> CommandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

std::vector<const CLI::Option*> OptionsOf(const CLI::App& app) {
  std::vector<const CLI::Option*> options = app.get_options();
  for (const CLI::App* command : CommandsOf(app)) {
    for (const CLI::Option* option : OptionsOf(*command)) {
      const bool known = std::any_of(options.begin(), options.end(), [&](const auto* other) {
        return other->get_name() == option->get_name();
      });
      if (!known) options.push_back(option);
    }
  }
  return options;
}

std::vector<HelpGroup> CommandGroups(const CLI::App& app) {
  return Grouped(CommandsOf(app), [](const CLI::App& command) {
    return Row{command.get_name(), command.get_description()};
  });
}

std::vector<HelpGroup> OptionGroups(const CLI::App& app) {
  return Grouped(app.get_options(), [](const CLI::Option& option) {
    return Row{NameOf(option), DescriptionOf(option)};
  });
}

std::string UsageOf(const CLI::App& app) {
  std::string usage = CommandLineOf(app);
  if (!CommandsOf(app).empty()) usage += " COMMAND";
  usage += " [OPTIONS]";
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    usage += option->get_required() ? " " + option->get_name() : " [" + option->get_name() + "]";
  }
  return usage;
}

std::string HelpText(const CLI::App& app) {
  std::string out = Wrapped(app.get_description(), 0) + "\n\nUsage: " + UsageOf(app) + "\n";
  for (const HelpGroup& group : CommandGroups(app)) out += Section(group);
  for (const HelpGroup& group : OptionGroups(app)) out += Section(group);
  const std::string footer = app.get_footer();
  if (!footer.empty()) out += "\n" + footer;
  return out;
}

std::string_view ExampleHelp() {
  return "  tandem run -p \"What is the capital of Brazil?\"     one answer\n"
         "  tandem run -m gemma-3n-E2B-it-Q4_K_M.gguf          a chat with a model of yours\n"
         "  git log -5 | tandem run -m MODEL --system \"Sum it up.\"\n"
         "  tandem convert ./gemma-3n-E4B-it -o e2b.gguf --type q4_k_m --slice e2b\n"
         "  tandem bench -m MODEL -p 128,512 -n 64 --json\n";
}

std::string UnknownArgumentHint(const CLI::App& app, std::string_view argument) {
  std::string help = fmt::format("{} --help lists what there is", CommandLineOf(app));
  if (argument.size() < 3 || argument.size() > 40) return help;
  std::string_view name = argument.substr(0, argument.find('='));
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& part : option->get_lnames()) known.push_back("--" + part);
  }
  for (const CLI::App* command : CommandsOf(app)) {
    known.push_back(command->get_name());
  }
  const std::string* best = nullptr;
  size_t best_distance = name.size() / 3 + 1;
  for (const std::string& candidate : known) {
    const bool abbreviation = name.starts_with("--") && candidate.starts_with(name);
    const size_t distance = abbreviation ? 0 : EditDistance(name, candidate);
    if (distance < best_distance) {
      best_distance = distance;
      best = &candidate;
    }
  }
  return best == nullptr ? help : fmt::format("did you mean {}? {}", *best, help);
}

}  // namespace tandem::cli
