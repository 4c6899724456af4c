// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/golden_chat.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <span>

#include "core/error.h"

namespace tandem {

float GoldenChat::LeastGap() const {
  float least = Gap(0);
  for (size_t step = 1; step < top.size(); ++step) least = std::min(least, Gap(step));
  return least;
}

std::vector<GoldenChat> ReadGoldenChats(const std::filesystem::path& path) {
  std::ifstream in(path);
  if (!in) throw Error(ErrorKind::kNotFound, path.string() + " cannot be read");
  std::vector<GoldenChat> chats;
  for (const auto& json : nlohmann::json::parse(in)) {
    GoldenChat chat;
    json.at("prompt").get_to(chat.prompt);
    json.at("prompt_ids").get_to(chat.prompt_ids);
    json.at("reply_ids").get_to(chat.reply_ids);
    json.at("reply").get_to(chat.reply);
    json.at("top8_logits_per_step").get_to(chat.top);
    chats.push_back(std::move(chat));
  }
  return chats;
}

ForcedChat ForceGoldenChat(Engine& engine, const GoldenChat& chat) {
  std::vector<int32_t> ids = chat.prompt_ids;
  ids.insert(ids.end(), chat.reply_ids.begin(), chat.reply_ids.end() - 1);
  const size_t before = chat.prompt_ids.size() - 1;
  ForcedChat forced;
  const auto session = engine.NewSession();
  session->AppendScored(ids, [&](size_t index, std::span<const float> logits) {
    if (index < before) return;
    const auto highest = std::max_element(logits.begin(), logits.end());
    forced.choice.push_back(static_cast<int32_t>(highest - logits.begin()));
    float error = 0;
    for (const auto& [id, logit] : chat.top[index - before]) {
      error = std::max(error, std::abs(logits[static_cast<size_t>(id)] - logit));
    }
    forced.error.push_back(error);
  });
  return forced;
}

GenerationResult GreedyReply(Engine& engine, const GoldenChat& chat) {
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = static_cast<int64_t>(chat.reply_ids.size());
  const auto session = engine.NewSession();
  return Generate(*session, chat.prompt_ids, options);
}

std::optional<std::filesystem::path> SharedModels() {
  // Tests run in the project's tests/.
  const char* named = std::getenv("TANDEM_SHARED_MODELS");
  const std::filesystem::path folder = named != nullptr ? named : "../../shared/models";
  if (!std::filesystem::exists(folder / "fable-e4b" / "config.json")) return std::nullopt;
  return folder;
}

}  // namespace tandem
