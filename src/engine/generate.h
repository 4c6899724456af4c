// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Text generation on a session: prompt in, tokens sampled until something ends the reply.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine.h"
#include "engine/sampler.h"

namespace tandem {

struct GenerationOptions {
  SamplingOptions sampling;
  int64_t max_tokens = -1;           ///< -1 = until the context is full.
  std::vector<std::string> stop;     ///< The reply ends before the first one complete; none empty.
  std::vector<int32_t> stop_tokens;  ///< Besides the model's own end tokens.
};

enum class EndReason {
  kEndOfTurn,  ///< An end token of the model, or one of stop_tokens.
  kStopString,
  kMaxTokens,
  kContextFull,  ///< No room for another token.
  kCancelled,
};
/// "end_of_turn", "stop_string", "max_tokens", "context_full", "cancelled".
std::string_view EndReasonName(EndReason reason);

struct GenerationResult {
  std::string text;             ///< Without end tokens and stop strings. Empty without a tokenizer.
  std::vector<int32_t> tokens;  ///< Sampled, without the end token.
  EndReason reason = EndReason::kEndOfTurn;
  int64_t prompt_tokens = 0;
  double time_to_first_token_s = 0;  ///< From the call to the first sampled token.
  double decode_s = 0;               ///< From the first token to the last.
  /// Tokens after the first per second of decode_s; 0 when there are none.
  double DecodeTokensPerSecond() const;
  /// Prompt tokens per second until the first token.
  double PromptTokensPerSecond() const;
};

/// Gets the reply in pieces, each whole UTF-8 characters that no stop string can take back.
using TextSink = std::function<void(std::string_view text)>;

/// Appends `prompt` to the session and samples a reply. All sampled tokens but the end token become
/// part of the session, so a next turn can follow. Throws Error: kInvalidArgument (options, empty
/// prompt), kResource (the prompt does not fit the context: says both lengths). Cancelling is not
/// an error: the reply so far is returned.
GenerationResult Generate(Session& session, std::span<const int32_t> prompt,
                          const GenerationOptions& options, const TextSink& sink = {},
                          const CancelCheck& cancelled = {}, const StepProgress& progress = {});

/// Generation options with the model's own sampling defaults.
GenerationOptions DefaultGenerationOptions(const Model& model);

}  // namespace tandem
