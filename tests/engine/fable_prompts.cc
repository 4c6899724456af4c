// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/fable_prompts.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <atomic>
#include <fstream>
#include <optional>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/thread_team.h"
#include "engine/model_text.h"
#include "tandem/engine.h"
#include "tandem/generation.h"

namespace tandem {
namespace {

// Longer than any right reply of the generator.
constexpr int64_t kMostReplyTokens = 128;

std::string Trimmed(const std::string& text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

// What was wrong with the first wrong reply, or nothing.
std::optional<std::string> FindMiss(Engine& engine, const FablePrompt& prompt) {
  const ChatFormat& chat = RequireChat(engine.model());
  GenerationOptions options;
  options.sampling.temperature = 0;
  options.max_tokens = kMostReplyTokens;
  const auto session = engine.NewSession();
  for (size_t turn = 0; turn < prompt.turns.size(); ++turn) {
    const auto& [user, reply] = prompt.turns[turn];
    const ChatMessage first{Role::kUser, user};
    // An end token is sampled but does not become part of the session.
    const auto ids = turn == 0 ? chat.Render({&first, 1}) : chat.RenderNextTurn(false, user);
    const GenerationResult result = Generate(*session, ids, options);
    if (result.reason == EndReason::kEndOfTurn && Trimmed(result.text) == reply) continue;
    return fmt::format("{}: \"{}\" -> \"{}\", not \"{}\"", prompt.kind, Printable(user, 200),
                       Printable(result.text, 200), reply);
  }
  return std::nullopt;
}

FablePrompt ParsePrompt(const std::string& line) {
  const auto json = nlohmann::json::parse(line);
  FablePrompt prompt{json.at("kind").get<std::string>(), {}};
  for (const auto& turn : json.at("turns")) {
    prompt.turns.push_back(
        {turn.at("user").get<std::string>(), turn.at("reply").get<std::string>()});
  }
  return prompt;
}

}  // namespace

std::vector<FablePrompt> ReadFablePrompts(const std::filesystem::path& path) {
  std::ifstream in(path);
  if (!in) throw Error(ErrorKind::kNotFound, fmt::format("{} cannot be read", path.string()));
  std::vector<FablePrompt> prompts;
  for (std::string line; std::getline(in, line);) {
    try {
      prompts.push_back(ParsePrompt(line));
    } catch (const nlohmann::json::exception& error) {
      throw Error(ErrorKind::kCorruptFile,
                  fmt::format("{}: line {} is not a prompt: {}", path.string(), prompts.size() + 1,
                              Printable(error.what())));
    }
  }
  return prompts;
}

std::vector<FablePrompt> FirstOfEachKind(std::span<const FablePrompt> prompts, int count) {
  std::map<std::string, int> taken;
  std::vector<FablePrompt> chosen;
  for (const FablePrompt& prompt : prompts) {
    if (taken[prompt.kind]++ < count) chosen.push_back(prompt);
  }
  return chosen;
}

bool IsFableTask(const std::string& kind) { return kind != "needle" && kind != "memory"; }

FableRate FableResult::Tasks() const {
  FableRate sum;
  for (const auto& [kind, rate] : kinds) {
    if (!IsFableTask(kind)) continue;
    sum.right += rate.right;
    sum.asked += rate.asked;
  }
  return sum;
}

FableRate FableResult::Kind(const std::string& kind) const {
  const auto found = kinds.find(kind);
  return found == kinds.end() ? FableRate{} : found->second;
}

FableResult EvaluateFable(const std::shared_ptr<const Model>& model,
                          std::span<const FablePrompt> prompts, int workers,
                          const EngineOptions& its_options) {
  std::vector<std::optional<std::string>> misses(prompts.size());
  std::atomic<size_t> next = 0;
  ThreadTeam team(workers);
  team.ParallelFor(team.size(), 1, [&](int64_t, int64_t, int) {
    EngineOptions options = its_options;
    options.threads = 1;
    Engine engine(model, options);
    for (size_t i = next++; i < prompts.size(); i = next++) {
      misses[i] = FindMiss(engine, prompts[i]);
    }
  });
  FableResult result;
  for (size_t i = 0; i < prompts.size(); ++i) {
    FableRate& rate = result.kinds[prompts[i].kind];
    ++rate.asked;
    if (misses[i]) {
      result.misses.push_back(*misses[i]);
    } else {
      ++rate.right;
    }
  }
  return result;
}

}  // namespace tandem
