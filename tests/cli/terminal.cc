// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <stdexcept>

namespace tandem::test {
namespace {

/// Long enough for a sanitizer build on a busy machine; only a failure waits for it.
constexpr auto kPatience = std::chrono::seconds(60);

}  // namespace

Terminal::Terminal(const std::vector<std::string>& arguments,
                   const std::map<std::string, std::string>& environment) {
  winsize size{};
  size.ws_row = 40;
  size.ws_col = 200;
  child_ = ::forkpty(&fd_, nullptr, nullptr, &size);
  if (child_ < 0) throw std::runtime_error("no pseudo-terminal");
  if (child_ > 0) return;
  ::setenv("TERM", "xterm", 1);
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> argv = {const_cast<char*>(TANDEM_PROGRAM)};
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  ::execv(argv[0], argv.data());
  ::_exit(127);
}

Terminal::~Terminal() {
  if (child_ > 0) {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
  }
  ::close(fd_);
}

void Terminal::Type(std::string_view keys) {
  while (!keys.empty()) {
    const ssize_t sent = ::write(fd_, keys.data(), keys.size());
    if (sent <= 0) return;
    keys.remove_prefix(static_cast<size_t>(sent));
  }
}

bool Terminal::ReadMore(int timeout_ms) {
  pollfd source{fd_, POLLIN, 0};
  if (::poll(&source, 1, timeout_ms) <= 0) return true;
  char buffer[4096];
  const ssize_t got = ::read(fd_, buffer, sizeof(buffer));
  if (got <= 0) return false;  // EIO: the program has left
  screen_.append(buffer, static_cast<size_t>(got));
  return true;
}

std::string Terminal::WaitFor(std::string_view text) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    const size_t at = screen_.find(text);
    if (at != std::string::npos) {
      std::string taken = screen_.substr(0, at + text.size());
      screen_.erase(0, at + text.size());
      return taken;
    }
    if (std::chrono::steady_clock::now() > end || !ReadMore(100)) return {};
  }
}

std::string Terminal::Ask(const std::string& line) {
  Type(line + "\n");
  return WaitFor("\n> ");
}

int Terminal::Wait() {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (ReadMore(100) && std::chrono::steady_clock::now() < end) {
  }
  int status = 0;
  while (::waitpid(child_, &status, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > end) return -1000;
    ::usleep(10'000);
  }
  child_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

}  // namespace tandem::test
