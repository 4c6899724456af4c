// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Chats with known replies (tools/make_fable_prompts.py), and how many of them a model gets right.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tandem/engine.h"

namespace tandem {

struct FableTurn {
  std::string user;
  std::string reply;  ///< The only right one.
};

struct FablePrompt {
  std::string kind;  ///< "add", "memory", ...
  std::vector<FableTurn> turns;
};

/// Reads one chat per line. Throws Error kNotFound, kCorruptFile.
std::vector<FablePrompt> ReadFablePrompts(const std::filesystem::path& path);

/// The first `count` prompts of each kind (fewer where there are fewer), in the order of `prompts`.
std::vector<FablePrompt> FirstOfEachKind(std::span<const FablePrompt> prompts, int count);

/// Whether prompts of this kind count as tasks: all but "needle" and "memory", which have bars of
/// their own.
bool IsFableTask(const std::string& kind);

struct FableRate {
  int right = 0;
  int asked = 0;
  double Percent() const { return asked == 0 ? 0.0 : 100.0 * right / asked; }
};

struct FableResult {
  std::map<std::string, FableRate> kinds;
  /// One line for each wrong reply: kind, what was asked, what came, what is right.
  std::vector<std::string> misses;

  /// All kinds that are tasks together.
  FableRate Tasks() const;
  FableRate Kind(const std::string& kind) const;
};

/// Asks greedily in Gemma's chat format. A prompt is right when every turn's reply, trimmed, equals
/// the known one and ended by itself; later turns see the model's own earlier replies. `workers`
/// threads with an engine each.
FableResult EvaluateFable(const std::shared_ptr<const Model>& model,
                          std::span<const FablePrompt> prompts, int workers,
                          const EngineOptions& options = {});

}  // namespace tandem
