// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Small files of the kernel, under a root. Internal to this folder. Nothing throws for what is not
// there or may not be read.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::npu {

/// The first 64 KB of a file, without the newline at its end.
std::optional<std::string> ReadSmallFile(const std::filesystem::path& file);
/// The first line of a text file that has `word`, or "" where none has; nothing without the file.
std::optional<std::string> FindLine(const std::filesystem::path& file, std::string_view word);
/// A number as sysfs writes it, "0x17f0".
std::optional<unsigned long> ReadNumber(const std::filesystem::path& file);
/// Names in a folder, sorted; none where it cannot be read.
std::vector<std::string> NamesIn(const std::filesystem::path& folder);
/// The last part of where a link leads; empty without one.
std::string LinkName(const std::filesystem::path& link);
/// Whether a text has a word, between spaces.
bool HasWord(std::string_view text, std::string_view word);
/// Numbers between dots at the start of a text: "6.14.0-rc1" is 6, 14, 0.
std::vector<int> VersionOf(std::string_view text);

}  // namespace tandem::npu
