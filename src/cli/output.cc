// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "core/error.h"
#include "core/log.h"
#include "core/utf8.h"

namespace tandem::cli {
namespace {

constexpr auto kRedrawInterval = std::chrono::milliseconds(100);
/// Whether the last that was printed to stdout is no newline; read by signal handlers too.
std::atomic<bool> g_inside_line = false;
/// Where one terminal shows stdout and stderr, they share a line.
bool g_one_terminal = false;
/// The progress line that is shown now.
ProgressLine* g_progress = nullptr;

void BeforeOthersWrite() noexcept {
  if (g_progress != nullptr) g_progress->Clear();
  if (!InsideLine()) return;
  std::fflush(stdout);
  std::fputc('\n', stderr);
  g_inside_line = false;
}

void WriteToStderr(std::string_view text) noexcept {
  // What cannot be written, as to a pipe that was closed, changes nothing in what is being done.
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

/// Progress lines stay below this, so that they never wrap: a wrapped line cannot be rewritten.
constexpr size_t kProgressWidth = 78;

[[noreturn]] void ThrowOutputError(int error) {
  std::clearerr(stdout);
  if (error == EPIPE) throw BrokenPipe();
  throw Error(ErrorKind::kIo, fmt::format("cannot write to standard output: {}",
                                          std::generic_category().message(error)));
}

std::string HumanNumber(double value, std::string_view base_unit, bool decimal_base) {
  static constexpr std::string_view kPrefixes[] = {"", "k", "M", "G", "T"};
  size_t prefix = 0;
  while (value >= 999.5 && prefix + 1 < std::size(kPrefixes)) {
    value /= 1000;
    ++prefix;
  }
  const int decimals = (prefix == 0 && !decimal_base) || value >= 99.95 ? 0
                       : value >= 9.995                                 ? 1
                                                                        : 2;
  const std::string unit = fmt::format("{}{}", kPrefixes[prefix], base_unit);
  return fmt::format("{:.{}f}{}{}", value, decimals, unit.empty() ? "" : " ", unit);
}

}  // namespace

void Print(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) ThrowOutputError(errno);
  if (!text.empty()) g_inside_line = text.back() != '\n';
}

bool AtLineStart() { return !g_inside_line; }

bool InsideLine() noexcept { return g_one_terminal && g_inside_line; }

void KeepLinesApart() {
  g_one_terminal = StdoutIsTerminal() && StderrIsTerminal();
  log::SetBeforeConsole(BeforeOthersWrite);
}

void Tell(std::string_view text) noexcept {
  BeforeOthersWrite();
  WriteToStderr(text);
}

void FlushOutput() {
  errno = 0;
  if (std::fflush(stdout) != 0) ThrowOutputError(errno);
}

void PrintJson(const nlohmann::ordered_json& value) {
  Print(value.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  Print("\n");
}

bool StdinIsTerminal() { return ::isatty(STDIN_FILENO) == 1; }
bool StdoutIsTerminal() { return ::isatty(STDOUT_FILENO) == 1; }
bool StderrIsTerminal() { return ::isatty(STDERR_FILENO) == 1; }

std::string ForStdout(std::string_view text) {
  static const bool terminal = StdoutIsTerminal();
  if (!terminal) return std::string(text);
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t length = std::max<size_t>(Utf8SequenceLength(text.substr(i)), 1);
    const auto first = static_cast<unsigned char>(text[i]);
    // C0 without newline and tab, DEL, and C1 (U+0080 to U+009F, C2 80 to C2 9F in UTF-8).
    const bool c0 =
        length == 1 && (first < 0x20 || first == 0x7f) && first != '\n' && first != '\t';
    const bool c1 = length == 2 && first == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0;
    if (c0 || c1) {
      out += "\xef\xbf\xbd";
    } else {
      out += text.substr(i, length);
    }
    i += length;
  }
  return out;
}

std::string HumanBytes(uint64_t bytes) {
  return HumanNumber(static_cast<double>(bytes), "B", false);
}
std::string HumanCount(uint64_t count) {
  return HumanNumber(static_cast<double>(count), "", false);
}

ProgressLine::ProgressLine(std::string label, Elsewhere elsewhere, bool quiet)
    : label_(std::move(label)),
      terminal_(!quiet && StderrIsTerminal()),
      tenths_(!quiet && !terminal_ && elsewhere == Elsewhere::kTenths) {}

void ProgressLine::Update(uint64_t done, uint64_t total, std::string_view detail) {
  if ((!terminal_ && !tenths_) || total == 0) return;
  const double share = std::min(1.0, static_cast<double>(done) / static_cast<double>(total));
  if (tenths_) {
    const int tenth = static_cast<int>(share * 10);
    if (tenth > last_tenth_) Tell(fmt::format("{} {}%\n", label_, tenth * 10));
    last_tenth_ = std::max(tenth, last_tenth_);
    return;
  }
  const auto now = std::chrono::steady_clock::now();
  if (now < next_ && done < total) return;
  next_ = now + kRedrawInterval;
  Show(fmt::format("{} {:3.0f}% {}", label_, share * 100, detail));
}

void ProgressLine::Show(std::string_view line) {
  const std::string text = Printable(line, kProgressWidth - 3);
  // Blanks instead of an erase sequence: they work on every terminal.
  const size_t blanks = shown_width_ > text.size() ? shown_width_ - text.size() : 0;
  WriteToStderr(fmt::format("\r{}{:{}}", text, "", blanks));
  shown_width_ = text.size();
  g_progress = this;
}

void ProgressLine::Clear() noexcept {
  if (shown_width_ == 0) return;
  char line[kProgressWidth + 3];
  const size_t width = std::min(shown_width_, kProgressWidth);
  std::memset(line, ' ', width + 2);
  line[0] = line[width + 1] = '\r';
  WriteToStderr({line, width + 2});
  shown_width_ = 0;
  g_progress = nullptr;
}

}  // namespace tandem::cli
