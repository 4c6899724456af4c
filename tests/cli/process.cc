// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/process.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace tandem::test {
namespace {

/// Files instead of pipes: no output is too long for them, and nothing has to be read in turn.
Finished Run(const std::vector<std::string>& arguments, std::string_view input) {
  const TemporaryFolder folder;
  WriteFile(folder / "in", input);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("cannot fork");
  if (child == 0) {
    const bool ready = std::freopen((folder / "in").c_str(), "r", stdin) != nullptr &&
                       std::freopen((folder / "out").c_str(), "w", stdout) != nullptr &&
                       std::freopen((folder / "err").c_str(), "w", stderr) != nullptr;
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    ::setenv("TANDEM", TANDEM_PROGRAM, 1);
    if (ready) ::execv(argv[0], argv.data());
    ::_exit(127);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child) throw std::runtime_error("cannot wait");
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status), ReadFile(folder / "out"),
          ReadFile(folder / "err")};
}

}  // namespace

Finished Tandem(const std::vector<std::string>& arguments, std::string_view input) {
  std::vector<std::string> all = {TANDEM_PROGRAM};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return Run(all, input);
}

Finished Shell(const std::string& command, std::string_view input) {
  return Run({"/bin/bash", "-c", command}, input);
}

TemporaryFolder::TemporaryFolder() {
  std::string name = (std::filesystem::temp_directory_path() / "tandem-cli-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a folder");
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string ReadFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

void WriteFile(const std::filesystem::path& path, std::string_view content) {
  std::ofstream(path, std::ios::binary) << content;
}

std::vector<std::string> Lines(std::string_view text) {
  std::istringstream stream{std::string(text)};
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace tandem::test
