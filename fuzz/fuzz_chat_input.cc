// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Conversations: the input is split into message texts at bytes 0xff; the first byte says whether
// the first one is a system message and whether the reply is asked for. No text gets a control
// token of its own into the rendered ids, and every text comes back from them.
#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/mapped_file.h"
#include "fuzz.h"
#include "tokenizer/chat.h"
#include "tokenizer/stream_decoder.h"
#include "tokenizer/vocab_file.h"

namespace tandem::fuzz {
namespace {

const Tokenizer& Fable() {
  static const Tokenizer tokenizer(LoadVocab(TANDEM_FUZZ_TOKENIZER));
  return tokenizer;
}

std::vector<ChatMessage> Split(std::string_view text, bool system) {
  std::vector<ChatMessage> messages;
  for (;;) {
    const size_t end = text.find('\xff');
    const size_t turn = messages.size() + (system ? 0 : 1);
    messages.push_back({turn == 0       ? Role::kSystem
                        : turn % 2 == 1 ? Role::kUser
                                        : Role::kModel,
                        std::string(text.substr(0, end))});
    if (end == std::string_view::npos) return messages;
    text.remove_prefix(end + 1);
  }
}

std::vector<int32_t> Controls(std::span<const int32_t> ids) {
  std::vector<int32_t> controls;
  for (const int32_t id : ids) {
    Check(id >= 0 && static_cast<size_t>(id) < Fable().size(), "an id is in the vocabulary");
    if (Fable().IsControl(id)) controls.push_back(id);
  }
  return controls;
}

std::string Streamed(std::span<const int32_t> ids) {
  StreamDecoder stream(Fable());
  std::string text;
  for (const int32_t id : ids) {
    const std::string part = stream.Push(id);
    Check(IsValidUtf8(part), "a stream never splits a character");
    Check(stream.pending() <= 3, "a stream holds back less than a character");
    text += part;
  }
  return text + stream.Flush();
}

// What comes back of a text: marks that stand for spaces are spaces.
std::string Normal(std::string_view text) {
  std::string normal = ReplaceInvalidUtf8(text);
  for (size_t at; (at = normal.find(kSpaceMark)) != std::string::npos;) {
    normal.replace(at, kSpaceMark.size(), " ");
  }
  return normal;
}

void CheckRoundTrip(std::string_view text) {
  const std::vector<int32_t> ids = Fable().Encode(text);
  Check(Controls(ids).empty(), "no text yields a control token");
  const std::string decoded = Fable().Decode(ids);
  Check(decoded == Normal(text), "a text comes back");
  Check(Streamed(ids) == decoded, "decoding piece by piece gives the same text");
}

void CheckRendered(const ChatFormat& format, std::vector<ChatMessage> messages, bool reply) {
  const std::vector<int32_t> ids = format.Render(messages, reply);
  Streamed(ids);
  std::vector<ChatMessage> empty = messages;
  for (ChatMessage& message : empty) message.text.clear();
  const std::vector<int32_t> controls = Controls(ids);
  Check(controls == Controls(format.Render(empty, reply)), "texts add no control token");
  const auto bos = std::count(controls.begin(), controls.end(), Fable().vocab().bos);
  Check(bos == 1 && ids.front() == Fable().vocab().bos, "a conversation begins once");
}

}  // namespace
}  // namespace tandem::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace tandem;
  using namespace tandem::fuzz;
  static const ChatFormat format(Fable());
  if (size == 0) return 0;
  const std::string_view text = Text(data + 1, size - 1);
  const std::vector<ChatMessage> messages = Split(text, (data[0] & 1) != 0);
  for (const ChatMessage& message : messages) CheckRoundTrip(message.text);
  CheckRoundTrip(text);
  Refuses([&] { CheckRendered(format, messages, (data[0] & 2) != 0); });
  for (const bool ended : {false, true}) {
    Check(
        Controls(format.RenderNextTurn(ended, text)) == Controls(format.RenderNextTurn(ended, "")),
        "texts add no control token to a next turn");
  }
  RecogniseTemplate(text);
  return 0;
}
