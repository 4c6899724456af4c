// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "core/file_status.h"

#include <fmt/format.h>

#include <system_error>

#include "core/error.h"

namespace tandem {
namespace {

namespace fs = std::filesystem;

// The standard library reports a file that is not there as an error too, with a type of its own.
void Check(const fs::path& path, const fs::file_status& status, const std::error_code& error) {
  if (status.type() != fs::file_type::none) return;
  throw Error(ErrorKind::kIo, fmt::format("{}: cannot look it up: {}",
                                          Printable(path.string(), 4096), error.message()));
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

}  // namespace tandem
