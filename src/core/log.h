// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Diagnostics on stderr, through spdlog. Results never go here. Thread-safe.
#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace tandem::log {

enum class Level {
  kDebug,
  kInfo,
  kWarning,
  kError
};

/// Lowest level that is printed; kInfo at start.
void SetLevel(Level level);
Level CurrentLevel();

/// Prints one line. Prefer the typed functions below.
void Write(Level level, std::string_view line);

template <typename... Args>
void Debug(fmt::format_string<Args...> format, Args&&... args) {
  if (CurrentLevel() <= Level::kDebug) {
    Write(Level::kDebug, fmt::format(format, std::forward<Args>(args)...));
  }
}
template <typename... Args>
void Info(fmt::format_string<Args...> format, Args&&... args) {
  Write(Level::kInfo, fmt::format(format, std::forward<Args>(args)...));
}
template <typename... Args>
void Warning(fmt::format_string<Args...> format, Args&&... args) {
  Write(Level::kWarning, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tandem::log
