// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/log.h"

#include <fcntl.h>
#include <spdlog/sinks/ansicolor_sink.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>

#include "core/error.h"

namespace tandem::log {
namespace {

/// Longer messages than any of ours are cut: they carry a name out of a file, or an argument.
constexpr size_t kLongestMessage = 16384;

/// Between message and hint in what spdlog carries; Printable leaves no such character in either.
constexpr char kHintMark = '\n';

// In the order of Level.
constexpr spdlog::level::level_enum kSpdlogLevels[] = {spdlog::level::trace, spdlog::level::debug,
                                                       spdlog::level::info, spdlog::level::warn,
                                                       spdlog::level::err};

spdlog::level::level_enum ToSpdlog(Level level) { return kSpdlogLevels[static_cast<int>(level)]; }

Level FromSpdlog(spdlog::level::level_enum level) {
  const auto* at = std::find(std::begin(kSpdlogLevels), std::end(kSpdlogLevels), level);
  return at == std::end(kSpdlogLevels) ? Level::kError
                                       : static_cast<Level>(at - std::begin(kSpdlogLevels));
}

std::string IsoTime(spdlog::log_clock::time_point time) {
  using std::chrono::milliseconds;
  const auto since = std::chrono::duration_cast<milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(since / 1000);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     since % 1000);
}

/// A JSON string. `text` comes from Printable: UTF-8 without control characters.
std::string JsonString(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

class LineFormatter : public spdlog::formatter {
 public:
  enum class Style {
    kPeople,  ///< "error: ...", coloured where the sink does that.
    kTimed,
    kJson
  };
  explicit LineFormatter(Style style) : style_(style) {}

  void format(const spdlog::details::log_msg& msg, spdlog::memory_buf_t& target) override {
    const std::string_view payload(msg.payload.data(), msg.payload.size());
    const size_t mark = std::min(payload.find(kHintMark), payload.size());
    const std::string_view message = payload.substr(0, mark);
    const std::string_view hint = payload.substr(std::min(mark + 1, payload.size()));
    const std::string_view level = LevelName(FromSpdlog(msg.level));
    std::string line;
    if (style_ == Style::kPeople) {
      msg.color_range_start = 0;
      msg.color_range_end = level.size();
      line = fmt::format("{}: {}", level, message);
      if (!hint.empty()) line += fmt::format("\nhint: {}", hint);
    } else if (style_ == Style::kTimed) {
      line = fmt::format("{} {}: {}", IsoTime(msg.time), level, message);
      if (!hint.empty()) line += fmt::format(" (hint: {})", hint);
    } else {
      line = fmt::format("{{\"time\":\"{}\",\"level\":\"{}\",\"message\":{}", IsoTime(msg.time),
                         level, JsonString(message));
      if (!hint.empty()) line += fmt::format(",\"hint\":{}", JsonString(hint));
      line += '}';
    }
    line += '\n';
    target.append(line.data(), line.data() + line.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<LineFormatter>(style_);
  }

 private:
  Style style_;
};

// Whether a regular file starts like text; a slip of the name must not put a log into a model.
bool IsText(const std::filesystem::path& path) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return true;
  std::ifstream file(path, std::ios::binary);
  char start[512];
  file.read(start, sizeof start);
  return std::find(start, start + file.gcount(), '\0') == start + file.gcount();
}

/// Each line is one write at the end of the file, so that programs can share it. Says once when
/// that fails, as on a full disk, and goes on.
class FileSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(const std::filesystem::path& path) : name_(Printable(path.string(), 4096)) {
    // O_NONBLOCK: opening a pipe must not wait for a reader. Writing may.
    fd_ = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
    if (fd_ < 0) {
      throw Error(ErrorKind::kIo,
                  fmt::format("{}: cannot open the log file: {}", name_, std::strerror(errno)));
    }
    ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) & ~O_NONBLOCK);
    if (!IsText(path)) {
      ::close(fd_);
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("{}: no text file, so no log is added to it", name_),
                  "choose another name for the log");
    }
  }
  ~FileSink() override { ::close(fd_); }

 protected:
  void sink_it_(const spdlog::details::log_msg& msg) override {
    spdlog::memory_buf_t line;
    formatter_->format(msg, line);
    size_t done = 0;
    while (done < line.size()) {
      const ssize_t count = ::write(fd_, line.data() + done, line.size() - done);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      done += static_cast<size_t>(count);
    }
    if (done == line.size() || failed_) return;
    failed_ = true;
    // Not by a function that throws where stderr is a closed pipe.
    std::fprintf(stderr, "warning: %s: cannot write to the log file: %s\n", name_.c_str(),
                 std::strerror(errno));
  }
  void flush_() override {}

 private:
  std::string name_;
  int fd_ = -1;
  bool failed_ = false;
};

std::atomic<void (*)() noexcept> g_before_console = nullptr;

using Stderr = spdlog::sinks::ansicolor_stderr_sink_mt;

class ConsoleSink : public Stderr {
 public:
  using Stderr::Stderr;
  void log(const spdlog::details::log_msg& msg) override {
    if (auto* before = g_before_console.load()) before();
    Stderr::log(msg);
  }
};

spdlog::sink_ptr MakeConsole() {
  // https://no-color.org: colour only on a terminal, and only where NO_COLOR is unset or empty.
  const char* no_color = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::string_view(terminal) == "dumb";
  const bool colour =
      (no_color == nullptr || *no_color == '\0') && !dumb && ::isatty(STDERR_FILENO) != 0;
  auto sink = std::make_shared<ConsoleSink>(colour ? spdlog::color_mode::always
                                                   : spdlog::color_mode::never);
  sink->set_formatter(std::make_unique<LineFormatter>(LineFormatter::Style::kPeople));
  sink->set_level(spdlog::level::info);
  return sink;
}

/// Sinks: stderr first, then the log file if there is one.
spdlog::logger& Logger() {
  static const auto logger = [] {
    auto made = std::make_shared<spdlog::logger>("tandem", MakeConsole());
    made->set_level(spdlog::level::info);
    return made;
  }();
  return *logger;
}

/// What no sink wants is not even made.
void UpdateLevel() {
  auto lowest = spdlog::level::off;
  for (const auto& sink : Logger().sinks()) lowest = std::min(lowest, sink->level());
  Logger().set_level(lowest);
}

}  // namespace

std::string_view LevelName(Level level) {
  switch (level) {
    case Level::kDebug: return "debug";
    case Level::kEvent:
    case Level::kInfo: return "info";
    case Level::kWarning: return "warning";
    case Level::kError: return "error";
  }
  return "error";
}

std::optional<Level> LevelFromName(std::string_view name) {
  for (const Level level : {Level::kDebug, Level::kEvent, Level::kWarning, Level::kError}) {
    if (LevelName(level) == name) return level;
  }
  return std::nullopt;
}

void SetLevel(Level level) {
  Logger().sinks().front()->set_level(ToSpdlog(level));
  UpdateLevel();
}

Level StderrLevel() { return FromSpdlog(Logger().sinks().front()->level()); }

Level CurrentLevel() { return FromSpdlog(Logger().level()); }

void OpenFile(const std::filesystem::path& path, Level level) {
  auto sink = std::make_shared<FileSink>(path);
  sink->set_formatter(std::make_unique<LineFormatter>(LineFormatter::Style::kTimed));
  sink->set_level(ToSpdlog(level));
  auto& sinks = Logger().sinks();
  sinks.resize(1);
  sinks.push_back(std::move(sink));
  UpdateLevel();
}

void UseJson() {
  Logger().sinks().back()->set_formatter(
      std::make_unique<LineFormatter>(LineFormatter::Style::kJson));
}

void SetBeforeConsole(void (*before)() noexcept) { g_before_console = before; }

void Write(Level level, std::string_view line, std::string_view hint) {
  std::string payload = Printable(line, kLongestMessage);
  if (!hint.empty()) payload += kHintMark + Printable(hint, kLongestMessage);
  Logger().log(ToSpdlog(level), spdlog::string_view_t(payload.data(), payload.size()));
}

}  // namespace tandem::log
