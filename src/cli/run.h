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
#include "engine/engine.h"
#include "engine/generate.h"

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

/// Tokens of the next user turn: the first one opens the conversation, with the system text.
std::vector<int32_t> NextPrompt(const Session& session, const std::string& system,
                                const std::string& text);

/// "stats: ..." about a reply, on stderr.
void PrintStats(const GenerationResult& result, const Engine& engine, uint64_t seed);

/// The commands of the chat, a line each.
std::string_view ChatHelp();

/// The interactive chat (chat.cc). Returns the exit code.
int Chat(Engine& engine, const RunSettings& settings, const GenerationOptions& options);

}  // namespace tandem::cli
