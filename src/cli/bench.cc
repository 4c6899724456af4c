// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem bench: how fast a model runs here.
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
#include "core/log.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMaxTokens = 1 << 24;
constexpr int kMaxRepetitions = 10000;

struct BenchSettings {
  OutputOptions output;
  ModelOptions model;
  BenchOptions bench;
};

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
  AddQuiet(command, settings->output);
  AddJson(command, settings->output);
  AddDevices(command, settings->model);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunBenchCommand(*settings); }; });
}

}  // namespace tandem::cli
