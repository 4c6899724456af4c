// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Shared by the tests of drafts: all that can be seen of a reply, and replies that can be foreseen.
#pragma once

#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "engine/engine_test_util.h"
#include "support/temporary_folder.h"
#include "tandem/generation.h"

namespace tandem {

inline Ids Joined(Ids a, std::span<const int32_t> b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

/// All that a caller can see of a reply but the time it took.
struct Seen {
  GenerationResult result;
  std::vector<std::string> pieces;  ///< As the text callback got them.
  int questions = 0;                ///< Calls of the cancel callback.
  bool threw = false;               ///< The text callback, out of Generate.
  Ids tokens;                       ///< Of the session afterwards.
  int64_t rows = 0;                 ///< That its next step ran: one token and the deferred ones.
  Floats logits;                    ///< Of that step.
};

/// When callbacks act up: at the n-th call, -1 for never.
struct Trouble {
  int cancel_at = -1;
  int throw_at = -1;
};

inline Seen Watch(Session& session, const Ids& prompt, const GenerationOptions& options,
                  const Trouble& trouble = {}) {
  Seen seen;
  const auto text = [&](std::string_view piece) {
    if (static_cast<int>(seen.pieces.size()) == trouble.throw_at) throw std::runtime_error("full");
    seen.pieces.emplace_back(piece);
  };
  const auto cancelled = [&] { return seen.questions++ == trouble.cancel_at; };
  try {
    seen.result = Generate(session, prompt, options, {text, cancelled, {}});
  } catch (const std::runtime_error&) {
    seen.threw = true;
  }
  seen.tokens = session.tokens();
  if (session.remaining() == 0) return seen;
  const Ids next = {7};
  seen.logits = Copy(session.Append(next, {}, [&](int64_t, int64_t total) { seen.rows = total; }));
  session.Rewind(static_cast<int64_t>(seen.tokens.size()));
  return seen;
}

inline void ExpectSame(const Seen& drafted, const Seen& plain) {
  EXPECT_EQ(drafted.result.tokens, plain.result.tokens);
  EXPECT_EQ(drafted.result.text, plain.result.text);
  EXPECT_EQ(drafted.result.reason, plain.result.reason);
  EXPECT_EQ(drafted.result.prompt_tokens, plain.result.prompt_tokens);
  EXPECT_EQ(drafted.pieces, plain.pieces);
  EXPECT_EQ(drafted.questions, plain.questions);
  EXPECT_EQ(drafted.threw, plain.threw);
  EXPECT_EQ(drafted.tokens, plain.tokens);
  EXPECT_EQ(drafted.rows, plain.rows);
  EXPECT_TRUE(SameBits(drafted.logits, plain.logits));
}

/// Samples among a few ids only, so that what came before comes again and again, if not always.
inline GenerationOptions FewIds(int count, double temperature, uint64_t seed) {
  GenerationOptions options;
  options.sampling.temperature = temperature;
  options.sampling.top_p = 1;
  options.sampling.seed = seed;
  for (int32_t id = 0; id < count; ++id) {
    options.sampling.logit_bias.emplace_back(40 + 3 * id, 100);
  }
  options.max_tokens = 50;
  return options;
}

/// A conversation of fable's that is taken back, saved and loaded on the way: the session's tokens
/// after each turn. `options_at` says how a turn is replied to; `accepted` counts drafts that came.
template <typename OptionsAt>
std::vector<Ids> Talk(Engine& engine, int turns, const OptionsAt& options_at, int64_t& accepted) {
  const TemporaryFolder folder;
  std::vector<Ids> states;
  auto session = engine.NewSession();
  for (int turn = 0; turn < turns; ++turn) {
    if (turn % 3 == 2) session->Rewind(static_cast<int64_t>(states[states.size() - 2].size()));
    const char* message = turn % 2 == 0 ? "Repeat: fish lamp kite river stone fish lamp kite"
                                        : "Tell me a story about a fox named Leo.";
    accepted += Reply(*session, message, options_at(turn)).accepted;
    states.push_back(session->tokens());
    if (turn % 3 != 1) continue;
    session->Save(folder.path() / "session");
    session = engine.NewSession();
    session->Load(folder.path() / "session");
  }
  return states;
}

}  // namespace tandem
