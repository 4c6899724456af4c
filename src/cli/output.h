// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where the program writes: results to stdout, checked; progress to stderr, where somebody may be
// watching. One thread at a time. Both may be one terminal: a line of the log then begins at the
// start of a line, whatever was there.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include <chrono>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>

namespace tandem::cli {

/// The reader of our standard output went away.
struct BrokenPipe : std::exception {
  const char* what() const noexcept override { return "standard output was closed"; }
};

/// Writes to standard output, buffered. Throws BrokenPipe, or Error kIo.
void Print(std::string_view text);
/// Hands what was printed to the operating system. Throws as Print.
void FlushOutput();
/// Whether what was printed so far, and not followed by a line of the log on the same terminal,
/// ends in a newline. True at first.
bool AtLineStart();
/// Keeps lines of the log, and what Tell() says, apart from what stands in the last line of the
/// terminal. Call it once, at the start.
void KeepLinesApart();
/// The same for a signal handler: true when a line that is to be read must begin with a newline.
bool InsideLine() noexcept;
/// Says something on stderr, where that can be. Not a result: nobody has to be listening.
void Tell(std::string_view text) noexcept;
/// Prints `value` indented, with a newline. Bytes that are not UTF-8 become U+FFFD.
void PrintJson(const nlohmann::ordered_json& value);

bool StdinIsTerminal();
bool StdoutIsTerminal();
bool StderrIsTerminal();

/// `text` of a model, fit for this standard output: as it is for a file or a pipe, without control
/// characters (which could steer a terminal) otherwise.
std::string ForStdout(std::string_view text);

/// "16.1 MB", decimal as files are counted.
std::string HumanBytes(uint64_t bytes);
/// "15.1 M", for counts.
std::string HumanCount(uint64_t count);

/// One line on stderr that says how far something is. On a terminal it is rewritten in place and
/// vanishes at the end; elsewhere there is a line for every tenth, or none.
class ProgressLine {
 public:
  enum class Elsewhere {
    kSilent,
    kTenths
  };
  /// `quiet`: show nothing anywhere.
  ProgressLine(std::string label, Elsewhere elsewhere, bool quiet);
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  ~ProgressLine() { Clear(); }

  void Update(uint64_t done, uint64_t total, std::string_view detail = {});
  /// Takes the line off the terminal.
  void Clear() noexcept;

 private:
  void Show(std::string_view line);

  std::string label_;
  bool terminal_;
  bool tenths_;
  size_t shown_width_ = 0;
  int last_tenth_ = 0;
  std::chrono::steady_clock::time_point next_{};
};

}  // namespace tandem::cli
