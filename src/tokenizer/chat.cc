// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "tokenizer/chat.h"

#include <algorithm>

#include "core/error.h"
#include "core/utf8.h"

namespace tandem {
namespace {

// Gemma's template trims with Jinja's filter, which is Python's str.strip(): these and no others.
bool IsPythonSpace(std::string_view character) {
  static constexpr std::string_view kWide[] = {
      "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x81",
      "\xe2\x80\x82", "\xe2\x80\x83", "\xe2\x80\x84", "\xe2\x80\x85", "\xe2\x80\x86",
      "\xe2\x80\x87", "\xe2\x80\x88", "\xe2\x80\x89", "\xe2\x80\x8a", "\xe2\x80\xa8",
      "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"};
  if (character.size() == 1) {
    const char c = character[0];
    return c == ' ' || (c >= '\t' && c <= '\r') || (c >= '\x1c' && c <= '\x1f');
  }
  return std::find(std::begin(kWide), std::end(kWide), character) != std::end(kWide);
}

std::string_view Trim(std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8SequenceLength(text);
    if (length == 0 || !IsPythonSpace(text.substr(0, length))) break;
    text.remove_prefix(length);
  }
  while (!text.empty()) {
    size_t begin = text.size() - 1;
    while (begin > 0 && (static_cast<unsigned char>(text[begin]) & 0xc0) == 0x80) --begin;
    if (!IsPythonSpace(text.substr(begin))) break;
    text.remove_suffix(text.size() - begin);
  }
  return text;
}

[[noreturn]] void BadMessages(const char* what, const char* hint) {
  throw Error(ErrorKind::kInvalidArgument, what, hint);
}

void CheckRoles(std::span<const ChatMessage> messages) {
  Role expected = Role::kUser;
  for (const ChatMessage& message : messages) {
    if (message.role == Role::kSystem) {
      BadMessages("a system message that is not the first message",
                  "put all system text into one message at the start");
    }
    if (message.role != expected) {
      BadMessages("conversation roles must alternate user, model, user, ... starting with user",
                  "join neighbouring messages of one role");
    }
    expected = expected == Role::kUser ? Role::kModel : Role::kUser;
  }
  if (messages.empty()) BadMessages("a conversation needs a user message", "add one");
}

}  // namespace

ChatFormat::ChatFormat(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
  if (!IsPossible(tokenizer)) {
    throw Error(ErrorKind::kUnsupported,
                "this model's vocabulary has no <start_of_turn> and <end_of_turn>, so it cannot "
                "chat",
                "continue raw text instead, or use an instruction-tuned model");
  }
}

bool ChatFormat::IsPossible(const Tokenizer& tokenizer) {
  return tokenizer.vocab().start_of_turn != kNoToken && tokenizer.vocab().end_of_turn != kNoToken;
}

// Text between two markers is encoded as one string, because merging crosses its inner borders:
// "user\n" and a text that starts with a newline share a token.
void ChatFormat::AppendText(std::string_view text, std::vector<int32_t>& ids) const {
  const std::vector<int32_t> part = tokenizer_.Encode(text, {.continues = true});
  ids.insert(ids.end(), part.begin(), part.end());
}

void ChatFormat::AppendTurn(std::string_view body, std::vector<int32_t>& ids) const {
  ids.push_back(tokenizer_.vocab().start_of_turn);
  AppendText(body, ids);
  ids.push_back(tokenizer_.vocab().end_of_turn);
  AppendText("\n", ids);
}

void ChatFormat::AppendGenerationPrompt(std::vector<int32_t>& ids) const {
  ids.push_back(tokenizer_.vocab().start_of_turn);
  AppendText("model\n", ids);
}

std::vector<int32_t> ChatFormat::Render(std::span<const ChatMessage> messages,
                                        bool add_generation_prompt) const {
  std::string lead;
  if (!messages.empty() && messages[0].role == Role::kSystem) {
    lead = messages[0].text + "\n\n";
    messages = messages.subspan(1);
  }
  CheckRoles(messages);
  std::vector<int32_t> ids;
  if (tokenizer_.vocab().bos != kNoToken) ids.push_back(tokenizer_.vocab().bos);
  for (const ChatMessage& message : messages) {
    std::string body = message.role == Role::kUser ? "user\n" : "model\n";
    body += lead;
    lead.clear();
    body += Trim(message.text);
    AppendTurn(body, ids);
  }
  if (add_generation_prompt) AppendGenerationPrompt(ids);
  return ids;
}

std::vector<int32_t> ChatFormat::RenderNextTurn(bool reply_ended,
                                                std::string_view user_text) const {
  std::vector<int32_t> ids;
  if (!reply_ended) ids.push_back(tokenizer_.vocab().end_of_turn);
  AppendText("\n", ids);
  std::string body = "user\n";
  body += Trim(user_text);
  AppendTurn(body, ids);
  AppendGenerationPrompt(ids);
  return ids;
}

// The text of the turn whose <start_of_turn> is ids[start], up to the next marker. A session that
// was loaded may hold ids that the model has rows for and the vocabulary no pieces: they say
// nothing.
std::string ChatFormat::TurnAt(std::span<const int32_t> ids, size_t start) const {
  const Vocab& vocab = tokenizer_.vocab();
  std::vector<int32_t> turn;
  for (const int32_t id : ids.subspan(start + 1)) {
    if (id == vocab.start_of_turn || id == vocab.end_of_turn) break;
    if (id >= 0 && static_cast<size_t>(id) < tokenizer_.size()) turn.push_back(id);
  }
  return tokenizer_.Decode(turn);
}

std::vector<int64_t> ChatFormat::UserTurns(std::span<const int32_t> ids) const {
  const Vocab& vocab = tokenizer_.vocab();
  std::vector<int32_t> between = {vocab.end_of_turn};
  AppendText("\n", between);
  const size_t bos = vocab.bos != kNoToken ? 1 : 0;
  std::vector<int64_t> turns;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] != vocab.start_of_turn || !TurnAt(ids, i).starts_with("user\n")) continue;
    if (i == bos) {
      turns.push_back(0);
    } else if (!turns.empty() && i > between.size() &&
               std::equal(between.begin(), between.end(), ids.begin() + (i - between.size()))) {
      turns.push_back(static_cast<int64_t>(i - between.size()));
    }
  }
  return turns;
}

bool ChatFormat::BeginsWith(std::span<const int32_t> ids, std::string_view system) const {
  const auto start = std::find(ids.begin(), ids.end(), tokenizer_.vocab().start_of_turn);
  if (start == ids.end()) return false;
  const std::string turn = TurnAt(ids, static_cast<size_t>(start - ids.begin()));
  return turn.starts_with("user\n" + std::string(system) + "\n\n");
}

ChatTemplate RecogniseTemplate(std::string_view jinja) {
  if (jinja.find_first_not_of(" \t\r\n") == std::string_view::npos) return ChatTemplate::kNone;
  for (const std::string_view marker : {"<start_of_turn>", "<end_of_turn>", "model"}) {
    if (jinja.find(marker) == std::string_view::npos) return ChatTemplate::kForeign;
  }
  return ChatTemplate::kGemma;
}

}  // namespace tandem
