// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Lines from a terminal, with editing and history (libedit). Ctrl-C and requests to terminate end a
// read. One per process, one thread at a time.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

namespace tandem::cli {

class LineEditor {
 public:
  enum class Event {
    kLine,
    kInterrupted,  ///< Ctrl-C: what was typed is forgotten.
    kEnd           ///< Ctrl-D on an empty line, or the terminal is gone.
  };

  /// Keeps its history in `history_file`, if that is not empty: made when needed, readable by the
  /// owner alone. A history that cannot be read or written is no error.
  explicit LineEditor(std::filesystem::path history_file);
  LineEditor(const LineEditor&) = delete;
  LineEditor& operator=(const LineEditor&) = delete;
  ~LineEditor();

  /// Reads a line without its newline into `line`.
  Event Read(const std::string& prompt, std::string& line);
  /// Puts `entry`, which may have several lines, into the history and its file.
  void Remember(const std::string& entry);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// $TANDEM_HISTORY, else tandem/history below $XDG_STATE_HOME or ~/.local/state. Empty, for no
/// history, when TANDEM_HISTORY is set to nothing or there is no home.
std::filesystem::path HistoryFile();

}  // namespace tandem::cli
