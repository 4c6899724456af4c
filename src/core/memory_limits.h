// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How much memory this process may still take, as Linux tells it. Reads files each time;
// thread-safe.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace tandem {

/// Bytes. Absent where there is no such limit, or nothing that says it.
struct MemoryLimits {
  /// What the machine can give without swapping, caches it may drop included.
  std::optional<uint64_t> available;
  /// The least room that the control group of the process and those above it leave.
  std::optional<uint64_t> cgroup;
  /// Address space up to the limit of the process (RLIMIT_AS).
  std::optional<uint64_t> address_space;
};

/// `root` holds proc/ and sys/.
MemoryLimits ReadMemoryLimits(const std::filesystem::path& root = "/");

/// MemAvailable of /proc/meminfo.
std::optional<uint64_t> ParseMemAvailable(std::string_view meminfo);

/// The number in a file of a control group; nullopt for "max", for what version 1 writes instead,
/// and for anything that is no number.
std::optional<uint64_t> ParseCgroupBytes(std::string_view text);
/// The sum of the values of `first` and `second` in a file of "name value" lines.
uint64_t SumOfStats(std::string_view stat, std::string_view first, std::string_view second);

/// The soft limit of the address space in /proc/self/limits.
std::optional<uint64_t> ParseAddressSpaceLimit(std::string_view limits);

}  // namespace tandem
