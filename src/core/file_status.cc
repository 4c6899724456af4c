// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/file_status.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>
#include <string_view>
#include <system_error>

#include "core/error.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void ThrowIo(const fs::path& path, const char* action, const std::error_code& error) {
  throw Error(ErrorKind::kIo, fmt::format("{}: cannot {}: {}", Printable(path.string(), 4096),
                                          action, error.message()));
}

struct CloseFolder {
  void operator()(DIR* folder) const { ::closedir(folder); }
};

// The standard library reports a file that is not there as an error too, with a type of its own.
void Check(const fs::path& path, const fs::file_status& status, const std::error_code& error) {
  if (status.type() == fs::file_type::none) ThrowIo(path, "look it up", error);
}

}  // namespace

fs::file_status FileStatus(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  Check(path, status, error);
  return status;
}

fs::file_status LinkStatus(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::symlink_status(path, error);
  Check(path, status, error);
  return status;
}

bool Exists(const fs::path& path) { return fs::exists(FileStatus(path)); }
bool IsFolder(const fs::path& path) { return fs::is_directory(FileStatus(path)); }

bool IsSameFile(const fs::path& a, const fs::path& b) {
  struct stat first {};
  struct stat second {};
  const auto is_there = [](const fs::path& path, struct stat& status) {
    if (::stat(path.c_str(), &status) == 0) return true;
    if (errno == ENOENT || errno == ENOTDIR) return false;
    ThrowIo(path, "look it up", {errno, std::generic_category()});
  };
  return is_there(a, first) && is_there(b, second) && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

fs::path WithoutSlash(const fs::path& path) {
  return path.has_filename() || !path.has_relative_path() ? path : path.parent_path();
}

// Not by directory_iterator, which ends the program when memory is short (libstdc++ 12).
std::vector<fs::path> ListFolder(const fs::path& path) {
  const std::unique_ptr<DIR, CloseFolder> folder(::opendir(path.c_str()));
  if (!folder) ThrowIo(path, "list it", {errno, std::generic_category()});
  std::vector<fs::path> paths;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(folder.get());
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") paths.push_back(path / name);
  }
  if (errno != 0) ThrowIo(path, "list it", {errno, std::generic_category()});
  return paths;
}

}  // namespace tandem
