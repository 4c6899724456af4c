// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Text generation on a session: prompt in, tokens sampled until something ends the reply.
//
// Thread-safety: that of the session. Callbacks run on the calling thread and must not use the
// session; what they throw ends the call and comes out as it is.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tandem/export.h"
#include "tandem/session.h"

namespace tandem {

/// How the next token is chosen. Deterministic: the same seed, options, history and logits give the
/// same token on every machine.
struct SamplingOptions {
  double temperature = 1.0;     ///< 0 = greedy: the highest logit, lowest id among equals.
  int top_k = 64;               ///< Keep the k likeliest; 0 = all.
  double top_p = 0.95;          ///< Keep the likeliest until they sum to p; 1 = all.
  double min_p = 0.0;           ///< Drop those below min_p times the likeliest.
  double repeat_penalty = 1.0;  ///< Divides positive, multiplies negative logits of recent tokens.
  double frequency_penalty = 0.0;  ///< Subtracted per occurrence among recent tokens.
  double presence_penalty = 0.0;   ///< Subtracted once for each recent token.
  int penalty_window = 64;         ///< How many last tokens count as recent; 0 = none, -1 = all.
  std::vector<std::pair<int32_t, double>> logit_bias;  ///< Added to logits of ids.
  uint64_t seed = 0;  ///< The same seed draws the same: change it for another reply.
};

/// Throws Error kInvalidArgument naming the first value out of range (NaN included).
TANDEM_API void Validate(const SamplingOptions& options);

/// Where drafts come from: tokens that are run ahead, several in one step, before it is known
/// whether they come. Where they come true a reply takes fewer steps.
enum class Draft {
  kNone,
  /// What followed when the last tokens came earlier in the session: pays in replies that repeat
  /// much of the prompt or of themselves. Every token is sampled from its own logits all the same,
  /// so a reply stays what it is, for every seed.
  kLookup,
  /// What EngineOptions::draft_model says. Greedy replies stay what they are. Sampled ones are
  /// drawn from the same distribution by a rule that keeps as many drafted tokens as there can be:
  /// the text of a seed is another than without, or with another draft model or draft_tokens, but
  /// the same each time.
  kModel,
};

/// Most tokens that may be drafted at once: with the one before them they make one step.
inline constexpr int kMaxDraftTokens = 14;

struct GenerationOptions {
  SamplingOptions sampling;
  int64_t max_tokens = -1;           ///< -1 = until the context is full.
  std::vector<std::string> stop;     ///< The reply ends before the first one complete; none empty.
  std::vector<int32_t> stop_tokens;  ///< Besides the model's own end tokens.
  Draft draft = Draft::kNone;
  int draft_tokens = 7;  ///< Most tokens of a draft, 1 to kMaxDraftTokens; fewer where less pays.
  /// Drafts are as long as pays, by what came true so far and the sizes of the models, never by the
  /// clock; false: as long as they may be.
  bool draft_adapt = true;
};

/// Generation options with the model's own sampling defaults.
TANDEM_API GenerationOptions DefaultGenerationOptions(const Model& model);

/// What a caller may want to hear, and say, while a reply is made. Any of them may be empty.
struct GenerationCallbacks {
  /// Gets the reply in pieces, each whole UTF-8 characters that no stop string can take back.
  std::function<void(std::string_view text)> text = nullptr;
  /// Asked between steps; true ends the reply (EndReason::kCancelled). May look at what another
  /// thread or a signal handler sets.
  CancelCheck cancelled = nullptr;
  /// Prompt tokens done and in all, after each step.
  StepProgress progress = nullptr;
};

enum class EndReason {
  kEndOfTurn,  ///< An end token of the model, or one of stop_tokens.
  kStopString,
  kMaxTokens,
  kContextFull,  ///< No room for another token.
  kCancelled,
};
/// "end_of_turn", "stop_string", "max_tokens", "context_full", "cancelled".
TANDEM_API std::string_view EndReasonName(EndReason reason) noexcept;

struct GenerationResult {
  std::string text;             ///< Without end tokens and stop strings. Empty without a tokenizer.
  std::vector<int32_t> tokens;  ///< Sampled, without the end token.
  EndReason reason = EndReason::kEndOfTurn;
  int64_t prompt_tokens = 0;
  double time_to_first_token_s = 0;  ///< From the call to the first sampled token.
  double decode_s = 0;               ///< From the first token to the last.
  int64_t drafted = 0;               ///< Tokens run ahead.
  int64_t accepted = 0;              ///< Of these, those that came and so needed no step of theirs.
  int64_t steps = 0;                 ///< Steps of the model after the prompt.
  double draft_s = 0;                ///< Of decode_s, what drafting took.
  /// Tokens after the first per second of decode_s; 0 when there are none.
  TANDEM_API double DecodeTokensPerSecond() const noexcept;
  /// Of the tokens run ahead, the share that came; 0 when there are none.
  double AcceptanceRate() const noexcept {
    return drafted > 0 ? static_cast<double>(accepted) / static_cast<double>(drafted) : 0;
  }
  /// Prompt tokens per second until the first token.
  TANDEM_API double PromptTokensPerSecond() const noexcept;
};

/// Appends `prompt` to the session and samples a reply. All sampled tokens but the end token become
/// part of the session, so a next turn can follow. Throws Error: kInvalidArgument (options, empty
/// prompt, Draft::kModel without a draft model), kResource (the prompt does not fit the context:
/// says both lengths). Cancelling is not an error: the reply so far is returned.
TANDEM_API GenerationResult Generate(Session& session, std::span<const int32_t> prompt,
                                     const GenerationOptions& options,
                                     const GenerationCallbacks& callbacks = {});

/// Tokens that put `message` to the model as the next user turn of the session; the first turn of
/// all opens the conversation, with the `system` text. Throws Error kUnsupported unless
/// model().can_chat().
TANDEM_API std::vector<int32_t> TokenizeTurn(const Session& session, std::string_view message,
                                             std::string_view system = {});

/// One turn of a chat: TokenizeTurn (so `system` counts in the first turn only), Generate, and
/// Session::MarkTurn. A turn that ends in an error, or is cancelled before the reply begins, leaves
/// the session as it was. Throws Error as those do.
TANDEM_API GenerationResult Reply(Session& session, std::string_view message,
                                  const GenerationOptions& options,
                                  const GenerationCallbacks& callbacks = {},
                                  std::string_view system = {});

}  // namespace tandem
