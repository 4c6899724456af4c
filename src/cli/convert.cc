// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem convert: a model as one GGUF file, in another type or cut to a smaller one.
#include "engine/convert.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdio>
#include <memory>
#include <string>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "core/log.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

struct ConvertSettings {
  OutputOptions output;
  ConvertOptions options;
};

void PrintSummary(const ConvertSummary& summary, const ConvertOptions& options) {
  Tell(fmt::format("wrote {}: {}, {} tensors in {} layers, {} weights, {:.1f} s\n",
                   Printable(options.output.string(), 200), HumanBytes(summary.bytes),
                   summary.tensors, summary.layers, HumanCount(summary.weights), summary.seconds));
  for (const auto& [type, bytes] : summary.bytes_by_type) {
    Tell(fmt::format("  {:<6} {:>9}\n", type, HumanBytes(bytes)));
  }
  for (const auto& [change, count] : summary.fallbacks) {
    Tell(fmt::format("  {} in {} tensor{} whose rows do not fit the type asked for\n", change,
                     count, count == 1 ? "" : "s"));
  }
}

Json ToJson(const ConvertSummary& summary, const ConvertOptions& options) {
  Json types = Json::object();
  for (const auto& [type, bytes] : summary.bytes_by_type) types[type] = bytes;
  Json fallbacks = Json::object();
  for (const auto& [change, count] : summary.fallbacks) fallbacks[change] = count;
  return {{"output", options.output.string()},
          {"type", options.type},
          {"bytes", summary.bytes},
          {"tensors", summary.tensors},
          {"layers", summary.layers},
          {"weights", summary.weights},
          {"seconds", summary.seconds},
          {"bytes_by_type", std::move(types)},
          {"fallbacks", std::move(fallbacks)},
          {"notes", summary.notes}};
}

int RunConvert(const ConvertSettings& settings) {
  ProgressLine progress("converting", ProgressLine::Elsewhere::kTenths, settings.output.quiet);
  const InterruptScope interrupts(InterruptMode::kCancel);
  const ConvertSummary summary =
      Convert(settings.options, [&](uint64_t done, uint64_t total, std::string_view tensor) {
        // Leaves through Convert, which removes what it has written.
        if (Interrupted()) throw Error(ErrorKind::kCancelled, "interrupted");
        progress.Update(done, total, tensor);
      });
  progress.Clear();
  for (const std::string& note : summary.notes) log::Info("{}", Printable(note, 300));
  if (!settings.output.quiet) PrintSummary(summary, settings.options);
  if (settings.output.json) PrintJson(ToJson(summary, settings.options));
  return kExitOk;
}

}  // namespace

void AddConvertCommand(CLI::App& app, Action& action) {
  auto settings = std::make_shared<ConvertSettings>();
  ConvertOptions& options = settings->options;
  CLI::App& command =
      *app.add_subcommand("convert", "Write a model as one GGUF file")->group("Make a model");
  AddPath(command, "SRC", options.source,
          "GGUF file or Hugging Face folder; the built-in model if not given");
  AddPath(command, "-o,--output", options.output, "GGUF file to write; replaced when complete")
      ->required();
  AddChoice(command, "--type", options.type, ConvertTypes(), "Type of the weights")
      ->default_str(options.type);
  AddChoice(command, "--slice", options.slice, {"e2b"},
            "Cut out the smaller model that is nested inside")
      ->group("A nested model");
  AddText(command, "--slice-skip", options.slice_skip, "LAYERS",
          "Leave out these layers: 20-24, or 5,7,9-11")
      ->group("A nested model");
  AddText(command, "--slice-ffn", options.slice_ffn, "WIDTHS",
          "Keep this width of every feed-forward layer, or one width per kept layer")
      ->group("A nested model");
  AddInteger(command, "-t,--threads", options.threads, 0, kMaxThreads,
             "CPU threads; 0 is one per fast core")
      ->default_str("0");
  AddQuiet(command, settings->output);
  AddJson(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunConvert(*settings); }; });
}

}  // namespace tandem::cli
