// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem tokenize: text to token ids, and back.
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/input.h"
#include "cli/output.h"
#include "cli/pieces.h"
#include "core/log.h"
#include "engine/model_text.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

struct TokenizeSettings {
  OutputOptions output;
  std::string model;
  std::optional<std::string> text, decode;
  std::optional<std::filesystem::path> file;
  std::optional<bool> bos;
  bool ids_only = false;
  bool special = false;
  bool lines = false;
};

std::string JoinIds(const std::vector<int32_t>& ids) {
  return fmt::format("{}", fmt::join(ids, ","));
}

/// The lines of `text`, without their ends; a last one that is empty does not count.
std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

Json IdsJson(const Tokenizer& tokenizer, const std::vector<int32_t>& ids) {
  Json pieces = Json::array();
  for (const int32_t id : ids) pieces.push_back(PieceForJson(tokenizer, id));
  return {{"count", ids.size()}, {"ids", ids}, {"pieces", std::move(pieces)}};
}

void PrintIds(const Tokenizer& tokenizer, const std::vector<int32_t>& ids, bool ids_only) {
  if (ids_only) {
    Print(JoinIds(ids) + "\n");
    return;
  }
  for (const int32_t id : ids) {
    Print(fmt::format("{:>7}  {}\n", id, PieceForTable(&tokenizer, id)));
  }
}

int DecodeIds(const Tokenizer& tokenizer, const TokenizeSettings& settings) {
  const std::vector<int32_t> ids = ParseIds(*settings.decode, "--decode");
  const std::string text = tokenizer.Decode(ids, {.show_special = settings.special});
  if (settings.output.json) {
    PrintJson({{"text", text}});
  } else {
    Print(ForStdout(text) + "\n");
  }
  return kExitOk;
}

int RunTokenize(const TokenizeSettings& settings) {
  const Tokenizer tokenizer =
      settings.model.empty() ? LoadEmbeddedTokenizer() : LoadTokenizer(settings.model);
  if (settings.decode) return DecodeIds(tokenizer, settings);

  if (!settings.text && !settings.file && StdinIsTerminal()) {
    log::Info("reading text from the terminal until Ctrl-D");
  }
  const std::string text = settings.text   ? *settings.text
                           : settings.file ? ReadTextFile(*settings.file, kMaxTextFileBytes)
                                           : ReadStdin(kMaxTextFileBytes);
  const EncodeOptions encode{.add_bos = settings.bos.value_or(tokenizer.vocab().add_bos),
                             .parse_special = settings.special,
                             .continues = false};
  size_t count = 0;
  if (settings.lines) {
    Json rows = Json::array();
    bool first = true;
    for (const std::string_view line : SplitLines(text)) {
      const std::vector<int32_t> ids = tokenizer.Encode(line, encode);
      count += ids.size();
      if (settings.output.json) {
        rows.push_back(IdsJson(tokenizer, ids));
        continue;
      }
      if (!settings.ids_only && !std::exchange(first, false)) Print("\n");
      PrintIds(tokenizer, ids, settings.ids_only);
    }
    if (settings.output.json) PrintJson({{"count", count}, {"lines", std::move(rows)}});
  } else {
    const std::vector<int32_t> ids = tokenizer.Encode(text, encode);
    count = ids.size();
    if (settings.output.json) {
      PrintJson(IdsJson(tokenizer, ids));
    } else {
      PrintIds(tokenizer, ids, settings.ids_only);
    }
  }
  log::Info("{} tokens", count);
  return kExitOk;
}

}  // namespace

void AddTokenizeCommand(CLI::App& app, Action& action) {
  auto settings = std::make_shared<TokenizeSettings>();
  CLI::App& command = *app.add_subcommand("tokenize", "Token ids of a text, or text of token ids")
                           ->group("Look closer");
  AddPath(command, "-m,--model", settings->model,
          "GGUF file, Hugging Face folder, tokenizer.model or tokenizer.json; the built-in "
          "model's if not given");
  CLI::Option* text = AddText(command, "TEXT", settings->text, "TEXT",
                              "The text; without it and --file, standard input");
  CLI::Option* file = AddPath(command, "--file", settings->file, "The text of a file");
  CLI::Option* decode = AddText(command, "--decode", settings->decode, "N,N,...",
                                "Print the text of these ids instead");
  file->excludes(text);
  decode->excludes(text)->excludes(file);
  command.add_flag("--ids-only", settings->ids_only, "Print only ids, separated by commas");
  command.add_flag_function(
      "--bos", [s = settings.get()](int64_t) { s->bos = true; }, "Put BOS in front");
  command
      .add_flag_function(
          "--no-bos", [s = settings.get()](int64_t) { s->bos = false; },
          "Put no BOS in front; the default is what the tokenizer says")
      ->excludes("--bos");
  command.add_flag("--special", settings->special,
                   "Read <start_of_turn> and its like as control tokens, or print them");
  command.add_flag("--lines", settings->lines, "Take each line of the input by itself");
  AddQuiet(command, settings->output);
  AddJson(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunTokenize(*settings); }; });
}

}  // namespace tandem::cli
