// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Chats that the reference implementation had with fable in bf16, and how far an engine is from
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "tandem/engine.h"
#include "tandem/generation.h"

namespace tandem {

/// One chat of golden.json.
struct GoldenChat {
  std::string prompt;               ///< With turn markers, without BOS.
  std::vector<int32_t> prompt_ids;  ///< With BOS.
  std::vector<int32_t> reply_ids;   ///< Greedy, with the end token.
  std::string reply;
  /// For each token of the reply the eight largest logits before it, highest first, to 4 decimals.
  std::vector<std::vector<std::pair<int32_t, float>>> top;

  /// How far the reference's choice at `step` was ahead of its second.
  float Gap(size_t step) const { return top[step][0].second - top[step][1].second; }
  /// The smallest of all steps.
  float LeastGap() const;
};

/// Throws Error kNotFound, or what the JSON library throws for a file of another form.
std::vector<GoldenChat> ReadGoldenChats(const std::filesystem::path& path);

/// An engine's logits at every step of a chat, with the reference's reply in the context.
struct ForcedChat {
  std::vector<int32_t> choice;  ///< The highest logit's id at each step.
  std::vector<float> error;     ///< Largest difference among the reference's eight at each step.
};
ForcedChat ForceGoldenChat(Engine& engine, const GoldenChat& chat);

/// The engine's own greedy reply.
GenerationResult GreedyReply(Engine& engine, const GoldenChat& chat);

/// The folder with the full goldens and weights, from TANDEM_SHARED_MODELS or beside the clone;
/// nullopt when there is none.
std::optional<std::filesystem::path> SharedModels();
/// What a test that needs them says when it is skipped.
inline constexpr const char* kNoSharedModels =
    "no fable in bf16: neither TANDEM_SHARED_MODELS nor ../shared/models holds fable-e4b";

}  // namespace tandem
