// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/input.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>

#include "cli/output.h"
#include "core/error.h"

namespace tandem::cli {
namespace {

constexpr size_t kReadBytes = 64 * 1024;

std::string ReadAll(int fd, size_t limit, const std::string& what) {
  std::string text;
  while (true) {
    const size_t old_size = text.size();
    text.resize(old_size + kReadBytes);
    const ssize_t got = ::read(fd, text.data() + old_size, kReadBytes);
    const int error = errno;
    text.resize(old_size + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    if (got == 0) return text;
    if (got < 0 && error != EINTR) {
      throw Error(ErrorKind::kIo,
                  fmt::format("cannot read {}: {}", what, std::generic_category().message(error)));
    }
    if (text.size() > limit) {
      throw Error(
          ErrorKind::kInvalidArgument,
          fmt::format("{} holds more than {}, the most that is taken", what, HumanBytes(limit)));
    }
  }
}

bool IsSeparator(char c) { return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

}  // namespace

std::string ReadStdin(size_t limit) { return ReadAll(STDIN_FILENO, limit, "standard input"); }

std::string ReadTextFile(const std::filesystem::path& path, size_t limit) {
  const std::string name = Printable(path.string(), 200);
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    throw Error(ErrorKind::kIo,
                fmt::format("cannot open {}: {}", name, std::generic_category().message(errno)));
  }
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{fd};
  return ReadAll(fd, limit, name);
}

std::vector<int32_t> ParseIds(std::string_view text, std::string_view what) {
  std::vector<int32_t> ids;
  size_t i = 0;
  while (true) {
    size_t commas = 0;
    for (; i < text.size() && IsSeparator(text[i]); ++i) commas += text[i] == ',' ? 1 : 0;
    if (commas > 1 || (commas == 1 && (ids.empty() || i == text.size()))) {
      throw Error(ErrorKind::kInvalidArgument,
                  fmt::format("{}: an id is missing at a comma", what));
    }
    if (i == text.size()) break;
    size_t end = i;
    while (end < text.size() && !IsSeparator(text[end])) ++end;
    int32_t id = 0;
    const auto [stop, error] = std::from_chars(text.data() + i, text.data() + end, id);
    if (error != std::errc() || stop != text.data() + end || id < 0) {
      throw Error(
          ErrorKind::kInvalidArgument,
          fmt::format("{}: \"{}\" is not a token id", what, Printable(text.substr(i, end - i), 40)),
          "ids are whole numbers from 0, separated by commas: 2,5,509");
    }
    ids.push_back(id);
    i = end;
  }
  if (ids.empty()) throw Error(ErrorKind::kInvalidArgument, fmt::format("{}: no ids", what));
  return ids;
}

}  // namespace tandem::cli
