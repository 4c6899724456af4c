// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/line_editor.h"

#include <fcntl.h>
#include <histedit.h>
#include <langinfo.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include "cli/interrupt.h"
#include "cli/output.h"
#include "core/utf8.h"

namespace tandem::cli {
namespace {

constexpr int kHistoryEntries = 1000;
/// A longer history file was not written by us: it is left alone.
constexpr off_t kMaxHistoryBytes = 16 << 20;

/// The code point of one valid UTF-8 sequence.
wchar_t DecodeUtf8(const unsigned char* bytes, size_t length) {
  if (length == 1) return static_cast<wchar_t>(bytes[0]);
  uint32_t code = bytes[0] & (0x7fU >> length);
  for (size_t i = 1; i < length; ++i) code = (code << 6) | (bytes[i] & 0x3fU);
  return static_cast<wchar_t>(code);
}

/// libedit keeps text as wide characters and needs a UTF-8 locale to print them.
void UseUtf8Locale() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(::nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

/// Takes what signals left in their descriptor.
void DrainSignals() {
  char ignored[64];
  while (::read(SignalDescriptor(), ignored, sizeof(ignored)) > 0) {
  }
}

}  // namespace

struct LineEditor::Impl {
  std::filesystem::path history_file;
  std::string prompt;
  EditLine* editor = nullptr;
  History* history = nullptr;
  bool interrupted = false;

  static const char* Prompt(EditLine* editor) { return Of(editor)->prompt.c_str(); }
  static Impl* Of(EditLine* editor) {
    void* data = nullptr;
    el_get(editor, EL_CLIENTDATA, &data);
    return static_cast<Impl*>(data);
  }

  /// libedit's source of characters: 1 and a character, 0 at the end, -1 to give up the line.
  static int ReadCharacter(EditLine* editor, wchar_t* out) {
    return Of(editor)->NextCharacter(out);
  }

  int NextCharacter(wchar_t* out) {
    unsigned char bytes[4];
    size_t have = 0;
    while (true) {
      if (!WaitForInput()) return interrupted ? -1 : 0;
      const ssize_t got = ::read(STDIN_FILENO, bytes + have, 1);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return 0;
      ++have;
      const std::string_view text(reinterpret_cast<const char*>(bytes), have);
      if (have < Utf8AnnouncedLength(bytes[0])) continue;
      const size_t length = Utf8SequenceLength(text);
      *out = length == have ? DecodeUtf8(bytes, have) : L'\ufffd';
      return 1;
    }
  }

  /// False when the line is to be given up.
  bool WaitForInput() {
    while (true) {
      if (TerminationRequested()) return false;
      if (Interrupted()) {
        interrupted = true;
        return false;
      }
      pollfd sources[] = {{STDIN_FILENO, POLLIN, 0}, {SignalDescriptor(), POLLIN, 0}};
      if (::poll(sources, 2, -1) < 0 && errno != EINTR) return false;
      if ((sources[1].revents & POLLIN) != 0) {
        DrainSignals();
        if (!Interrupted()) Redraw();
        continue;
      }
      if (sources[0].revents != 0) return true;
    }
  }

  /// The window changed, or we were stopped and the shell had the terminal meanwhile.
  void Redraw() const {
    el_set(editor, EL_PREP_TERM, 1);
    el_resize(editor);
    el_set(editor, EL_REFRESH);
  }

  void LoadHistory() const {
    struct stat status {};
    if (history_file.empty() || ::stat(history_file.c_str(), &status) != 0) return;
    if (!S_ISREG(status.st_mode) || status.st_size > kMaxHistoryBytes) return;
    HistEvent event;
    ::history(history, &event, H_LOAD, history_file.c_str());
  }

  void SaveHistory() const {
    if (history_file.empty()) return;
    std::error_code ignored;
    std::filesystem::create_directories(history_file.parent_path(), ignored);
    const int fd = ::open(history_file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) return;
    ::fchmod(fd, 0600);
    std::FILE* file = ::fdopen(fd, "w");
    if (file == nullptr) {
      ::close(fd);
      return;
    }
    HistEvent event;
    ::history(history, &event, H_SAVE_FP, file);
    std::fclose(file);
  }
};

LineEditor::LineEditor(std::filesystem::path history_file) : impl_(std::make_unique<Impl>()) {
  UseUtf8Locale();
  impl_->history_file = std::move(history_file);
  // The editor's echo is no result: it goes to stderr when somebody can see it there.
  impl_->editor = el_init("tandem", stdin, StderrIsTerminal() ? stderr : stdout, stderr);
  impl_->history = history_init();
  if (impl_->editor == nullptr || impl_->history == nullptr) throw std::bad_alloc();
  HistEvent event;
  history(impl_->history, &event, H_SETSIZE, kHistoryEntries);
  history(impl_->history, &event, H_SETUNIQUE, 1);
  el_set(impl_->editor, EL_CLIENTDATA, static_cast<void*>(impl_.get()));
  el_set(impl_->editor, EL_SIGNAL, 0);
  el_set(impl_->editor, EL_PROMPT, &Impl::Prompt);
  el_set(impl_->editor, EL_EDITOR, "emacs");
  el_set(impl_->editor, EL_HIST, ::history, impl_->history);
  el_set(impl_->editor, EL_GETCFN, &Impl::ReadCharacter);
  el_set(impl_->editor, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  impl_->LoadHistory();
}

LineEditor::~LineEditor() {
  if (impl_->history != nullptr) history_end(impl_->history);
  if (impl_->editor != nullptr) el_end(impl_->editor);
}

LineEditor::Event LineEditor::Read(const std::string& prompt, std::string& line) {
  impl_->prompt = prompt;
  impl_->interrupted = false;
  // What came before concerned a reply or another line.
  DrainSignals();
  ClearInterrupt();
  // libedit would print the prompt first, and keys that follow it at once would be the terminal's.
  el_set(impl_->editor, EL_PREP_TERM, 1);
  int count = 0;
  const char* text = el_gets(impl_->editor, &count);
  if (impl_->interrupted) {
    ClearInterrupt();
    el_reset(impl_->editor);
    return Event::kInterrupted;
  }
  if (text == nullptr || count <= 0) return Event::kEnd;
  line.assign(text, static_cast<size_t>(count));
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
  return Event::kLine;
}

void LineEditor::Remember(const std::string& entry) {
  HistEvent event;
  history(impl_->history, &event, H_ENTER, entry.c_str());
  impl_->SaveHistory();
}

std::filesystem::path HistoryFile() {
  if (const char* file = std::getenv("TANDEM_HISTORY"); file != nullptr) return file;
  if (const char* state = std::getenv("XDG_STATE_HOME"); state != nullptr && *state == '/') {
    return std::filesystem::path(state) / "tandem/history";
  }
  if (const char* home = std::getenv("HOME"); home != nullptr && *home == '/') {
    return std::filesystem::path(home) / ".local/state/tandem/history";
  }
  return {};
}

}  // namespace tandem::cli
