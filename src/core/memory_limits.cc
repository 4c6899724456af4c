// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/memory_limits.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "core/control_groups.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

/// Version 1 says "no limit" by a number close to 2^63.
constexpr uint64_t kUnlimited = uint64_t{1} << 60;

std::optional<uint64_t> LeadingNumber(std::string_view text) {
  text = Trimmed(text);
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end == text.data()) return std::nullopt;
  return value;
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
  const auto limit = ParseCgroupBytes(ReadSystemText(group / files.limit));
  if (!limit) return std::nullopt;
  const uint64_t usage = ParseCgroupBytes(ReadSystemText(group / files.usage)).value_or(0);
  const uint64_t cached =
      SumOfStats(ReadSystemText(group / "memory.stat"), files.active, files.inactive);
  const uint64_t taken = usage - std::min(usage, cached);
  return *limit - std::min(*limit, taken);
}

/// The least room from the group at `path` up to the top of what is mounted at `mount`.
std::optional<uint64_t> LeastRoom(const fs::path& mount, const std::string& path,
                                  const CgroupFiles& files) {
  std::optional<uint64_t> least;
  ForEachGroup(mount, path, [&](const fs::path& group) {
    const auto room = RoomOf(group, files);
    if (room) least = std::min(least.value_or(*room), *room);
  });
  return least;
}

std::optional<uint64_t> Least(std::optional<uint64_t> a, std::optional<uint64_t> b) {
  return a && b ? std::min(*a, *b) : a ? a : b;
}

std::optional<uint64_t> CgroupRoom(const fs::path& root) {
  const CgroupPaths paths = ParseCgroupPaths(ReadSystemText(root / "proc/self/cgroup"));
  const fs::path mount = root / "sys/fs/cgroup";
  std::optional<uint64_t> room;
  if (paths.v2) {
    room = Least(LeastRoom(mount, *paths.v2, kV2), LeastRoom(mount / "unified", *paths.v2, kV2));
  }
  if (paths.v1) room = Least(room, LeastRoom(mount / "memory", *paths.v1, kV1));
  return room;
}

std::optional<uint64_t> AddressSpaceRoom(const fs::path& root) {
  const auto limit = ParseAddressSpaceLimit(ReadSystemText(root / "proc/self/limits"));
  const auto pages = LeadingNumber(ReadSystemText(root / "proc/self/statm"));
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
  return {ParseMemAvailable(ReadSystemText(root / "proc/meminfo")), CgroupRoom(root),
          AddressSpaceRoom(root)};
}

}  // namespace tandem
