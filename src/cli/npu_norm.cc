// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu norm: a product and the norms behind it as one list of runs on the NPU, emulated or
// modelled.
#include "cli/npu_norm.h"

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "cli/exit_code.h"
#include "cli/npu_report.h"
#include "cli/output.h"
#include "devices/npu/gemm/norm_plan.h"
#include "devices/npu/timing/norm_time.h"
#include "devices/npu/workbench/norm_trial.h"

namespace tandem::cli {
namespace {

struct NormSettings : ArraySettings {
  npu::NormShape shape;
  std::string type = "i8";
};

npu::NormCase CaseOf(const NormSettings& settings, const npu::GemmConfig& config) {
  npu::NormCase norm;
  norm.device = config.device;
  norm.type = config.type;
  norm.kernel = settings.kernel == "chess" ? npu::KernelClass::kChess : npu::KernelClass::kPeano;
  norm.m = settings.shape.m;
  norm.k = settings.shape.k;
  norm.n = settings.shape.n;
  norm.apart = settings.shape.apart;
  if (settings.clock) norm.clock_hz = *settings.clock * 1e9;
  return norm;
}

/// Weights, packed and as their reference has them.
void RequireSize(const npu::NormShape& shape) {
  constexpr double kMost = 8e9;
  const double bytes = 4 * static_cast<double>(shape.k) * static_cast<double>(shape.n);
  if (bytes <= kMost) return;
  throw Error(ErrorKind::kResource,
              fmt::format("a product of this size takes about {:.1f} GB to make and check, 8 at "
                          "most",
                          bytes / 1e9),
              "--model-only reckons larger ones");
}

int RunNorm(const NormSettings& settings) {
  const npu::GemmConfig config = {ArrayOf(settings.generation, settings.columns),
                                  settings.type == "i4" ? npu::GemmType::kI4 : npu::GemmType::kI8,
                                  npu::GemmOutput::kF32};
  const npu::GemmTime model = npu::ModelNorm(CaseOf(settings, config));
  if (settings.model_only) {
    ReportModelOnly(settings, model);
    return kExitOk;
  }
  RequireDesign(config, "--model-only reckons others");
  if (!npu::FitsNorm(settings.shape)) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("-n {}: Tandem's designs have norms over 257 results and more",
                            settings.shape.n),
                "--model-only reckons larger ones");
  }
  RequireSize(settings.shape);
  ProgressLine progress("multiplying", ProgressLine::Elsewhere::kSilent, settings.output.json);
  const auto runner = MakeRunner(settings.device, config, progress, model.dram_bytes);
  if (!settings.save.empty()) MakeSaveFolder(settings.save);
  const npu::NormTrial trial =
      npu::TryNormOn(*runner, config, settings.shape, settings.seed, npu::kArrayTimeout);
  progress.Clear();
  if (!settings.save.empty()) SaveStreams(settings.save, trial.streams);
  const NpuOutcome outcome{trial.ok, trial.max_abs_error, trial.relative_error, trial.difference};
  ReportRun(settings.output, model, &outcome, runner.get());
  return trial.ok ? kExitOk : kExitFailure;
}

}  // namespace

void AddNpuNorm(CLI::App& npu, Action& action) {
  auto settings = std::make_shared<NormSettings>();
  CLI::App& command =
      *npu.add_subcommand(
              "norm",
              "A product, its RMSNorm, what that is added to and the RMSNorm of this as "
              "one list of runs on the NPU, emulated or not, and how long it takes")
           ->group("Commands");
  const auto side = [&](const char* name, int64_t& target, int64_t most, const char* help) {
    AddInteger<int64_t>(command, name, target, 1, most, help)->required();
  };
  side("-m", settings->shape.m, npu::kMostNormRows, "Rows of the activations (tokens)");
  // In whole tiles, of which results have one more for those apart.
  side("-k", settings->shape.k, npu::kMostNormInputs, "Inputs of the product");
  side("-n", settings->shape.n, npu::kMostNormInputs, "Its results, which the norms are over");
  command.add_flag("--apart", settings->shape.apart,
                   "With results that are much larger than others, in a tile for themselves");
  AddChoice(command, "--type", settings->type, {"i8", "i4"}, "Type of the weights")
      ->default_str("i8");
  AddArrayOptions(command, *settings);
  AddSave(command, settings->save,
          "Write the instruction streams of both runs there, first.bin and second.bin");
  AddJson(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunNorm(*settings); }; });
}

}  // namespace tandem::cli
