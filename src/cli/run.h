// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What `tandem run` was asked for, shared by its one-shot and its interactive half.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/options.h"
#include "tandem/engine.h"
#include "tandem/generation.h"

namespace tandem::cli {

struct RunSettings {
  OutputOptions output;
  ModelOptions model;
  std::optional<std::string> prompt;
  std::string system;
  std::string session_file;  ///< Empty for none.
  bool raw = false;
  bool stats = false;
};

/// A new session, filled from the session file where there is one.
std::unique_ptr<Session> OpenSession(Engine& engine, const RunSettings& settings);

/// "stats: ..." about a reply made with `options`, on stderr.
void PrintStats(const GenerationResult& result, const Engine& engine,
                const GenerationOptions& options);

/// The commands of the chat, a line each.
std::string_view ChatHelp();

/// The interactive chat (chat.cc). Returns the exit code.
int Chat(Engine& engine, const RunSettings& settings, const GenerationOptions& options);

}  // namespace tandem::cli
