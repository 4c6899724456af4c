// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// How likely a model finds a text: log-probability per token, perplexity, raw logits.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "tandem/engine.h"

namespace tandem {

struct ScoreOptions {
  int top = 0;  ///< Report this many likeliest continuations after each token.
  /// Write all logits as float32 [tokens, vocab_rows] in NumPy format: soft-capped, nothing masked.
  std::optional<std::filesystem::path> logits_file;
};

struct TokenScore {
  int32_t token = 0;
  /// Natural logarithm of its probability after the tokens before it; nothing for the first token
  /// of a window.
  std::optional<double> log_probability;
  /// Likeliest tokens after it, with log-probabilities, highest first.
  std::vector<std::pair<int32_t, double>> top;
};

struct ScoreResult {
  std::vector<TokenScore> tokens;
  int64_t scored = 0;  ///< Tokens that have a log-probability.
  double total_log_probability = 0;
  double seconds = 0;
  int64_t windows = 1;
  /// exp(-total / scored), 1 when nothing was scored.
  double Perplexity() const;
};

/// Scores `ids` as they are, no BOS added. More ids than the session's context are cut into windows
/// of that length, each scored from its own start (with `window_start` in front of the later ones
/// when given, which is not scored and has no row in the logits). Resets the session first. Throws
/// Error kInvalidArgument (empty, id outside the vocabulary), kIo, kCancelled.
ScoreResult Score(Session& session, std::span<const int32_t> ids, const ScoreOptions& options,
                  std::optional<int32_t> window_start = {}, const CancelCheck& cancelled = {},
                  const StepProgress& progress = {});

}  // namespace tandem
