// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Diagnostics, through spdlog: to stderr for whoever sits there, and to a log file where one was
// asked for. Results never go here, nor does the text of prompts and replies. Thread-safe, but for
// the functions that set something up: call those before threads start.
#pragma once

#include <fmt/format.h>

#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

namespace tandem::log {

enum class Level {
  kDebug,
  kEvent,  ///< For operators: "info" by name, on stderr only when info was asked for.
  kInfo,   ///< For users.
  kWarning,
  kError
};

/// "debug", "info", "warning", "error".
std::string_view LevelName(Level level);
/// The lowest level that somebody who asks for `name` gets: kEvent for "info".
std::optional<Level> LevelFromName(std::string_view name);

/// Lowest level on stderr; kInfo at start.
void SetLevel(Level level);
Level StderrLevel();
/// Lowest level that goes anywhere.
Level CurrentLevel();

/// Appends to `path` from now on, whatever stderr gets, everything from `level` on: one line each
/// with its time. Throws Error kIo when it cannot be opened for writing.
void OpenFile(const std::filesystem::path& path, Level level);
/// Makes lines JSON objects: "time" (ISO 8601, UTC, milliseconds), "level", "message", and "hint"
/// where there is one. Of the log file if there is one, else of stderr.
void UseJson();

/// Calls `before` ahead of every line on stderr, for whoever draws on the same terminal; null for
/// nobody. It runs on the thread that logs and must not log.
void SetBeforeConsole(void (*before)() noexcept);

/// Writes one line: control characters and invalid UTF-8 become \xNN. A hint, what to do about it,
/// gets a line of its own on stderr. Prefer the typed functions below.
void Write(Level level, std::string_view line, std::string_view hint = {});

/// A line that cannot be written, for want of memory say, is dropped: what is logged about goes on.
template <typename... Args>
void Format(Level level, fmt::format_string<Args...> format, Args&&... args) noexcept {
  try {
    if (level >= CurrentLevel()) Write(level, fmt::format(format, std::forward<Args>(args)...));
  } catch (...) {
  }
}

template <typename... Args>
void Debug(fmt::format_string<Args...> format, Args&&... args) noexcept {
  Format(Level::kDebug, format, std::forward<Args>(args)...);
}
template <typename... Args>
void Event(fmt::format_string<Args...> format, Args&&... args) noexcept {
  Format(Level::kEvent, format, std::forward<Args>(args)...);
}
template <typename... Args>
void Info(fmt::format_string<Args...> format, Args&&... args) noexcept {
  Format(Level::kInfo, format, std::forward<Args>(args)...);
}
template <typename... Args>
void Warning(fmt::format_string<Args...> format, Args&&... args) noexcept {
  Format(Level::kWarning, format, std::forward<Args>(args)...);
}

}  // namespace tandem::log
