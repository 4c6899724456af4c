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
#include "core/thread_team.h"
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
  std::vector<int> threads = {0};  ///< Counts to compare.
  bool profile = false;
  std::string profile_file;  ///< Empty for none; else profile is true.
};

/// Length of the prompt of a profile where --prompts is not given.
constexpr int64_t kProfiledPrompt = 128;

// Of one count of threads.
struct Measured {
  int threads = 0;
  double load_ms = 0;
  BenchResult result;
};

// `first` are the rows of the first count, or empty where there is one only.
Json RowsJson(const std::vector<BenchRow>& rows, const std::vector<BenchRow>& first) {
  Json list = Json::array();
  for (size_t i = 0; i < rows.size(); ++i) {
    const BenchRow& row = rows[i];
    Json json = {{"tokens", row.tokens},
                 {"context", row.context},
                 {"tps_median", row.tps_median},
                 {"tps_min", row.tps_min},
                 {"tps_max", row.tps_max}};
    if (!first.empty()) json["speedup"] = row.tps_median / first[i].tps_median;
    list.push_back(std::move(json));
  }
  return list;
}

std::string RowName(std::string_view what, const BenchRow& row) {
  std::string name = fmt::format("{} {}", what, row.tokens);
  if (row.context > 0) name += fmt::format(" after {}", row.context);
  return name;
}

void PrintRows(std::string_view what, const std::vector<BenchRow>& rows) {
  for (const BenchRow& row : rows) {
    Print(fmt::format("{:<26} {:>9.1f} {:>9.1f} {:>9.1f}\n", RowName(what, row), row.tps_median,
                      row.tps_min, row.tps_max));
  }
}

void PrintReport(const Measured& measured, const Model& model) {
  const BenchResult& result = measured.result;
  Print(fmt::format("{}, {}, {} thread{}\n\n", model.source(), result.device, measured.threads,
                    measured.threads == 1 ? "" : "s"));
  Print(fmt::format("{:<26} {:>9} {:>9} {:>9}\n", "tokens/s", "median", "min", "max"));
  PrintRows("prefill", result.prefill);
  PrintRows("decode", result.decode);
  Print(fmt::format("\n{:<26} {:>9.1f} ms\n", "time to first token", result.ttft_ms));
  Print(fmt::format("{:<26} {:>9.1f} ms\n", "load time", measured.load_ms));
  Print(fmt::format("{:<26} {:>12}\n", "peak memory", HumanBytes(PeakResidentBytes())));
}

// A block per length: a line per count of threads, with the speed-up over the first.
void PrintScaling(const std::vector<Measured>& all, const Model& model) {
  Print(fmt::format("{}, {}\n", model.source(), all[0].result.device));
  const auto block = [&](std::string_view what, std::vector<BenchRow> BenchResult::*rows) {
    for (size_t i = 0; i < (all[0].result.*rows).size(); ++i) {
      const BenchRow& first = (all[0].result.*rows)[i];
      Print(fmt::format("\n{:<26} {:>9} {:>9} {:>9} {:>9}\n", RowName(what, first), "median", "min",
                        "max", "speed-up"));
      for (const Measured& measured : all) {
        const BenchRow& row = (measured.result.*rows)[i];
        Print(fmt::format(
            "{:<26} {:>9.1f} {:>9.1f} {:>9.1f} {:>9.2f}\n",
            fmt::format("{} thread{}", measured.threads, measured.threads == 1 ? "" : "s"),
            row.tps_median, row.tps_min, row.tps_max, row.tps_median / first.tps_median));
      }
    }
  };
  block("prefill", &BenchResult::prefill);
  block("decode", &BenchResult::decode);
}

Json ToJson(const Measured& measured, const Model& model) {
  const BenchResult& result = measured.result;
  return {{"model", model.source()},
          {"device", result.device},
          {"threads", measured.threads},
          {"prefill", RowsJson(result.prefill, {})},
          {"decode", RowsJson(result.decode, {})},
          {"load_ms", measured.load_ms},
          {"ttft_ms", result.ttft_ms},
          {"peak_rss_bytes", PeakResidentBytes()}};
}

Json ScalingJson(const std::vector<Measured>& all, const Model& model) {
  Json list = Json::array();
  const BenchResult& first = all[0].result;
  for (const Measured& measured : all) {
    list.push_back({{"threads", measured.threads},
                    {"prefill", RowsJson(measured.result.prefill, first.prefill)},
                    {"decode", RowsJson(measured.result.decode, first.decode)},
                    {"ttft_ms", measured.result.ttft_ms}});
  }
  return {{"model", model.source()},
          {"device", first.device},
          {"load_ms", all[0].load_ms},
          {"peak_rss_bytes", PeakResidentBytes()},
          {"scaling", std::move(list)}};
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
  require_one("--threads", settings.threads.size());
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
  auto start = std::chrono::steady_clock::now();
  const auto model = LoadModel(settings.model);
  const int counts = static_cast<int>(settings.threads.size());
  ProgressLine progress("measuring", ProgressLine::Elsewhere::kSilent, settings.output.quiet);
  std::vector<Measured> all;
  for (const int threads : settings.threads) {
    EngineOptions options = EngineOptionsOf(settings.model);
    options.threads = TeamSize(threads);
    Engine engine(model, options);
    Measured& measured = all.emplace_back();
    measured.threads = options.threads;
    measured.load_ms =
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    const int before = static_cast<int>(all.size()) - 1;
    measured.result = RunBench(engine, settings.bench, [&](int done, int total) {
      progress.Update(static_cast<uint64_t>(before * total + done),
                      static_cast<uint64_t>(counts * total));
    });
    start = std::chrono::steady_clock::now();
  }
  progress.Clear();
  if (counts > 1) {
    settings.output.json ? PrintJson(ScalingJson(all, *model)) : PrintScaling(all, *model);
  } else {
    settings.output.json ? PrintJson(ToJson(all[0], *model)) : PrintReport(all[0], *model);
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
                 "Tokens in the context before prompts and new tokens")
      ->default_str(fmt::format("{}", fmt::join(bench.contexts, ",")));
  command.add_flag("--greedy", bench.greedy,
                   "New tokens as in replies, the likeliest each time; else random ones");
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
  AddDevices(command, settings->model, &settings->threads);
  command.final_callback([settings, &command, &action] {
    settings->profile = settings->profile || !settings->profile_file.empty();
    settings->model.threads = settings->threads[0];
    if (settings->profile && command.count("--prompts") == 0) {
      settings->bench.prompts = {kProfiledPrompt};
    }
    action = [settings] {
      return settings->profile ? RunProfileCommand(*settings) : RunBenchCommand(*settings);
    };
  });
}

}  // namespace tandem::cli
