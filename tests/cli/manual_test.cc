// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem manual against the help texts: the page has all that they have, where it belongs.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/process.h"

namespace tandem::test {
namespace {

/// The rows of a help text, "name description" each, with single spaces. Ends at the examples.
std::vector<std::string> RowsOfHelp(const std::string& help) {
  constexpr size_t kDescriptionColumn = 30;
  std::vector<std::string> rows;
  for (const std::string& line : Lines(help)) {
    if (line == "Examples:") break;
    if (!line.starts_with("  ")) continue;
    if (line.find_first_not_of(' ') < kDescriptionColumn) rows.emplace_back();
    if (rows.empty()) continue;
    std::istringstream words(line);
    for (std::string word; words >> word;) rows.back() += (rows.back().empty() ? "" : " ") + word;
  }
  return rows;
}

/// The same of plain text of the page: a line that is a .B request, and the next.
std::set<std::string> RowsOfPage(const std::string& page) {
  const std::vector<std::string> lines = Lines(page);
  std::set<std::string> rows;
  for (size_t i = 0; i + 1 < lines.size(); ++i) {
    if (lines[i].starts_with(".B ")) rows.insert(lines[i].substr(3) + " " + lines[i + 1]);
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
  const std::string help = Tandem({"--help"}).out;
  for (const std::string& row : RowsOfHelp(help))
    EXPECT_TRUE(RowsOfPage(page).contains(row)) << row;
  size_t commands = 0;
  for (const std::string& row : RowsOfHelp(help)) {
    if (row.starts_with("-")) continue;
    ++commands;
    const std::string command = row.substr(0, row.find(' '));
    const auto rows = RowsOfPage(Part(page, ".SS tandem " + command + " "));
    const auto wanted = RowsOfHelp(Tandem({command, "--help"}).out);
    EXPECT_FALSE(wanted.empty());
    for (const std::string& option : wanted) {
      EXPECT_TRUE(rows.contains(option)) << command << ": " << option;
    }
  }
  EXPECT_GE(commands, 7u);
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
