// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs the program as a user does: arguments in, exit code and both outputs out.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace tandem::test {

struct Finished {
  int code = -1;    ///< Exit code, or minus the signal that ended it.
  std::string out;  ///< Standard output.
  std::string err;  ///< Standard error.
};

/// Runs tandem with `input` as its standard input.
Finished Tandem(const std::vector<std::string>& arguments, std::string_view input = {});

/// Runs a shell command; TANDEM in its environment is the program.
Finished Shell(const std::string& command, std::string_view input = {});

/// A new folder that goes away with the object.
class TemporaryFolder {
 public:
  TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();

  const std::filesystem::path& path() const { return path_; }
  std::string operator/(std::string_view name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

std::string ReadFile(const std::filesystem::path& path);
void WriteFile(const std::filesystem::path& path, std::string_view content);
std::vector<std::string> Lines(std::string_view text);

}  // namespace tandem::test
