// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The program on a pseudo-terminal: a person's half of a conversation.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::test {

class Terminal {
 public:
  /// Starts tandem with these arguments and additions to the environment.
  Terminal(const std::vector<std::string>& arguments,
           const std::map<std::string, std::string>& environment);
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;
  ~Terminal();

  void Type(std::string_view keys);
  /// What the screen got since the last call, up to and with `text`. Empty when it does not come
  /// within a minute: screen() then tells what did.
  std::string WaitFor(std::string_view text);
  /// Types `line` and Return; what came from then until the next prompt.
  std::string Ask(const std::string& line);
  /// The exit code, after the program ended by itself; minus the signal that ended it.
  int Wait();
  /// Everything so far that no WaitFor has taken.
  const std::string& screen() const { return screen_; }

 private:
  bool ReadMore(int timeout_ms);

  int fd_ = -1;
  pid_t child_ = -1;
  std::string screen_;
};

}  // namespace tandem::test
