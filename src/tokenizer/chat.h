// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Gemma's chat format, written as token ids. Turn markers are placed as tokens and message texts
// are encoded without special pieces, so no text can open or close a turn. For texts that name no
// special piece the ids equal those of the rendered string with special pieces parsed:
//
//   <bos><start_of_turn>user\n{system}\n\n{text}<end_of_turn>\n<start_of_turn>model\n
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tandem/chat.h"
#include "tokenizer/tokenizer.h"

namespace tandem {

/// Renders conversations for one tokenizer, which it borrows. Immutable, safe for any number of
/// threads.
class ChatFormat {
 public:
  /// Throws Error (kUnsupported) when the vocabulary has no turn tokens.
  explicit ChatFormat(const Tokenizer& tokenizer);

  /// Whether `tokenizer` has what the constructor asks for.
  static bool IsPossible(const Tokenizer& tokenizer);

  /// The whole conversation, `bos` exactly once in front, and the start of the model's next turn
  /// if asked for. Texts lose white space at both ends; Gemma knows no system turn, so a system
  /// message, untrimmed, leads the first user turn. Throws Error (kInvalidArgument) unless the
  /// roles are user, model, user, ... after at most one system message, with at least one user.
  std::vector<int32_t> Render(std::span<const ChatMessage> messages,
                              bool add_generation_prompt = true) const;

  /// What to append to a context that ends in a reply of the model, for the next user turn and the
  /// start of the reply to it. `reply_ended`: the context already holds the reply's <end_of_turn>
  /// (not so when a limit or a stop string cut it).
  std::vector<int32_t> RenderNextTurn(bool reply_ended, std::string_view user_text) const;

  /// How many of `ids`, a conversation as written by the two above, come before each user turn:
  /// where to cut it to take that turn and everything after back. Empty for other tokens.
  std::vector<int64_t> UserTurns(std::span<const int32_t> ids) const;

  /// Whether the first turn of a conversation begins with this system text.
  bool BeginsWith(std::span<const int32_t> ids, std::string_view system) const;

 private:
  void AppendTurn(std::string_view body, std::vector<int32_t>& ids) const;
  void AppendText(std::string_view text, std::vector<int32_t>& ids) const;
  void AppendGenerationPrompt(std::vector<int32_t>& ids) const;
  std::string TurnAt(std::span<const int32_t> ids, size_t start) const;

  const Tokenizer& tokenizer_;
};

/// Whose chat template a file carries. Told by the markers it writes; templates are programs and
/// are never run.
enum class ChatTemplate {
  kNone,     ///< Empty: nothing is said about chat.
  kGemma,    ///< Gemma's turns, which ChatFormat writes.
  kForeign,  ///< Something else; ChatFormat would not be what the model was trained on.
};
ChatTemplate RecogniseTemplate(std::string_view jinja);

}  // namespace tandem
