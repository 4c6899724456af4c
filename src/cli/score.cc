// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem score: how likely a model finds a text or a list of ids, token by token.
#include "engine/score.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/pieces.h"
#include "core/log.h"
#include "engine/model_text.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

/// Longer tables are printed only when asked for.
constexpr size_t kShortTable = 200;
constexpr int kMaxTop = 1000;

struct ScoreSettings {
  OutputOptions output;
  ModelOptions model;
  ScoreOptions score;
  std::optional<std::string> ids, text;
  std::optional<std::filesystem::path> ids_file, text_file;
  bool all = false;
};

struct Input {
  std::vector<int32_t> ids;
  std::optional<int32_t> window_start;  ///< BOS, where the text got one.
};

Input ReadInput(const ScoreSettings& settings, const Model& model) {
  if (settings.ids) return {ParseIds(*settings.ids, "--ids"), {}};
  if (settings.ids_file) {
    return {ParseIds(ReadTextFile(*settings.ids_file, kMaxTextFileBytes), "--ids-file"), {}};
  }
  const Tokenizer& tokenizer = RequireTokenizer(model);
  const std::string text =
      settings.text ? *settings.text : ReadTextFile(*settings.text_file, kMaxTextFileBytes);
  if (text.empty()) throw Error(ErrorKind::kInvalidArgument, "there is no text to score");
  const Vocab& vocab = tokenizer.vocab();
  const bool bos = vocab.add_bos && vocab.bos != kNoToken;
  Input input;
  input.ids = tokenizer.Encode(text, {.add_bos = bos, .parse_special = false, .continues = false});
  if (bos) input.window_start = vocab.bos;
  return input;
}

void PrintTable(const ScoreResult& result, const Tokenizer* tokenizer) {
  Print(fmt::format("{:>8} {:>7} {:>10}  {}\n", "position", "id", "log-prob", "piece"));
  for (size_t i = 0; i < result.tokens.size(); ++i) {
    const TokenScore& token = result.tokens[i];
    const std::string log_probability =
        token.log_probability ? fmt::format("{:.4f}", *token.log_probability) : "-";
    Print(fmt::format("{:>8} {:>7} {:>10}  {}\n", i, token.token, log_probability,
                      PieceForTable(tokenizer, token.token)));
    for (const auto& [id, value] : token.top) {
      Print(fmt::format("{:>8} {:>7} {:>10.4f}  {}\n", "next", id, value,
                        PieceForTable(tokenizer, id)));
    }
  }
  Print("\n");
}

Json ToJson(const ScoreResult& result, const ScoreSettings& settings, const Engine& engine) {
  const Tokenizer* tokenizer = FindTokenizer(engine.model());
  Json tokens = Json::array();
  for (size_t i = 0; i < result.tokens.size(); ++i) {
    const TokenScore& token = result.tokens[i];
    Json row = {{"position", i}, {"id", token.token}};
    if (tokenizer != nullptr) row["piece"] = PieceForJson(*tokenizer, token.token);
    row["log_probability"] = token.log_probability ? Json(*token.log_probability) : Json(nullptr);
    if (settings.score.top > 0) {
      Json top = Json::array();
      for (const auto& [id, value] : token.top) {
        Json next = {{"id", id}};
        if (tokenizer != nullptr) next["piece"] = PieceForJson(*tokenizer, id);
        next["log_probability"] = value;
        top.push_back(std::move(next));
      }
      row["top"] = std::move(top);
    }
    tokens.push_back(std::move(row));
  }
  return {{"scored", result.scored},
          {"total_log_probability", result.total_log_probability},
          {"perplexity", result.scored > 0 ? Json(result.Perplexity()) : Json()},
          {"windows", result.windows},
          {"seconds", result.seconds},
          {"model", engine.model().source()},
          {"device", engine.Description()},
          {"tokens", std::move(tokens)}};
}

int RunScore(const ScoreSettings& settings) {
  const auto model = LoadModel(settings.model);
  const Input input = ReadInput(settings, *model);
  Engine engine(model, EngineOptionsOf(settings.model, *model));
  const auto session = engine.NewSession(settings.model.context);
  ProgressLine progress("scoring", ProgressLine::Elsewhere::kSilent, settings.output.quiet);
  const InterruptScope interrupts(InterruptMode::kCancel);
  const ScoreResult result =
      Score(*session, input.ids, settings.score, input.window_start, Interrupted,
            [&progress](int64_t done, int64_t total) {
              progress.Update(static_cast<uint64_t>(done), static_cast<uint64_t>(total));
            });
  progress.Clear();
  if (settings.output.json) {
    PrintJson(ToJson(result, settings, engine));
    return kExitOk;
  }
  if (settings.all || result.tokens.size() <= kShortTable) {
    PrintTable(result, FindTokenizer(*model));
  } else {
    log::Info("the table of {} tokens is left out: --all prints it", result.tokens.size());
  }
  Print(fmt::format("tokens scored          {}\n", result.scored));
  Print(fmt::format("total log-probability  {:.4f}\n", result.total_log_probability));
  if (result.scored > 0) {
    Print(fmt::format("perplexity             {:.4f}\n", result.Perplexity()));
  }
  if (result.windows > 1) Print(fmt::format("windows                {}\n", result.windows));
  log::Info("{:.2f} s on {}", result.seconds, engine.Description());
  return kExitOk;
}

}  // namespace

void AddScoreCommand(CLI::App& app, Action& action) {
  auto settings = std::make_shared<ScoreSettings>();
  CLI::App& command = *app.add_subcommand("score", "Log-probability of every token of a text")
                           ->group("Use a model");
  AddModel(command, settings->model);
  const char* group = "What to score (one of these)";
  AddText(command, "--text", settings->text, "TEXT", "This text, after BOS where the model has one")
      ->group(group);
  AddPath(command, "--file", settings->text_file, "The text of a file, likewise")->group(group);
  AddText(command, "--ids", settings->ids, "N,N,...", "These token ids as they are, no BOS added")
      ->group(group);
  AddPath(command, "--ids-file", settings->ids_file, "The ids in a file, by commas or white space")
      ->group(group);
  AddPath(command, "--logits", settings->score.logits_file,
          "Write all logits as float32 [tokens, rows] in NumPy format");
  AddInteger(command, "--top", settings->score.top, 0, kMaxTop,
             "Show the N likeliest continuations after each token");
  command.add_flag("--all", settings->all,
                   fmt::format("Print the table of more than {} tokens too", kShortTable));
  AddQuiet(command, settings->output);
  AddJson(command, settings->output);
  AddDevices(command, settings->model);
  AddContext(command, settings->model);
  command.final_callback([settings, &action] {
    const int given = (settings->ids ? 1 : 0) + (settings->ids_file ? 1 : 0) +
                      (settings->text ? 1 : 0) + (settings->text_file ? 1 : 0);
    if (given != 1) {
      throw Error(ErrorKind::kInvalidArgument,
                  given == 0 ? "nothing to score" : "more than one thing to score",
                  "give one of --text, --file, --ids and --ids-file");
    }
    action = [settings] { return RunScore(*settings); };
  });
}

}  // namespace tandem::cli
