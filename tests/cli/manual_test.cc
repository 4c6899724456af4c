// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem manual against the help texts: the page has all that they have, where it belongs.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/process.h"

namespace tandem::test {
namespace {

using Rows = std::vector<std::pair<std::string, std::string>>;

/// Names and descriptions that a help text lists, descriptions on one line. Ends at the examples.
Rows RowsOf(const std::string& help) {
  constexpr size_t kNameColumn = 30;
  Rows rows;
  for (const std::string& line : Lines(help)) {
    if (line == "Examples:") break;
    if (!line.starts_with("  ")) continue;
    const size_t start = line.find_first_not_of(' ');
    if (start < kNameColumn) {
      size_t end = line.find("  ", start);
      rows.emplace_back(line.substr(start, end - start), "");
      if (end == std::string::npos) continue;
      end = line.find_first_not_of(' ', end);
      if (end != std::string::npos) rows.back().second = line.substr(end);
    } else if (!rows.empty()) {
      std::string& description = rows.back().second;
      description += (description.empty() ? "" : " ") + line.substr(start);
    }
  }
  return rows;
}

/// What a reader of the page sees of `roff`: escapes undone, requests left.
std::string Plain(std::string_view roff) {
  const std::pair<std::string_view, std::string_view> escapes[] = {
      {"\\&", ""},    {"\\-", "-"},   {"\\e", "\\"}, {"\\(aq", "'"},
      {"\\(ga", "`"}, {"\\(ti", "~"}, {"\\(ha", "^"}};
  std::string out;
  while (!roff.empty()) {
    size_t taken = 0;
    for (const auto& [escape, text] : escapes) {
      if (taken > 0 || !roff.starts_with(escape)) continue;
      out += text;
      taken = escape.size();
    }
    if (taken == 0) {
      out += roff.front();
      taken = 1;
    }
    roff.remove_prefix(taken);
  }
  return out;
}

/// The part of `page` from the line that starts with `begin` to the next heading like it.
std::string Part(const std::string& page, const std::string& begin) {
  const size_t start = page.find("\n" + begin);
  if (start == std::string::npos) return {};
  const size_t end = std::min(page.find("\n.SS ", start + 1), page.find("\n.SH ", start + 1));
  return page.substr(start, end - start + 1);
}

std::string Page() {
  const Finished run = Tandem({"manual"});
  EXPECT_EQ(run.code, 0) << run.err;
  return run.out;
}

TEST(Manual, HasEveryRowOfEveryHelp) {
  const std::string page = Plain(Page());
  std::vector<std::string> commands;
  for (const auto& [name, description] : RowsOf(Tandem({"--help"}).out)) {
    EXPECT_NE(page.find("\n.B " + name + "\n" + description + "\n"), std::string::npos) << name;
    if (!name.starts_with("-")) commands.push_back(name);
  }
  ASSERT_GE(commands.size(), 7u);
  for (const std::string& command : commands) {
    const std::string part = Part(page, ".SS tandem " + command + " ");
    ASSERT_FALSE(part.empty()) << command;
    const Rows rows = RowsOf(Tandem({command, "--help"}).out);
    EXPECT_FALSE(rows.empty());
    for (const auto& [name, description] : rows) {
      EXPECT_NE(part.find("\n.B " + name + "\n" + description + "\n"), std::string::npos)
          << command << ": " << name << ": " << description;
    }
  }
}

TEST(Manual, HasExitCodesEnvironmentAndExamples) {
  const std::string page = Plain(Page());
  const std::string help = Tandem({"--help"}).out;
  const std::string rest = help.substr(help.find("Examples:"));
  const std::string env = rest.substr(rest.find("Environment: ") + 13);
  std::vector<std::string> wanted = Lines(rest.substr(0, rest.find("Environment: ")));
  for (size_t start = 0, end = env.find('.'); start < end;) {
    const size_t comma = std::min(env.find(", ", start), end);
    wanted.push_back(".B " + env.substr(start, comma - start));
    start = comma + 2;
  }
  EXPECT_GE(wanted.size(), 15u);
  for (const std::string& line : wanted) {
    if (line.empty() || line.ends_with(":")) continue;
    EXPECT_NE(page.find("\n" + line + "\n"), std::string::npos) << line;
  }
  EXPECT_NE(Part(page, ".SH IN A CHAT").find("/undo"), std::string::npos);
}

// A line that starts with a dot or a quote is a request: text that does so by accident would
// vanish.
TEST(Manual, IsRoffOfKnownRequests) {
  const std::set<std::string> known = {".TH", ".SH", ".SS", ".TP", ".B",
                                       ".I",  ".PP", ".nf", ".fi", ".\\\""};
  for (const std::string& line : Lines(Page())) {
    if (!line.starts_with(".") && !line.starts_with("'")) continue;
    EXPECT_TRUE(known.contains(line.substr(0, line.find(' ')))) << line;
  }
}

TEST(Manual, IsNotACommandForUsers) {
  EXPECT_EQ(Tandem({"--help"}).out.find("manual"), std::string::npos);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    EXPECT_EQ(Tandem({"completion", shell}).out.find("manual"), std::string::npos) << shell;
  }
}

}  // namespace
}  // namespace tandem::test
