// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/control_groups.h"

#include <fstream>
#include <iterator>

namespace tandem {

std::string ReadSystemText(const std::filesystem::path& path) {
  std::ifstream file(path);
  try {
    return {std::istreambuf_iterator<char>(file), {}};
  } catch (const std::ios_base::failure&) {  // what iterators see instead of a failed stream
    return {};
  }
}

std::string_view Trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

CgroupPaths ParseCgroupPaths(std::string_view text, std::string_view controller) {
  CgroupPaths paths;
  const std::string wanted = "," + std::string(controller) + ",";
  // Lines are "number:controllers:path"; a path may hold colons.
  ForEachLine(text, [&](std::string_view line) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first == std::string_view::npos ? first : first + 1);
    if (second == std::string_view::npos) return;
    const std::string_view number = line.substr(0, first);
    const std::string controllers =
        "," + std::string(line.substr(first + 1, second - first - 1)) + ",";
    const std::string path(line.substr(second + 1));
    if (number == "0" && controllers == ",,") paths.v2 = path;
    if (controllers.find(wanted) != std::string::npos) paths.v1 = path;
  });
  return paths;
}

}  // namespace tandem
