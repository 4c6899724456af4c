// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// Measures fable in several weight types on prompts with known replies, and holds the result
// against the bars of docs/accuracy.md. Exit status: 0 all bars met, 1 one was missed, 2 an error.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "core/error.h"
#include "engine/convert.h"
#include "engine/fable_prompts.h"
#include "support/temporary_folder.h"

namespace tandem {
namespace {

constexpr double kLeastTaskPercent = 99.0;
constexpr double kMostPointsLost = 3.0;
constexpr const char* kBaseline = "bf16";

struct Options {
  std::filesystem::path prompts;
  std::filesystem::path source;
  std::vector<std::string> types = {"bf16", "q8_0", "q4_0", "q4_k_m", "bf16/e2b"};
  std::vector<std::filesystem::path> models;
  std::vector<std::string> kv = {"auto"};
  std::string prefill;
  std::string npu_generation = "npu1";
  int each = 0;  ///< Prompts of each kind; 0 = all.
  int workers = 0;
  bool json = false;
  bool misses = false;
};

struct Measured {
  std::string name;
  FableResult result;
  double seconds = 0;
};

// `type` is a weight type, or type/slice.
std::filesystem::path ConvertTo(const Options& options, const std::string& type,
                                const std::filesystem::path& folder) {
  ConvertOptions convert;
  convert.source = options.source;
  const size_t slash = type.find('/');
  convert.type = type.substr(0, slash);
  if (slash != std::string::npos) convert.slice = type.substr(slash + 1);
  convert.output = folder / "model.gguf";
  Convert(convert);
  return convert.output;
}

KvType KvTypeOf(const std::string& name) {
  for (const auto& [type, known] : {std::pair(KvType::kAuto, "auto"),
                                    {KvType::kF32, "f32"},
                                    {KvType::kF16, "f16"},
                                    {KvType::kQ8, "q8_0"}}) {
    if (name == known) return type;
  }
  throw Error(ErrorKind::kInvalidArgument, fmt::format("--kv: no type {}", name));
}

Measured MeasureOne(const Options& options, const std::string& name,
                    const std::filesystem::path& model, const std::string& kv,
                    const std::vector<FablePrompt>& prompts) {
  const auto start = std::chrono::steady_clock::now();
  EngineOptions engine;
  engine.kv = KvTypeOf(kv);
  engine.prefill = options.prefill;
  engine.npu_generation = options.npu_generation;
  Measured measured{name, EvaluateFable(Model::Load(model), prompts, options.workers, engine), 0};
  measured.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  fmt::print(stderr, "{}: {} prompts in {:.0f} s\n", name, prompts.size(), measured.seconds);
  if (options.misses) {
    for (const std::string& miss : measured.result.misses) fmt::print(stderr, "  {}\n", miss);
  }
  return measured;
}

// A column for each type of keys and values.
void Measure(const Options& options, const std::string& name, const std::filesystem::path& model,
             const std::vector<FablePrompt>& prompts, std::vector<Measured>& all) {
  for (const std::string& kv : options.kv) {
    const std::string column = kv == "auto" ? name : fmt::format("{}, KV {}", name, kv);
    all.push_back(MeasureOne(options, column, model, kv, prompts));
  }
}

std::vector<Measured> MeasureAll(const Options& options) {
  auto prompts = ReadFablePrompts(options.prompts);
  if (options.each > 0) prompts = FirstOfEachKind(prompts, options.each);
  std::vector<Measured> all;
  if (!options.source.empty()) {
    const TemporaryFolder folder;
    for (const std::string& type : options.types) {
      Measure(options, type, ConvertTo(options, type, folder.path()), prompts, all);
    }
  }
  for (const auto& model : options.models) {
    Measure(options, model.filename().string(), model, prompts, all);
  }
  return all;
}

std::string Cell(const FableRate& rate) {
  if (rate.asked == 0) return "-";
  return fmt::format("{}/{} {:.1f} %", rate.right, rate.asked, rate.Percent());
}

void PrintTable(const std::vector<Measured>& all) {
  const auto row = [&all](const std::string& label, const auto& text) {
    fmt::print("| {:<9} |", label);
    for (const Measured& measured : all) fmt::print(" {:>15} |", text(measured));
    fmt::print("\n");
  };
  row("kind", [](const Measured& measured) { return measured.name; });
  row("---", [](const Measured&) { return "---:"; });
  for (const auto& [kind, rate] : all[0].result.kinds) {
    if (!IsFableTask(kind)) continue;
    row(kind, [&kind = kind](const Measured& m) { return Cell(m.result.Kind(kind)); });
  }
  row("**tasks**", [](const Measured& measured) { return Cell(measured.result.Tasks()); });
  for (const std::string kind : {"needle", "memory"}) {
    row(kind, [&kind](const Measured& measured) { return Cell(measured.result.Kind(kind)); });
  }
}

void PrintJson(const std::vector<Measured>& all) {
  const auto to_json = [](const FableRate& rate) {
    return nlohmann::json{{"right", rate.right}, {"asked", rate.asked}};
  };
  auto models = nlohmann::json::array();
  for (const Measured& measured : all) {
    nlohmann::json kinds;
    for (const auto& [kind, rate] : measured.result.kinds) kinds[kind] = to_json(rate);
    models.push_back({{"name", measured.name},
                      {"tasks", to_json(measured.result.Tasks())},
                      {"kinds", kinds},
                      {"misses", measured.result.misses},
                      {"seconds", measured.seconds}});
  }
  fmt::print("{}\n", nlohmann::json{{"models", models}}.dump(1));
}

// Says what misses a bar; true when nothing does.
bool CheckBars(const std::vector<Measured>& all) {
  bool met = true;
  const auto missed = [&met](const std::string& text) {
    fmt::print(stderr, "missed: {}\n", text);
    met = false;
  };
  const Measured* baseline = nullptr;
  for (const Measured& measured : all) {
    if (measured.name == kBaseline) baseline = &measured;
  }
  for (const Measured& measured : all) {
    const FableRate tasks = measured.result.Tasks();
    if (tasks.asked > 0 && tasks.Percent() < kLeastTaskPercent) {
      missed(fmt::format("{} answers {} tasks", measured.name, Cell(tasks)));
    }
    if (baseline == nullptr) continue;
    for (const std::string kind : {"needle", "memory"}) {
      const FableRate rate = measured.result.Kind(kind);
      const FableRate whole = baseline->result.Kind(kind);
      if (rate.Percent() >= whole.Percent() - kMostPointsLost) continue;
      missed(fmt::format("{} in {} {}, in {} {}", kind, measured.name, Cell(rate), kBaseline,
                         Cell(whole)));
    }
  }
  return met;
}

int Run(int argc, char** argv) {
  Options options;
  CLI::App app("Exact replies of fable on prompts with known answers, as a table");
  app.add_option("--prompts", options.prompts, "What tools/make_fable_prompts.py wrote")
      ->required();
  app.add_option("--convert", options.source, "Model to convert to each of --types");
  app.add_option("--types", options.types, "Weight types, or type/slice, separated by commas")
      ->delimiter(',');
  app.add_option("--model,-m", options.models, "Model to measure as it is; may be repeated");
  app.add_option("--kv", options.kv, "Types of keys and values, separated by commas")
      ->delimiter(',');
  app.add_option("--prefill", options.prefill, "Device of prompts");
  app.add_option("--npu-generation", options.npu_generation, "npu1 or npu2, with --prefill npu");
  app.add_option("--each", options.each, "Prompts of each kind, the first ones; 0 = all");
  app.add_option("--workers", options.workers, "Threads, an engine each; 0 = all processors");
  app.add_flag("--misses", options.misses, "List the wrong replies on stderr");
  app.add_flag("--json", options.json, "Counts as JSON instead of a table");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  try {
    const auto all = MeasureAll(options);
    if (all.empty()) throw Error(ErrorKind::kInvalidArgument, "give --convert or --model");
    if (options.json) {
      PrintJson(all);
    } else {
      PrintTable(all);
    }
    return CheckBars(all) ? 0 : 1;
  } catch (const std::exception& error) {
    fmt::print(stderr, "fable_accuracy: {}\n", error.what());
    return 2;
  }
}

}  // namespace
}  // namespace tandem

int main(int argc, char** argv) { return tandem::Run(argc, argv); }
