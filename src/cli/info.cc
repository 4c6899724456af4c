// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem info: what a model is made of and what running it needs.
#include "engine/info.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "engine/check.h"
#include "engine/memory_fit.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InfoSettings {
  OutputOptions output;
  ModelOptions model;
  bool tensors = false;
  bool check = false;
};

constexpr size_t kMostBadTensors = 20;  // that the report lists; JSON lists all

void PrintRow(std::string_view name, std::string_view value) {
  Print(fmt::format("{:<24} {}\n", name, Printable(value, 400)));
}

std::string ShapeText(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void PrintTensors(const ModelInfo& info) {
  Print("\nTensors\n");
  size_t width = 0;
  for (const TensorInfo& tensor : info.tensors) {
    width = std::max(width, Printable(tensor.name, 60).size());
  }
  for (const TensorInfo& tensor : info.tensors) {
    Print(fmt::format("  {:<{}}  {:<6} {:>9}  {}\n", Printable(tensor.name, 60), width, tensor.type,
                      HumanBytes(tensor.bytes), ShapeText(tensor.shape)));
  }
}

std::string HashText(const CheckedFile& file) {
  std::string text;
  for (const uint8_t byte : file.hash) text += fmt::format("{:02x}", byte);
  return text;
}

void PrintCheck(const CheckResult& check) {
  Print("\nFiles (XXH3-128)\n");
  for (const CheckedFile& file : check.files) {
    Print(fmt::format("  {}  {:>9}  {}\n", HashText(file), HumanBytes(file.bytes), file.name));
  }
  Print("\nNumbers\n");
  PrintRow("  looked at", fmt::format("{} tensors, {}, in {:.1f} s", check.tensors,
                                      HumanBytes(check.tensor_bytes), check.seconds));
  for (const std::string& name : check.skipped) PrintRow("  not looked at", name);
  PrintRow("  not finite", check.ok() ? "none" : fmt::format("in {} of them", check.bad.size()));
  for (size_t i = 0; i < std::min(check.bad.size(), kMostBadTensors); ++i) {
    const BadTensor& bad = check.bad[i];
    Print(fmt::format("    {}  {}  {}: {}, first at {}\n", bad.name, bad.type, ShapeText(bad.shape),
                      bad.count, ShapeText(bad.first)));
  }
  if (check.bad.size() > kMostBadTensors) Print("    ...\n");
}

uint64_t Total(const MemoryNeed& need) {
  return need.weights + need.kv + need.activations + need.copies;
}

std::string FitText(const MemoryNeed& need) {
  const MemoryLimits limits = ReadMemoryLimits();
  const MemoryFit fit = FitMemory(need, limits);
  const auto* verdict = !fit.working   ? "does not fit"
                        : !fit.weights ? "weights do not fit and will be read again and again"
                                       : "fits";
  return fmt::format("{}: {}", verdict, LimitsText(limits));
}

Json MemoryJson(const MemoryNeed& need, int64_t context) {
  const MemoryLimits limits = ReadMemoryLimits();
  const MemoryFit fit = FitMemory(need, limits);
  const auto room = [](std::optional<uint64_t> bytes) { return bytes ? Json(*bytes) : Json(); };
  return {{"context", context},
          {"weights", need.weights},
          {"kv", need.kv},
          {"activations", need.activations},
          {"reordered_weights", need.copies},
          {"total", Total(need)},
          {"available", room(limits.available)},
          {"cgroup", room(limits.cgroup)},
          {"address_space", room(limits.address_space)},
          {"working_fits", fit.working},
          {"weights_fit", fit.weights}};
}

void PrintReport(const ModelInfo& info, const MemoryNeed& need, int64_t context, bool tensors) {
  PrintRow("Model", info.source);
  if (!info.name.empty()) PrintRow("Name", info.name);
  PrintRow("Architecture", info.architecture);
  PrintRow("Format", fmt::format("{}, {}", info.format, HumanBytes(info.file_bytes)));
  PrintRow("Weights", HumanCount(info.weights));
  PrintRow("Tokenizer", info.tokenizer);
  PrintRow("Context length", std::to_string(info.context_length));
  Print("\nShape\n");
  for (const auto& [name, value] : info.shape) PrintRow("  " + Printable(name), value);
  Print("\nTypes\n");
  for (const auto& [type, use] : info.types) {
    PrintRow("  " + type, fmt::format("{:>4} tensors {:>9}", use.first, HumanBytes(use.second)));
  }
  Print("\nRunning it\n");
  PrintRow("  read per new token", HumanBytes(info.bytes_per_token));
  PrintRow(fmt::format("  memory, {} tokens", context),
           fmt::format("{} (weights {}, keys and values {}, activations {}, reordered weights {})",
                       HumanBytes(Total(need)), HumanBytes(need.weights), HumanBytes(need.kv),
                       HumanBytes(need.activations), HumanBytes(need.copies)));
  PrintRow("  here", FitText(need));
  if (!info.notes.empty()) Print("\nNotes\n");
  for (const std::string& note : info.notes) Print(fmt::format("  {}\n", Printable(note, 300)));
  if (tensors) PrintTensors(info);
}

Json ToJson(const ModelInfo& info, const MemoryNeed& need, int64_t context, bool with_tensors) {
  Json shape = Json::object();
  for (const auto& [name, value] : info.shape) shape[name] = value;
  Json types = Json::object();
  for (const auto& [type, use] : info.types) {
    types[type] = {{"tensors", use.first}, {"bytes", use.second}};
  }
  Json json = {{"model", info.source},
               {"name", info.name},
               {"architecture", info.architecture},
               {"format", info.format},
               {"file_bytes", info.file_bytes},
               {"weights", info.weights},
               {"tokenizer", info.tokenizer},
               {"context_length", info.context_length},
               {"shape", std::move(shape)},
               {"types", std::move(types)},
               {"bytes_per_token", info.bytes_per_token},
               {"memory", MemoryJson(need, context)},
               {"notes", info.notes}};
  if (with_tensors) {
    Json tensors = Json::array();
    for (const TensorInfo& tensor : info.tensors) {
      tensors.push_back({{"name", tensor.name},
                         {"type", tensor.type},
                         {"shape", tensor.shape},
                         {"bytes", tensor.bytes}});
    }
    json["tensors"] = std::move(tensors);
  }
  return json;
}

Json ToJson(const CheckResult& check) {
  Json files = Json::array();
  for (const CheckedFile& file : check.files) {
    files.push_back({{"name", file.name}, {"bytes", file.bytes}, {"xxh3_128", HashText(file)}});
  }
  Json bad = Json::array();
  for (const BadTensor& tensor : check.bad) {
    bad.push_back({{"name", tensor.name},
                   {"type", tensor.type},
                   {"shape", tensor.shape},
                   {"count", tensor.count},
                   {"first", tensor.first}});
  }
  return {{"ok", check.ok()},
          {"files", std::move(files)},
          {"tensors", check.tensors},
          {"tensor_bytes", check.tensor_bytes},
          {"not_finite", std::move(bad)},
          {"skipped", check.skipped},
          {"seconds", check.seconds}};
}

CheckResult RunCheck(const Model& model) {
  ProgressLine progress("checking", ProgressLine::Elsewhere::kSilent, /*quiet=*/false);
  const InterruptScope interrupts(InterruptMode::kCancel);
  return CheckModel(model, [&](uint64_t done, uint64_t total, std::string_view name) {
    if (Interrupted()) throw Error(ErrorKind::kCancelled, "interrupted");
    progress.Update(done, total, name);
  });
}

/// What a script gets for a model that cannot be looked at.
Json ToJson(const Error& error, const InfoSettings& settings) {
  const std::string& path = settings.model.model;
  Json about = {{"kind", ErrorKindName(error.kind())}, {"message", error.message()}};
  if (!error.hint().empty()) about["hint"] = error.hint();
  Json json = {{"model", path.empty() ? Json() : Json(Printable(path, 4096))},
               {"error", std::move(about)}};
  if (settings.check) json["check"] = {{"ok", false}};
  return json;
}

bool IsAboutTheModel(ErrorKind kind) {
  return kind == ErrorKind::kNotFound || kind == ErrorKind::kCorruptFile ||
         kind == ErrorKind::kUnsupported || kind == ErrorKind::kIo;
}

struct Findings {
  std::shared_ptr<const Model> model;
  ModelInfo info;
  int64_t context;
  MemoryNeed need;
  std::optional<CheckResult> check;
};

Findings Inspect(const InfoSettings& settings) {
  // The notes are part of the report.
  const std::string& path = settings.model.model;
  auto model = path.empty() ? Model::LoadEmbedded() : Model::Load(path);
  const int64_t context =
      settings.model.context > 0 ? settings.model.context : model->context_length();
  if (context > model->context_length()) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("--ctx: {} tokens are more than the model's {}", context,
                            model->context_length()));
  }
  Findings found{model, Describe(*model), context,
                 EstimateMemory(*model, context, KvTypeOf(settings.model)), std::nullopt};
  if (settings.check) found.check = RunCheck(*model);
  return found;
}

Findings InspectOrSayWhyNot(const InfoSettings& settings) {
  try {
    return Inspect(settings);
  } catch (const Error& error) {
    if (settings.output.json && IsAboutTheModel(error.kind())) {
      PrintJson(ToJson(error, settings));
      FlushOutput();
    }
    throw;
  }
}

int RunInfo(const InfoSettings& settings) {
  const Findings found = InspectOrSayWhyNot(settings);
  const std::optional<CheckResult>& check = found.check;
  if (settings.output.json) {
    Json json = ToJson(found.info, found.need, found.context, settings.tensors);
    if (check) json["check"] = ToJson(*check);
    PrintJson(json);
  } else {
    PrintReport(found.info, found.need, found.context, settings.tensors);
    if (check) PrintCheck(*check);
  }
  if (!check || check->ok()) return kExitOk;
  FlushOutput();
  const BadTensor& first = check->bad.front();
  return Report(Error(ErrorKind::kCorruptFile,
                      fmt::format("{}: {} of {} tensors hold values that are not finite, first "
                                  "'{}' at {}",
                                  found.model->source(), check->bad.size(), check->tensors,
                                  first.name, ShapeText(first.first)),
                      "get the model again, or convert it again from its source"));
}

}  // namespace

void AddInfoCommand(CLI::App& app, Action& action) {
  auto settings = std::make_shared<InfoSettings>();
  CLI::App& command =
      *app.add_subcommand("info", "What a model is made of, and the memory it needs")
           ->group("Look closer");
  CLI::Option* model = AddModel(command, settings->model);
  AddPath(command, "MODEL", settings->model.model, "The same as -m")->excludes(model);
  command.add_flag("--tensors", settings->tensors, "List every tensor");
  command.add_flag("--check", settings->check,
                   "Read all of it: hashes, and whether every stored number is finite");
  AddContext(command, settings->model);
  AddKv(command, settings->model);
  AddJson(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunInfo(*settings); }; });
}

}  // namespace tandem::cli
