// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/memory_limits.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

namespace tandem {
namespace {

namespace fs = std::filesystem;

/// Version 1 says "no limit" by a number close to 2^63.
constexpr uint64_t kUnlimited = uint64_t{1} << 60;

/// Empty when there is none, or the system fails to read it: then the limit is not known.
std::string ReadText(const fs::path& path) {
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

std::optional<uint64_t> LeadingNumber(std::string_view text) {
  text = Trimmed(text);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

/// Calls `line` with each line of `text`.
template <typename Line>
void ForEachLine(std::string_view text, const Line& line) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// What follows `name` in the line that starts with it.
std::optional<std::string_view> ValueOf(std::string_view text, std::string_view name) {
  std::optional<std::string_view> value;
  ForEachLine(text, [&](std::string_view line) {
    if (!value && line.starts_with(name)) value = line.substr(name.size());
  });
  return value;
}

/// File names of a version of control groups.
struct CgroupFiles {
  const char* limit;
  const char* usage;
  const char* active;
  const char* inactive;
};
constexpr CgroupFiles kV1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_active_file",
                             "total_inactive_file"};
constexpr CgroupFiles kV2 = {"memory.max", "memory.current", "active_file", "inactive_file"};

/// Room of one group. File pages that it is charged for can be dropped.
std::optional<uint64_t> RoomOf(const fs::path& group, const CgroupFiles& files) {
  const auto limit = ParseCgroupBytes(ReadText(group / files.limit));
  if (!limit) return std::nullopt;
  const uint64_t usage = ParseCgroupBytes(ReadText(group / files.usage)).value_or(0);
  const uint64_t cached = SumOfStats(ReadText(group / "memory.stat"), files.active, files.inactive);
  const uint64_t taken = usage - std::min(usage, cached);
  return *limit - std::min(*limit, taken);
}

/// The least room from the group at `path` up to the top of what is mounted at `mount`. Inside a
/// container the upper part of the path is often not there: what is missing limits nothing.
std::optional<uint64_t> LeastRoom(const fs::path& mount, const std::string& path,
                                  const CgroupFiles& files) {
  std::optional<uint64_t> least;
  fs::path group = fs::path(path).lexically_normal().relative_path();
  // A path out of the mounted tree, as another namespace may show it.
  if (group.string().starts_with("..")) group.clear();
  for (;; group = group.parent_path()) {
    // Joined with nothing it would end in a slash, see WithoutSlash().
    const auto room = RoomOf(group.empty() ? mount : mount / group, files);
    if (room) least = std::min(least.value_or(*room), *room);
    if (group.empty()) return least;
  }
}

std::optional<uint64_t> Least(std::optional<uint64_t> a, std::optional<uint64_t> b) {
  return a && b ? std::min(*a, *b) : a ? a : b;
}

std::optional<uint64_t> CgroupRoom(const fs::path& root) {
  const CgroupPaths paths = ParseCgroupPaths(ReadText(root / "proc/self/cgroup"));
  const fs::path mount = root / "sys/fs/cgroup";
  std::optional<uint64_t> room;
  if (paths.v2) {
    room = Least(LeastRoom(mount, *paths.v2, kV2), LeastRoom(mount / "unified", *paths.v2, kV2));
  }
  if (paths.v1) room = Least(room, LeastRoom(mount / "memory", *paths.v1, kV1));
  return room;
}

std::optional<uint64_t> AddressSpaceRoom(const fs::path& root) {
  const auto limit = ParseAddressSpaceLimit(ReadText(root / "proc/self/limits"));
  const auto pages = LeadingNumber(ReadText(root / "proc/self/statm"));
  if (!limit || !pages) return std::nullopt;
  const uint64_t taken = *pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return *limit - std::min(*limit, taken);
}

}  // namespace

std::optional<uint64_t> ParseMemAvailable(std::string_view meminfo) {
  const auto value = ValueOf(meminfo, "MemAvailable:");
  const auto kilobytes = value ? LeadingNumber(*value) : std::nullopt;
  if (!kilobytes || *kilobytes > UINT64_MAX / 1024) return std::nullopt;
  return *kilobytes * 1024;
}

CgroupPaths ParseCgroupPaths(std::string_view text) {
  CgroupPaths paths;
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
    if (controllers.find(",memory,") != std::string::npos) paths.v1 = path;
  });
  return paths;
}

std::optional<uint64_t> ParseCgroupBytes(std::string_view text) {
  const auto value = LeadingNumber(text);
  return value && *value < kUnlimited ? value : std::nullopt;
}

uint64_t SumOfStats(std::string_view stat, std::string_view first, std::string_view second) {
  uint64_t sum = 0;
  for (const std::string_view name : {first, second}) {
    const auto value = ValueOf(stat, std::string(name) + " ");
    sum += ParseCgroupBytes(value.value_or("")).value_or(0);
  }
  return sum;
}

std::optional<uint64_t> ParseAddressSpaceLimit(std::string_view limits) {
  const auto value = ValueOf(limits, "Max address space");
  return value ? LeadingNumber(*value) : std::nullopt;
}

MemoryLimits ReadMemoryLimits(const fs::path& root) {
  return {ParseMemAvailable(ReadText(root / "proc/meminfo")), CgroupRoom(root),
          AddressSpaceRoom(root)};
}

}  // namespace tandem
