// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem run: one reply to a prompt from -p or standard input, or a chat on a terminal.
#include "cli/run.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "core/file_status.h"
#include "core/log.h"
#include "engine/model_text.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

/// What the command line says about sampling; the model's defaults stand where it says nothing.
struct SamplingFlags {
  std::optional<double> temperature, top_p, min_p;
  std::optional<double> repeat_penalty, frequency_penalty, presence_penalty;
  int top_k = -1;
  std::optional<uint64_t> seed;
  int64_t max_tokens = -1;
  std::vector<std::pair<int32_t, double>> logit_bias;
  std::vector<std::string> stop;
};

struct Run {
  RunSettings settings;
  SamplingFlags sampling;
  DraftOptions draft;
};

constexpr double kMaxTemperature = 100;
constexpr double kMaxPenalty = 100;
constexpr double kMaxBias = 1000;
constexpr int32_t kMaxId = std::numeric_limits<int32_t>::max();

std::pair<int32_t, double> ParseBias(const std::string& text) {
  const size_t equals = text.find('=');
  if (equals == std::string::npos) {
    ThrowBadValue("--logit-bias", text, "ID=VALUE, a token and what to add to its logit");
  }
  return {ParseInteger<int32_t>("--logit-bias", text.substr(0, equals), 0, kMaxId),
          ParseReal("--logit-bias", text.substr(equals + 1), -kMaxBias, kMaxBias)};
}

void AddSampling(CLI::App& app, SamplingFlags& flags) {
  const char* group = "How it chooses (defaults are the model's own)";
  AddReal(app, "--temp,--temperature", flags.temperature, 0, kMaxTemperature,
          "Randomness; 0 always takes the likeliest token")
      ->group(group);
  AddInteger(app, "--top-k", flags.top_k, 0, kMaxId, "Keep the N likeliest tokens; 0 is all")
      ->group(group);
  AddReal(app, "--top-p", flags.top_p, 0, 1, "Keep the likeliest tokens that sum to X; 1 is all")
      ->group(group);
  AddReal(app, "--min-p", flags.min_p, 0, 1, "Drop tokens below X times the likeliest")
      ->group(group);
  app.add_option_function<std::string>(
         "--seed",
         [&flags](const std::string& text) {
           flags.seed =
               ParseInteger<uint64_t>("--seed", text, 0, std::numeric_limits<uint64_t>::max());
         },
         "The same seed gives the same text; random if not given")
      ->type_name("N")
      ->group(group);
  AddReal(app, "--repeat-penalty", flags.repeat_penalty, 0.01, kMaxPenalty,
          "Divide the logits of recent tokens; 1 is off")
      ->group(group);
  AddReal(app, "--frequency-penalty", flags.frequency_penalty, -kMaxPenalty, kMaxPenalty,
          "Subtract X for each time a token came lately")
      ->group(group);
  AddReal(app, "--presence-penalty", flags.presence_penalty, -kMaxPenalty, kMaxPenalty,
          "Subtract X when a token came lately")
      ->group(group);
  AddRepeatable(
      app, "--logit-bias", "ID=X",
      [&flags](const std::string& text) { flags.logit_bias.push_back(ParseBias(text)); },
      "Add X to the logit of a token; may be given again")
      ->group(group);
}

GenerationOptions OptionsFor(const Model& model, const SamplingFlags& flags) {
  GenerationOptions options = DefaultGenerationOptions(model);
  SamplingOptions& sampling = options.sampling;
  sampling.temperature = flags.temperature.value_or(sampling.temperature);
  if (flags.top_k >= 0) sampling.top_k = flags.top_k;
  sampling.top_p = flags.top_p.value_or(sampling.top_p);
  sampling.min_p = flags.min_p.value_or(sampling.min_p);
  sampling.repeat_penalty = flags.repeat_penalty.value_or(sampling.repeat_penalty);
  sampling.frequency_penalty = flags.frequency_penalty.value_or(sampling.frequency_penalty);
  sampling.presence_penalty = flags.presence_penalty.value_or(sampling.presence_penalty);
  sampling.logit_bias = flags.logit_bias;
  for (const auto& [id, bias] : flags.logit_bias) {
    if (id < model.vocab_rows()) continue;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("--logit-bias: the model has no token {}, its last is {}", id,
                            model.vocab_rows() - 1));
  }
  std::random_device random;
  sampling.seed = flags.seed.value_or((uint64_t{random()} << 32) | random());
  Validate(sampling);
  options.max_tokens = flags.max_tokens;
  options.stop = flags.stop;
  return options;
}

/// A model that cannot speak is told apart by what it lacks, with the way out.
void RequireText(const Model& model, bool raw) {
  if (!model.has_tokenizer()) {
    throw Error(
        ErrorKind::kUnsupported,
        fmt::format("{} has no tokenizer, so text can neither go in nor come out", model.source()),
        "score --ids and bench work without one; so does convert, from a folder that has "
        "tokenizer.model beside the weights");
  }
  if (!raw && !model.can_chat()) {
    throw Error(ErrorKind::kUnsupported,
                fmt::format("{} has no turn tokens, so it cannot chat", model.source()),
                "--raw continues a text instead");
  }
}

void IntroduceEmbedded() {
  log::Info(
      "this is the demonstration model built into tandem: small, trained on a few tasks only");
  log::Info(
      "it tells stories about animals, adds, sorts, spells, repeats, reverses and counts words, "
      "and "
      "knows some capitals, translations, JSON and emoji");
  log::Info("a real model: tandem run -m gemma-3n-E2B-it-Q4_K_M.gguf");
}

std::vector<int32_t> PromptIds(const Session& session, const RunSettings& settings,
                               const std::string& text) {
  if (!settings.raw) return TokenizeTurn(session, text, settings.system);
  const Tokenizer& tokenizer = RequireTokenizer(session.model());
  const bool first = session.tokens().empty();
  return tokenizer.Encode(
      text,
      {.add_bos = first && tokenizer.vocab().add_bos, .parse_special = true, .continues = !first});
}

void PrintReplyJson(const GenerationResult& result, const Engine& engine, uint64_t seed) {
  const Model* draft = engine.options().draft_model.get();
  PrintJson({{"text", result.text},
             {"end_reason", EndReasonName(result.reason)},
             {"prompt_tokens", result.prompt_tokens},
             {"reply_tokens", result.tokens.size()},
             {"ids", result.tokens},
             {"seed", seed},
             {"ttft_ms", result.time_to_first_token_s * 1e3},
             {"prefill_tps", result.PromptTokensPerSecond()},
             {"decode_tps", result.DecodeTokensPerSecond()},
             {"drafted_tokens", result.drafted},
             {"accepted_tokens", result.accepted},
             {"acceptance_rate", result.AcceptanceRate()},
             {"steps", result.steps},
             {"draft_ms", result.draft_s * 1e3},
             {"draft_model", draft == nullptr ? Json() : Json(draft->source())},
             {"model", engine.model().source()},
             {"device", engine.Description()}});
}

/// One reply on stdout.
int Answer(Engine& engine, const RunSettings& settings, const GenerationOptions& options,
           const std::string& text) {
  const auto session = OpenSession(engine, settings);
  const std::vector<int32_t> prompt = PromptIds(*session, settings, text);
  const bool json = settings.output.json;
  ProgressLine progress("reading the prompt", ProgressLine::Elsewhere::kSilent,
                        settings.output.quiet);
  const InterruptScope interrupts(InterruptMode::kCancel);
  // Only when there is a reply, so that an error stays alone.
  bool introduced = !engine.model().is_embedded();
  const auto introduce = [&] {
    progress.Clear();
    if (!std::exchange(introduced, true)) IntroduceEmbedded();
  };
  const auto print = [&](std::string_view piece) {
    introduce();
    if (json || piece.empty()) return;
    Print(ForStdout(piece));
    FlushOutput();
  };
  const auto reading = [&progress](int64_t done, int64_t total) {
    if (done < total) progress.Update(static_cast<uint64_t>(done), static_cast<uint64_t>(total));
  };
  // An emulated NPU's first rows take a while.
  if (settings.model.prefill == "npu") reading(0, static_cast<int64_t>(prompt.size()));
  const GenerationResult result =
      Generate(*session, prompt, options, {print, Interrupted, reading});
  introduce();
  if (json) {
    PrintReplyJson(result, engine, options.sampling.seed);
  } else if (result.text.empty() || !AtLineStart()) {
    Print("\n");
  }
  FlushOutput();
  if (result.reason == EndReason::kContextFull) {
    log::Warning("the reply was cut: the context of {} tokens is full", session->context());
  }
  if (settings.stats && !settings.output.quiet) PrintStats(result, engine, options);
  const bool replied = result.reason != EndReason::kCancelled || !result.tokens.empty();
  if (!settings.session_file.empty() && replied) session->Save(settings.session_file);
  if (result.reason == EndReason::kCancelled) {
    return Report(Error(ErrorKind::kCancelled, "interrupted"));
  }
  return kExitOk;
}

int RunCommand(const Run& run) {
  const RunSettings& settings = run.settings;
  const bool interactive = !settings.prompt && StdinIsTerminal();
  if (interactive && (settings.raw || settings.output.json)) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{} needs a prompt", settings.raw ? "--raw" : "--json"),
                "give it with -p, or through a pipe");
  }
  if (settings.raw && !settings.system.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "--system has no meaning with --raw",
                "put the instructions into the text itself");
  }
  std::string prompt;
  if (settings.prompt) {
    prompt = *settings.prompt;
  } else if (!interactive) {
    prompt = ReadStdin(kMaxPromptBytes);
  }
  if (!interactive && !settings.raw &&
      prompt.find_first_not_of(" \t\r\n\v\f") == std::string::npos) {
    throw Error(ErrorKind::kInvalidArgument,
                settings.prompt ? "the prompt is empty" : "standard input holds no prompt",
                "tandem run -p \"...\" asks something");
  }
  const auto model = LoadModel(settings.model);
  RequireText(*model, settings.raw);
  GenerationOptions options = OptionsFor(*model, run.sampling);
  ApplyDraft(run.draft, options);
  EngineOptions engine_options = EngineOptionsOf(settings.model, *model);
  engine_options.draft_model = LoadDraftModel(run.draft, model);
  Engine engine(model, engine_options);
  if (!interactive) return Answer(engine, settings, options, prompt);
  if (model->is_embedded()) IntroduceEmbedded();
  return Chat(engine, settings, options);
}

}  // namespace

std::unique_ptr<Session> OpenSession(Engine& engine, const RunSettings& settings) {
  auto session = engine.NewSession(settings.model.context);
  if (settings.session_file.empty()) return session;
  if (Exists(settings.session_file)) {
    session->Load(settings.session_file);
    if (!settings.system.empty() && !session->tokens().empty() &&
        !RequireChat(session->model()).BeginsWith(session->tokens(), settings.system)) {
      log::Warning("--system has no effect: the conversation in {} has begun without it",
                   Printable(settings.session_file, 4096));
    }
    return session;
  }
  // Said now, not after the conversation.
  const auto folder = std::filesystem::path(settings.session_file).parent_path();
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK) != 0) {
    throw Error(ErrorKind::kIo, fmt::format("--session: no file can be made in {}: {}",
                                            folder.empty() ? "." : Printable(folder.string(), 4096),
                                            std::strerror(errno)));
  }
  return session;
}

void PrintStats(const GenerationResult& result, const Engine& engine,
                const GenerationOptions& options) {
  const std::string drafts =
      options.draft == Draft::kNone
          ? ""
          : fmt::format(
                "{} of {} drafted tokens accepted ({:.0f} %), {} steps, drafting {:.0f} ms, ",
                result.accepted, result.drafted, 100 * result.AcceptanceRate(), result.steps,
                result.draft_s * 1e3);
  Tell(fmt::format(
      "stats: {} prompt tokens at {:.1f} tokens/s, first token after {:.0f} ms, {} reply tokens at "
      "{:.1f} tokens/s, {}{}, seed {}, {}\n",
      result.prompt_tokens, result.PromptTokensPerSecond(), result.time_to_first_token_s * 1e3,
      result.tokens.size(), result.DecodeTokensPerSecond(), drafts, EndReasonName(result.reason),
      options.sampling.seed, engine.Description()));
}

void AddRunCommand(CLI::App& app, Action& action) {
  auto run = std::make_shared<Run>();
  RunSettings& settings = run->settings;
  CLI::App& command = *app.add_subcommand("run", "Answer a prompt, or chat")->group("Use a model");
  AddModel(command, settings.model);
  AddText(command, "-p,--prompt", settings.prompt, "TEXT",
          "Answer this and end; without it, what is piped in; on a terminal, a chat");
  AddText(command, "--system", settings.system, "TEXT", "Instructions for the whole conversation");
  AddText(command, "--session", settings.session_file, "FILE",
          "Go on with the conversation in FILE, if it is there, and save it there at the end");
  command.add_flag("--raw", settings.raw, "Continue the text as it is, without the chat format");
  AddInteger(command, "-n,--predict,--max-tokens", run->sampling.max_tokens, int64_t{-1},
             std::numeric_limits<int64_t>::max(), "Most tokens of a reply; -1 is no limit")
      ->default_str("-1");
  AddRepeatable(
      command, "--stop", "TEXT",
      [run = run.get()](const std::string& text) {
        if (text.empty()) ThrowBadValue("--stop", text, "a text to stop at");
        run->sampling.stop.push_back(text);
      },
      "End the reply before this text; may be given again");
  command.add_flag("--stats", settings.stats, "Say speed, time to first token and seed at the end");
  AddQuiet(command, settings.output);
  AddJson(command, settings.output);
  AddSampling(command, run->sampling);
  AddDevices(command, settings.model);
  AddContext(command, settings.model);
  AddDraft(command, run->draft);
  command.footer(
      "In a chat, /help lists the commands. Ctrl-C stops a reply, Ctrl-D ends the chat.\n"
      "--quiet silences --stats too.\n");
  command.final_callback([run, &action] { action = [run] { return RunCommand(*run); }; });
}

}  // namespace tandem::cli
