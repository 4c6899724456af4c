// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the control groups of this process are, and small text files of the system. Everything that
// is missing or unreadable is empty: what cannot be read limits nothing. Thread-safe.
#pragma once

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace tandem {

/// Empty when there is none, or the system fails to read it.
std::string ReadSystemText(const std::filesystem::path& path);

/// Without blanks and newlines around it.
std::string_view Trimmed(std::string_view text);

/// Calls `line` with each line of `text`.
template <typename Line>
void ForEachLine(std::string_view text, const Line& line) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// Paths of a process in the hierarchies of a controller, out of /proc/self/cgroup.
struct CgroupPaths {
  std::optional<std::string> v1;  ///< The one with the controller.
  std::optional<std::string> v2;
};
CgroupPaths ParseCgroupPaths(std::string_view text, std::string_view controller = "memory");

/// Calls `visit` with the folder of the group at `path` and of each above it, up to the top of what
/// is mounted at `mount`. Inside a container the upper part of the path is often not there, and the
/// group of the container is the top.
template <typename Visit>
void ForEachGroup(const std::filesystem::path& mount, const std::string& path, const Visit& visit) {
  std::filesystem::path group = std::filesystem::path(path).lexically_normal().relative_path();
  // A path out of the mounted tree, as another namespace may show it.
  if (group.string().starts_with("..")) group.clear();
  for (;; group = group.parent_path()) {
    // Joined with nothing it would end in a slash, see WithoutSlash().
    visit(group.empty() ? mount : mount / group);
    if (group.empty()) return;
  }
}

}  // namespace tandem
