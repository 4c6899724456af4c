// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem bench: how fast a model runs here, and where the time goes.
#include "engine/bench.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "cli/profile_report.h"
#include "core/log.h"
#include "engine/profile_picture.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMaxTokens = 1 << 24;
constexpr int kMaxRepetitions = 10000;

struct BenchSettings {
  OutputOptions output;
  ModelOptions model;
  BenchOptions bench;
  bool profile = false;
  std::string profile_file;  ///< Empty for none; else profile is true.
};

/// Length of the prompt of a profile where --prompts is not given.
constexpr int64_t kProfiledPrompt = 128;

Json RowJson(const BenchRow& row, bool with_context) {
  Json json = {{"tokens", row.tokens}};
  if (with_context) json["context"] = row.context;
  json["tps_median"] = row.tps_median;
  json["tps_min"] = row.tps_min;
  json["tps_max"] = row.tps_max;
  return json;
}

void PrintRows(std::string_view what, const std::vector<BenchRow>& rows) {
  for (const BenchRow& row : rows) {
    std::string name = fmt::format("{} {}", what, row.tokens);
    if (row.context > 0) name += fmt::format(" after {}", row.context);
    Print(fmt::format("{:<26} {:>9.1f} {:>9.1f} {:>9.1f}\n", name, row.tps_median, row.tps_min,
                      row.tps_max));
  }
}

void PrintReport(const BenchResult& result, const Model& model, int threads, double load_ms) {
  Print(fmt::format("{}, {}, {} thread{}\n\n", model.source(), result.device, threads,
                    threads == 1 ? "" : "s"));
  Print(fmt::format("{:<26} {:>9} {:>9} {:>9}\n", "tokens/s", "median", "min", "max"));
  PrintRows("prefill", result.prefill);
  PrintRows("decode", result.decode);
  Print(fmt::format("\n{:<26} {:>9.1f} ms\n", "time to first token", result.ttft_ms));
  Print(fmt::format("{:<26} {:>9.1f} ms\n", "load time", load_ms));
  Print(fmt::format("{:<26} {:>12}\n", "peak memory", HumanBytes(PeakResidentBytes())));
}

Json ToJson(const BenchResult& result, const Model& model, int threads, double load_ms) {
  Json prefill = Json::array();
  for (const BenchRow& row : result.prefill) prefill.push_back(RowJson(row, false));
  Json decode = Json::array();
  for (const BenchRow& row : result.decode) decode.push_back(RowJson(row, true));
  return {{"model", model.source()},     {"device", result.device},
          {"threads", threads},          {"prefill", std::move(prefill)},
          {"decode", std::move(decode)}, {"load_ms", load_ms},
          {"ttft_ms", result.ttft_ms},   {"peak_rss_bytes", PeakResidentBytes()}};
}

int RunProfileCommand(const BenchSettings& settings) {
  const std::string& file = settings.profile_file;
  if (!file.empty() && !IsPictureName(file)) {
    ThrowBadValue("--profile-file", file, "a name that ends in .svg or .html");
  }
  const auto require_one = [](std::string_view option, size_t count) {
    if (count == 1) return;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("--profile takes one number with {}, not {}", option, count));
  };
  require_one("--prompts", settings.bench.prompts.size());
  require_one("--depth", settings.bench.contexts.size());
  Engine engine(LoadModel(settings.model), EngineOptionsOf(settings.model));
  ProgressLine progress("measuring", ProgressLine::Elsewhere::kSilent, settings.output.quiet);
  const ProfileResult result = RunProfile(engine, settings.bench, [&progress](int done, int total) {
    progress.Update(static_cast<uint64_t>(done), static_cast<uint64_t>(total));
  });
  progress.Clear();
  if (!file.empty()) WriteProfilePicture(result, file);
  if (settings.output.json) {
    PrintJson(ProfileJson(result));
  } else {
    Print(ProfileText(result));
  }
  return kExitOk;
}

int RunBenchCommand(const BenchSettings& settings) {
  const auto start = std::chrono::steady_clock::now();
  const auto model = LoadModel(settings.model);
  Engine engine(model, EngineOptionsOf(settings.model));
  const double load_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
  ProgressLine progress("measuring", ProgressLine::Elsewhere::kSilent, settings.output.quiet);
  const BenchResult result = RunBench(engine, settings.bench, [&progress](int done, int total) {
    progress.Update(static_cast<uint64_t>(done), static_cast<uint64_t>(total));
  });
  progress.Clear();
  const int threads = ThreadsOf(settings.model);
  if (settings.output.json) {
    PrintJson(ToJson(result, *model, threads, load_ms));
  } else {
    PrintReport(result, *model, threads, load_ms);
  }
  return kExitOk;
}

}  // namespace

void AddBenchCommand(CLI::App& app, Action& action) {
  auto settings = std::make_shared<BenchSettings>();
  BenchOptions& bench = settings->bench;
  CLI::App& command =
      *app.add_subcommand("bench", "Speed of prompts and new tokens")->group("Look closer");
  AddModel(command, settings->model);
  AddIntegerList(command, "-p,--prompts", bench.prompts, int64_t{1}, kMaxTokens,
                 "Lengths of prompts")
      ->default_str(fmt::format("{}", fmt::join(bench.prompts, ",")));
  AddInteger(command, "-n,--predict", bench.decode, int64_t{0}, kMaxTokens, "New tokens; 0 is none")
      ->default_str(std::to_string(bench.decode));
  AddIntegerList(command, "-d,--depth", bench.contexts, int64_t{0}, kMaxTokens,
                 "Tokens in the context before the new ones")
      ->default_str(fmt::format("{}", fmt::join(bench.contexts, ",")));
  AddInteger(command, "-r,--repetitions", bench.repetitions, 1, kMaxRepetitions,
             "How often to measure")
      ->default_str(std::to_string(bench.repetitions));
  command
      .add_flag("--profile", settings->profile,
                "Time, bytes and multiplications of each op, for one prompt length (128)")
      ->group("Where the time goes");
  AddPath(command, "--profile-file", settings->profile_file, "The same as a picture: .svg or .html")
      ->group("Where the time goes");
  AddQuiet(command, settings->output);
  AddJson(command, settings->output);
  AddDevices(command, settings->model);
  command.final_callback([settings, &command, &action] {
    settings->profile = settings->profile || !settings->profile_file.empty();
    if (settings->profile && command.count("--prompts") == 0) {
      settings->bench.prompts = {kProfiledPrompt};
    }
    action = [settings] {
      return settings->profile ? RunProfileCommand(*settings) : RunBenchCommand(*settings);
    };
  });
}

}  // namespace tandem::cli
