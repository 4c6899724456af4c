// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu attention: an attention on the NPU, emulated or modelled.
#include "cli/npu_attention.h"

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/npu_report.h"
#include "cli/output.h"
#include "devices/npu/attention/attention_plan.h"
#include "devices/npu/timing/attention_time.h"
#include "devices/npu/workbench/attention_trial.h"
#include "formats/npy.h"

namespace tandem::cli {
namespace {

struct AttentionSettings : ArraySettings {
  int64_t rows = 0;
  int64_t keys = 0;  ///< 0: as many as rows.
  npu::AttentionShape shape{8, 2, 256};
  int64_t window = 0;
};

/// Any design that attends: what is between the products of a prompt runs on theirs.
npu::GemmConfig ConfigOf(const AttentionSettings& settings) {
  npu::GemmConfig config{ArrayOf(settings.generation, settings.columns), npu::GemmType::kBf16,
                         npu::GemmOutput::kF32};
  return config;
}

void SaveValues(const std::filesystem::path& path, const std::vector<float>& values,
                int64_t positions, int64_t heads, int64_t dims) {
  const int64_t shape[] = {positions, heads, dims};
  NpyWriter<float> writer(path, shape);
  writer.Write(values);
  writer.Finish();
}

void Save(const std::filesystem::path& folder, const npu::AttentionTrial& trial) {
  const auto [heads, kv_heads, dims] = trial.plan.shape;
  const auto rows = static_cast<int64_t>(trial.plan.rows.size());
  SaveValues(folder / "q.npy", trial.q, rows, heads, dims);
  SaveValues(folder / "k.npy", trial.k, trial.keys, kv_heads, dims);
  SaveValues(folder / "v.npy", trial.v, trial.keys, kv_heads, dims);
  SaveValues(folder / "o.npy", trial.o, rows, heads, dims);
  SaveStream(folder / "attention.bin", trial.stream);
}

/// Values, packed and unpacked, and a row of their reference.
void RequireSize(const npu::AttentionPlan& plan, int64_t keys) {
  constexpr double kMost = 8e9;
  const auto [heads, kv_heads, dims] = plan.shape;
  const double values =
      2.0 * static_cast<double>(keys * kv_heads * dims) +
      2.0 * static_cast<double>(heads * dims) * static_cast<double>(plan.rows.size());
  const double bytes = 4 * values + static_cast<double>(plan.bytes());
  if (bytes <= kMost) return;
  throw Error(
      ErrorKind::kResource,
      fmt::format("attention of this size takes about {:.1f} GB to make and check, 8 at most",
                  bytes / 1e9),
      "fewer positions (-q, --kv) or heads; --model-only reckons larger ones");
}

int RunAttention(const AttentionSettings& settings) {
  const npu::GemmConfig config = ConfigOf(settings);
  const int64_t keys = settings.keys > 0 ? settings.keys : settings.rows;
  if (settings.rows > keys) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("-q {}: the queries are the last of --kv {} positions", settings.rows, keys));
  }
  if (settings.shape.heads % settings.shape.kv_heads != 0) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("--heads {}: no multiple of --kv-heads {}, which share them evenly",
                            settings.shape.heads, settings.shape.kv_heads));
  }
  RequireDesign(config);
  const npu::KernelClass kernel =
      settings.kernel == "chess" ? npu::KernelClass::kChess : npu::KernelClass::kPeano;
  std::optional<double> clock;
  if (settings.clock) clock = *settings.clock * 1e9;
  const npu::AttentionPlan plan = npu::PlanAttention(
      config, settings.shape, npu::CausalRows(settings.rows, keys, settings.window));
  const npu::GemmTime model = npu::ModelAttention(npu::WorkOf(plan), kernel, clock);
  if (settings.model_only) {
    ReportModelOnly(settings, model);
    return kExitOk;
  }
  RequireSize(plan, keys);
  ProgressLine progress("attending", ProgressLine::Elsewhere::kSilent, settings.output.json);
  const auto runner = MakeRunner(settings.device, config, progress, model.dram_bytes);
  if (!settings.save.empty()) MakeSaveFolder(settings.save);
  const npu::AttentionTrial trial =
      npu::TryAttentionOn(*runner, config, settings.shape, settings.rows, keys, settings.window,
                          settings.seed, npu::kArrayTimeout);
  progress.Clear();
  if (!settings.save.empty()) Save(settings.save, trial);
  const NpuOutcome outcome{trial.ok, trial.max_abs_error, {}, {}};
  ReportRun(settings.output, model, &outcome, runner.get());
  return trial.ok ? kExitOk : kExitFailure;
}

}  // namespace

void AddNpuAttention(CLI::App& npu, Action& action) {
  auto settings = std::make_shared<AttentionSettings>();
  CLI::App& command =
      *npu.add_subcommand("attention",
                          "Attend on the NPU, emulated or not, and reckon how long it takes")
           ->group("Commands");
  const auto count = [&](const char* name, int64_t& target, int64_t most, const char* help) {
    return AddInteger<int64_t>(command, name, target, 1, most, help);
  };
  count("-q,-m", settings->rows, npu::kMostAttentionRows,
        "Rows of queries (tokens): the last of the positions")
      ->required();
  count("--kv", settings->keys, npu::kMostAttentionKeys, "Positions with keys and values")
      ->default_str("as many as queries");
  count("--heads", settings->shape.heads, npu::kMostAttentionHeads, "Heads of queries")
      ->default_str("8");
  count("--kv-heads", settings->shape.kv_heads, npu::kMostAttentionHeads,
        "Heads of keys, which those share")
      ->default_str("2");
  count("--head-dim", settings->shape.head_dim, npu::kMostHeadDim, "Length of a head")
      ->default_str("256");
  AddInteger<int64_t>(command, "--window", settings->window, 0, npu::kMostAttentionKeys,
                      "Positions that a query sees, its own included; 0 = all")
      ->default_str("0");
  AddArrayOptions(command, *settings);
  AddSave(command, settings->save,
          "Write q.npy, k.npy, v.npy, o.npy and the instruction stream attention.bin there");
  AddJson(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunAttention(*settings); }; });
}

}  // namespace tandem::cli
