// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What `tandem run` was asked for, shared by its one-shot and its interactive half.
#pragma once

#include <optional>
#include <string>

#include "cli/options.h"
#include "engine/engine.h"
#include "engine/generate.h"

namespace tandem::cli {

struct RunSettings {
  OutputOptions output;
  ModelOptions model;
  std::optional<std::string> prompt;
  std::string system;
  bool raw = false;
  bool stats = false;
};

/// "stats: ..." about a reply, on stderr.
void PrintStats(const GenerationResult& result, const Engine& engine, uint64_t seed);

/// The interactive chat (chat.cc). Returns the exit code.
int Chat(Engine& engine, const RunSettings& settings, const GenerationOptions& options);

}  // namespace tandem::cli
