// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu mlp: gate, up, GELU and down as one list of runs on the NPU, emulated or modelled.
#include "cli/npu_mlp.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "cli/exit_code.h"
#include "cli/npu_report.h"
#include "cli/output.h"
#include "devices/npu/gemm/gated_plan.h"
#include "devices/npu/timing/gated_time.h"
#include "devices/npu/workbench/gated_trial.h"

namespace tandem::cli {
namespace {

struct MlpSettings : ArraySettings {
  npu::GatedShape shape;
  std::optional<double> deviations;
  std::string type = "i8";
};

npu::GatedCase CaseOf(const MlpSettings& settings, const npu::GemmConfig& config) {
  npu::GatedCase gated;
  gated.device = config.device;
  gated.type = config.type;
  gated.kernel = settings.kernel == "chess" ? npu::KernelClass::kChess : npu::KernelClass::kPeano;
  gated.m = settings.shape.m;
  gated.gate_k = settings.shape.gate_k;
  gated.up_k = settings.shape.up_k > 0 ? settings.shape.up_k : settings.shape.gate_k;
  gated.neurons = settings.shape.neurons;
  gated.n = settings.shape.n;
  gated.cuts = settings.deviations.has_value();
  if (settings.clock) gated.clock_hz = *settings.clock * 1e9;
  return gated;
}

/// Weights, packed and as their reference has them, and results.
void RequireSize(const npu::GatedShape& shape) {
  constexpr double kMost = 8e9;
  const auto inputs = static_cast<double>(shape.gate_k + std::max(shape.gate_k, shape.up_k));
  const double weights =
      static_cast<double>(shape.neurons) * (inputs + static_cast<double>(shape.n));
  const double values =
      static_cast<double>(shape.m) * (inputs + static_cast<double>(shape.neurons + shape.n));
  const double bytes = 10 * weights + 24 * values;
  if (bytes <= kMost) return;
  throw Error(ErrorKind::kResource,
              fmt::format("an MLP of this size takes about {:.1f} GB to make and check, 8 at most",
                          bytes / 1e9),
              "--model-only reckons larger ones");
}

int RunMlp(const MlpSettings& settings) {
  const npu::GemmConfig config = {ArrayOf(settings.generation, settings.columns),
                                  settings.type == "i4" ? npu::GemmType::kI4 : npu::GemmType::kI8,
                                  npu::GemmOutput::kF32};
  if (settings.deviations && settings.shape.up_k > 0) {
    throw Error(ErrorKind::kInvalidArgument,
                "--cut and --up: gates are cut where up has their inputs");
  }
  const npu::GemmTime model = npu::ModelGated(CaseOf(settings, config));
  if (settings.model_only) {
    ReportModelOnly(settings, model);
    return kExitOk;
  }
  RequireDesign(config, "--model-only reckons others");
  if (!npu::FitsGated(settings.shape)) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("-k {} and --up {}: Tandem's designs take {} together at most, in tiles "
                    "of 128",
                    settings.shape.gate_k, settings.shape.up_k, npu::kMostGatedSum),
        "--model-only reckons larger ones");
  }
  RequireSize(settings.shape);
  ProgressLine progress("multiplying", ProgressLine::Elsewhere::kSilent, settings.output.json);
  const auto runner = MakeRunner(settings.device, config, progress, model.dram_bytes);
  if (!settings.save.empty()) MakeSaveFolder(settings.save);
  std::optional<float> deviations;
  if (settings.deviations) deviations = static_cast<float>(*settings.deviations);
  const npu::GatedTrial trial = npu::TryGatedOn(*runner, config, settings.shape, settings.seed,
                                                npu::kArrayTimeout, deviations);
  progress.Clear();
  if (!settings.save.empty()) SaveStreams(settings.save, trial.streams);
  const NpuOutcome outcome{trial.ok, trial.max_abs_error, trial.relative_error, trial.difference};
  ReportRun(settings.output, model, &outcome, runner.get());
  return trial.ok ? kExitOk : kExitFailure;
}

}  // namespace

void AddNpuMlp(CLI::App& npu, Action& action) {
  auto settings = std::make_shared<MlpSettings>();
  CLI::App& command =
      *npu.add_subcommand("mlp",
                          "Gate, up, GELU and down as one list of runs on the NPU, emulated or "
                          "not, and how long it takes")
           ->group("Commands");
  const auto side = [&](const char* name, int64_t& target, int64_t most, const char* help) {
    return AddInteger<int64_t>(command, name, target, 1, most, help);
  };
  side("-m", settings->shape.m, npu::kMostGemmRows, "Rows of the activations (tokens)")->required();
  side("-k", settings->shape.gate_k, npu::kMostGatedSum, "Inputs of the gate, and of up")
      ->required();
  side("--up", settings->shape.up_k, npu::kMostGatedSum, "Inputs of up's own")
      ->default_str("the gate's");
  side("--neurons", settings->shape.neurons, npu::kMostGatedSum, "Results of gate and up")
      ->required();
  side("-n", settings->shape.n, npu::kMostGemmColumns, "Results of down")->required();
  AddReal(
      command, "--cut", settings->deviations, -100, 100,
      "Cut the gates of a row so many standard deviations above their mean (1.645 leaves one in "
      "twenty)")
      ->default_str("not cut");
  AddChoice(command, "--type", settings->type, {"i8", "i4"}, "Type of the weights")
      ->default_str("i8");
  AddArrayOptions(command, *settings);
  AddSave(command, settings->save,
          "Write the instruction streams of all runs there, first.bin, second.bin and third.bin");
  AddJson(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunMlp(*settings); }; });
}

}  // namespace tandem::cli
