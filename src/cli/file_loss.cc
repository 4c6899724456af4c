// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/file_loss.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstring>

#include "cli/exit_code.h"
#include "cli/output.h"
#include "core/atomic_file.h"
#include "core/mapped_file.h"

namespace tandem::cli {
namespace {

std::atomic_flag g_ending;

/// A line that fits the stack, of texts whose control characters cannot steer a terminal.
class Line {
 public:
  void Add(const char* text) {
    for (; *text != '\0' && size_ < sizeof text_ - 1; ++text) {
      const auto byte = static_cast<unsigned char>(*text);
      text_[size_++] = byte < 0x20 || byte == 0x7f ? '?' : *text;
    }
  }
  void End() { text_[size_++] = '\n'; }
  void Send() const { [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, text_, size_); }

 private:
  char text_[4096];
  size_t size_ = 0;
};

/// Only what is safe inside a signal handler.
void OnBusError(int, siginfo_t* info, void*) {
  const bool sent = info->si_code <= 0;  // by a process, not by a page that is not there
  const char* name = sent ? nullptr : MappedFileAt(info->si_addr);
  if (name == nullptr) {
    // What faulted faults again.
    std::signal(SIGBUS, SIG_DFL);
    if (sent) ::raise(SIGBUS);
    return;
  }
  // Threads that read the same file: the first one speaks.
  while (g_ending.test_and_set()) ::pause();
  Line line;
  if (InsideLine()) line.End();
  line.Add("error: ");
  line.Add(name);
  line.Add(": ");
  line.Add(kCutWhileInUse);
  line.End();
  line.Add(
      "hint: to replace a model that is in use, write a new file and rename it over the old one");
  line.End();
  RemoveTemporaryFiles();
  line.Send();
  ::_exit(kExitIo);
}

}  // namespace

void InstallFileLossHandler() {
  struct sigaction action {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO;
  ::sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace tandem::cli
