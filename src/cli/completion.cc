// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem completion: scripts that let a shell complete commands, options and their values, made
// from what the commands declared.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/output.h"

namespace tandem::cli {
namespace {

/// What may follow the words up to `command`: its options and, unless it is the program, those of
/// its commands.
std::vector<const CLI::Option*> OptionsFor(const CLI::App& command) {
  return command.get_parent() == nullptr ? command.get_options() : OptionsOf(command);
}
std::vector<const CLI::App*> CommandsFor(const CLI::App& command) {
  return command.get_parent() == nullptr ? std::vector<const CLI::App*>() : CommandsOf(command);
}

std::vector<std::string> NamesOf(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const auto& name : option.get_snames()) names.push_back("-" + name);
  for (const auto& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

/// The values of an option that takes one of a few, separated by spaces; empty for others.
std::string ChoicesOf(const CLI::Option& option) {
  if (!TakesChoice(option)) return {};
  std::string choices = option.get_type_name();
  for (char& c : choices) c = c == '|' ? ' ' : c;
  return choices;
}

bool TakesValue(const CLI::Option& option) { return option.get_items_expected_max() > 0; }
bool TakesFile(const CLI::Option& option) { return option.get_type_name() == "FILE"; }

/// `text` between single quotes of a POSIX shell.
std::string Quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// Everything that may follow a command without being a value: options, and the choices of a
/// positional argument.
std::string WordsOf(const CLI::App& command) {
  std::string words;
  for (const CLI::App* inner : CommandsFor(command)) words += inner->get_name() + " ";
  for (const CLI::Option* option : OptionsFor(command)) {
    for (const std::string& name : NamesOf(*option)) words += name + " ";
    if (option->get_positional()) words += ChoicesOf(*option) + " ";
  }
  while (words.ends_with(' ')) words.pop_back();
  return words;
}

/// The lines of a `case "$command $previous"` over all options with values.
std::string BashValueCases(const CLI::App& command) {
  std::string cases;
  for (const CLI::Option* option : OptionsFor(command)) {
    if (option->get_positional() || !TakesValue(*option)) continue;
    std::string pattern;
    for (const std::string& name : NamesOf(*option)) {
      pattern += fmt::format("{}'{} {}'", pattern.empty() ? "" : "|", command.get_name(), name);
    }
    const std::string choices = ChoicesOf(*option);
    const std::string reply =
        !choices.empty()     ? fmt::format("COMPREPLY=($(compgen -W '{}' -- \"$word\"))", choices)
        : TakesFile(*option) ? "COMPREPLY=($(compgen -f -- \"$word\"))"
                             : "COMPREPLY=()";
    cases += fmt::format("    {}) {}; return ;;\n", pattern, reply);
  }
  return cases;
}

/// Names of the program's own options that are followed by a value, as a pattern of a `case`.
std::string ValuePattern(const CLI::App& app) {
  std::string pattern;
  for (const CLI::Option* option : app.get_options()) {
    if (!TakesValue(*option)) continue;
    for (const std::string& name : NamesOf(*option)) pattern += (pattern.empty() ? "" : "|") + name;
  }
  return pattern;
}

std::string Bash(const CLI::App& app) {
  std::string commands;
  std::string values = BashValueCases(app);
  std::string words;
  for (const CLI::App* command : CommandsOf(app)) {
    commands += (commands.empty() ? "" : " ") + command->get_name();
    values += BashValueCases(*command);
    words += fmt::format("    {}) words='{}' ;;\n", command->get_name(), WordsOf(*command));
  }
  // Before the command there may be options of the program.
  return fmt::format(
      "# bash completion of tandem: source <(tandem completion bash)\n"
      "_tandem() {{\n"
      "  local word=\"${{COMP_WORDS[COMP_CWORD]}}\"\n"
      "  local previous=\"${{COMP_WORDS[COMP_CWORD-1]}}\"\n"
      "  local command={} i words\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"${{COMP_WORDS[i]}}\" in\n"
      "      {}) ((i++)) ;;\n"
      "      -*) ;;\n"
      "      *) command=\"${{COMP_WORDS[i]}}\"; break ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$command $previous\" in\n"
      "{}"
      "  esac\n"
      "  case \"$command\" in\n"
      "    {}) COMPREPLY=($(compgen -W '{} {}' -- \"$word\")); return ;;\n"
      "{}"
      "    *) words='' ;;\n"
      "  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
      "  case \"$word\" in\n"
      "    -*) ;;\n"
      "    *) COMPREPLY+=($(compgen -f -- \"$word\")) ;;\n"
      "  esac\n"
      "}}\n"
      "complete -o filenames -F _tandem tandem\n",
      app.get_name(), ValuePattern(app), values, app.get_name(), commands, WordsOf(app), words);
}

/// Text inside a zsh _arguments specification, where these characters have a meaning.
std::string ZshText(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string ZshArguments(const CLI::App& command) {
  std::string out;
  std::string inner;
  for (const CLI::App* one : CommandsFor(command)) inner += " " + one->get_name();
  if (!inner.empty()) {
    out += fmt::format(" \\\n        {}", Quoted(fmt::format("1:COMMAND:({})", inner.substr(1))));
  }
  for (const CLI::Option* option : OptionsFor(command)) {
    const std::string choices = ChoicesOf(*option);
    const std::string action = !choices.empty()     ? "(" + choices + ")"
                               : TakesFile(*option) ? "_files"
                                                    : " ";
    if (option->get_positional()) {
      out += fmt::format(" \\\n        {}",
                         Quoted(fmt::format("*:{}:{}", ZshText(option->get_name()), action)));
      continue;
    }
    for (const std::string& name : NamesOf(*option)) {
      std::string spec = fmt::format("{}[{}]", name, ZshText(option->get_description()));
      if (TakesValue(*option)) spec += fmt::format(":{}:{}", ZshText(name), action);
      out += fmt::format(" \\\n        {}", Quoted(spec));
    }
  }
  return out;
}

std::string Zsh(const CLI::App& app) {
  std::string commands;
  std::string cases;
  for (const CLI::App* command : CommandsOf(app)) {
    commands += fmt::format(
        "    {}\n", Quoted(fmt::format("{}:{}", command->get_name(), command->get_description())));
    cases += fmt::format("    {})\n      _arguments{}\n      ;;\n", command->get_name(),
                         ZshArguments(*command));
  }
  return fmt::format(
      "#compdef tandem\n"
      "# zsh completion of tandem: save it as _tandem in a folder of $fpath\n"
      "_tandem() {{\n"
      "  local -a commands\n"
      "  commands=(\n"
      "{}"
      "  )\n"
      "  while (( CURRENT > 2 )) && [[ $words[2] == -* ]]; do\n"
      "    case $words[2] in\n"
      "      ({}) (( CURRENT == 3 )) && break; words[2]=(); (( CURRENT-- )) ;;\n"
      "    esac\n"
      "    words[2]=()\n"
      "    (( CURRENT-- ))\n"
      "  done\n"
      "  if (( CURRENT == 2 )) && [[ $words[2] != -* ]]; then\n"
      "    _describe command commands\n"
      "    return\n"
      "  fi\n"
      "  if [[ $words[2] == -* ]]; then\n"
      "    _arguments{}\n"
      "    return\n"
      "  fi\n"
      "  local command=$words[2]\n"
      "  shift words\n"
      "  (( CURRENT-- ))\n"
      "  case $command in\n"
      "{}"
      "  esac\n"
      "}}\n"
      "if [ \"$funcstack[1]\" = _tandem ]; then _tandem \"$@\"; else compdef _tandem tandem; fi\n",
      commands, ValuePattern(app), ZshArguments(app), cases);
}

/// `condition`: when fish offers the option.
std::string FishOption(std::string_view condition, const CLI::Option& option) {
  const std::string choices = ChoicesOf(option);
  std::string out = fmt::format("complete -c tandem -n '{}'", condition);
  if (option.get_positional()) {
    return choices.empty() ? fmt::format("{} -F\n", out)
                           : fmt::format("{} -f -a {}\n", out, Quoted(choices));
  }
  for (const auto& name : option.get_snames()) out += " -s " + name;
  for (const auto& name : option.get_lnames()) out += " -l " + name;
  if (TakesValue(option)) out += TakesFile(option) ? " -r -F" : " -x";
  if (!choices.empty()) out += " -a " + Quoted(choices);
  return fmt::format("{} -d {}\n", out, Quoted(option.get_description()));
}

std::string Fish(const CLI::App& app) {
  std::string out =
      "# fish completion of tandem: tandem completion fish | source\n"
      "complete -c tandem -f\n";
  for (const CLI::App* command : CommandsOf(app)) {
    out += fmt::format("complete -c tandem -n __fish_use_subcommand -a {} -d {}\n",
                       command->get_name(), Quoted(command->get_description()));
  }
  for (const CLI::Option* option : app.get_options()) {
    out += FishOption("__fish_use_subcommand", *option);
  }
  for (const CLI::App* command : CommandsOf(app)) {
    const std::string condition = "__fish_seen_subcommand_from " + command->get_name();
    for (const CLI::App* inner : CommandsOf(*command)) {
      out += fmt::format("complete -c tandem -n '{}' -f -a {} -d {}\n", condition,
                         inner->get_name(), Quoted(inner->get_description()));
    }
    for (const CLI::Option* option : OptionsFor(*command)) out += FishOption(condition, *option);
  }
  return out;
}

int RunCompletion(const CLI::App& app, const std::string& shell) {
  Print(shell == "bash" ? Bash(app) : shell == "zsh" ? Zsh(app) : Fish(app));
  return kExitOk;
}

}  // namespace

void AddCompletionCommand(CLI::App& app, Action& action) {
  auto shell = std::make_shared<std::string>();
  CLI::App& command =
      *app.add_subcommand("completion", "Print a script for the completion of a shell")
           ->group("Shell");
  AddChoice(command, "SHELL", *shell, {"bash", "zsh", "fish"}, "Which shell")->required();
  command.final_callback(
      [shell, &app, &action] { action = [shell, &app] { return RunCompletion(app, *shell); }; });
}

}  // namespace tandem::cli
