// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu gemm: a matrix product on the NPU, emulated or modelled.
#include "cli/npu_gemm.h"

#include <fmt/format.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "cli/exit_code.h"
#include "cli/npu_report.h"
#include "cli/output.h"
#include "devices/npu/gemm/gemm_design.h"
#include "devices/npu/gemm/gemm_stream.h"
#include "devices/npu/timing/gemm_time.h"
#include "devices/npu/workbench/gemm_trial.h"
#include "formats/npy.h"

namespace tandem::cli {
namespace {

constexpr int64_t kMostSide = 1 << 20;

struct GemmSettings : ArraySettings {
  npu::GemmShape shape;
  std::string type = "i8";
  std::string activations;
  std::string out;
  std::optional<std::string> tile;
};

/// "64x128x64".
npu::GemmShape ParseTile(const std::string& text) {
  std::array<int64_t, 3> sides{};
  size_t start = 0;
  for (size_t i = 0; i < sides.size(); ++i) {
    const size_t cross = i < 2 ? text.find('x', start) : text.size();
    if (cross == std::string::npos || (i == 2 && text.find('x', start) != std::string::npos)) {
      ThrowBadValue("--tile", text, "MxKxN, as in 64x128x64");
    }
    sides[i] = ParseInteger<int64_t>("--tile", std::string_view(text).substr(start, cross - start),
                                     1, 4096);
    start = cross + 1;
  }
  return {sides[0], sides[1], sides[2]};
}

npu::GemmType TypeOf(const GemmSettings& settings) {
  // Who wants 4-bit weights and bf16 out most likely has bf16 activations, too.
  const bool floats =
      settings.activations == "bf16" || (settings.activations.empty() && settings.model_only &&
                                         settings.out == "bf16" && settings.type == "i4");
  if (settings.type == "bf16") {
    if (settings.activations == "i8") {
      throw Error(ErrorKind::kInvalidArgument, "--activations i8: --type bf16 has bf16 ones");
    }
    return npu::GemmType::kBf16;
  }
  if (settings.type == "i4") return floats ? npu::GemmType::kW4Bf16 : npu::GemmType::kI4;
  if (floats) throw Error(ErrorKind::kInvalidArgument, "--activations bf16: --type i8 has i8 ones");
  return npu::GemmType::kI8;
}

npu::GemmCase CaseOf(const GemmSettings& settings) {
  npu::GemmCase gemm;
  gemm.device = ArrayOf(settings.generation, settings.columns);
  gemm.type = TypeOf(settings);
  const std::string out = !settings.out.empty()             ? settings.out
                          : gemm.type == npu::GemmType::kI8 ? "i32"
                                                            : "f32";
  gemm.output = npu::ParseGemmOutput(out).value();
  const bool to_floats =
      gemm.output == npu::GemmOutput::kBf16 || gemm.output == npu::GemmOutput::kF32;
  if (!to_floats && (gemm.type == npu::GemmType::kBf16 || gemm.type == npu::GemmType::kW4Bf16)) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("--out {}: sums of bf16 are bf16 or f32", out));
  }
  gemm.shape = settings.shape;
  const bool chess = settings.kernel == "chess";
  gemm.kernel = chess ? npu::KernelClass::kChess : npu::KernelClass::kPeano;
  if (settings.clock) gemm.clock_hz = *settings.clock * 1e9;
  if (!settings.tile) {
    gemm.tile = npu::DesignTile(gemm.type);
  } else {
    // A tile is a question about designs as they were published.
    gemm.tile = ParseTile(*settings.tile);
    gemm.layout = chess ? npu::GemmLayout::kBlockRows : npu::GemmLayout::kTileRows;
  }
  return gemm;
}

void SaveMatrix(const std::filesystem::path& path, const npu::TrialMatrix& matrix, int64_t rows,
                int64_t columns) {
  const int64_t shape[] = {rows, columns};
  std::visit(
      [&]<typename T>(const std::vector<T>& values) {
        NpyWriter<T> writer(path, shape);
        writer.Write(values);
        writer.Finish();
      },
      matrix);
}

void Save(const std::filesystem::path& folder, const npu::GemmTrial& trial) {
  const npu::GemmShape& shape = trial.plan.shape;
  SaveMatrix(folder / "a.npy", trial.a, shape.m, shape.k);
  SaveMatrix(folder / "b.npy", trial.b, shape.k, shape.n);
  SaveMatrix(folder / "c.npy", trial.c, shape.m, shape.n);
  SaveStream(folder / "gemm.bin", trial.stream);
}

/// What the streams of Tandem's designs reach.
void RequireReach(const npu::GemmShape& shape) {
  for (const auto& [name, side, most] : {std::tuple("-m", shape.m, npu::kMostGemmRows),
                                         {"-k", shape.k, npu::kMostGemmSum},
                                         {"-n", shape.n, npu::kMostGemmColumns}}) {
    if (side <= most) continue;
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("{} {}: Tandem's designs take {} at most", name, side, most),
                "--model-only reckons larger ones");
  }
}

/// Values, packed and unpacked, and their reference: some 8 bytes an operand and 24 a result.
void RequireSize(const npu::GemmShape& shape) {
  constexpr double kMost = 8e9;
  const auto [m, k, n] = shape;
  const double bytes = 8.0 * static_cast<double>(k) * static_cast<double>(m + n) +
                       24.0 * static_cast<double>(m) * static_cast<double>(n);
  if (bytes <= kMost) return;
  throw Error(ErrorKind::kResource,
              fmt::format("{}x{}x{}: to multiply and check it takes about {:.1f} GB, 8 at most", m,
                          k, n, bytes / 1e9),
              "--model-only reckons larger ones");
}

int RunGemm(const GemmSettings& settings) {
  const npu::GemmCase gemm = CaseOf(settings);
  if (settings.model_only) {
    ReportModelOnly(settings, npu::ModelGemm(gemm));
    return kExitOk;
  }
  if (gemm.tile != npu::DesignTile(gemm.type)) {
    const npu::GemmShape tile = npu::DesignTile(gemm.type);
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("--tile {}: Tandem's design for {} multiplies {}x{}x{}", *settings.tile,
                            npu::GemmTypeName(gemm.type), tile.m, tile.k, tile.n),
                "other tiles are for --model-only");
  }
  const npu::GemmConfig config = {gemm.device, gemm.type, gemm.output};
  RequireDesign(config, "--model-only reckons others");
  RequireReach(gemm.shape);
  RequireSize(gemm.shape);
  npu::GemmCase own = gemm;
  own.layout = npu::GemmLayout::kPacked;
  const npu::GemmTime model = npu::ModelGemm(own);
  ProgressLine progress("multiplying", ProgressLine::Elsewhere::kSilent, settings.output.json);
  const auto runner = MakeRunner(settings.device, config, progress, model.dram_bytes);
  if (!settings.save.empty()) MakeSaveFolder(settings.save);
  const npu::GemmTrial trial =
      npu::TryGemmOn(*runner, config, gemm.shape, settings.seed, npu::kArrayTimeout);
  progress.Clear();
  if (!settings.save.empty()) Save(settings.save, trial);
  const NpuOutcome outcome{trial.ok, trial.max_abs_error, trial.relative_error, trial.difference};
  ReportRun(settings.output, model, &outcome, runner.get());
  return trial.ok ? kExitOk : kExitFailure;
}

}  // namespace

void AddNpuGemm(CLI::App& npu, Action& action) {
  auto settings = std::make_shared<GemmSettings>();
  CLI::App& command =
      *npu.add_subcommand(
              "gemm", "Multiply matrices on the NPU, emulated or not, and reckon how long it takes")
           ->group("Commands");
  const auto side = [&](const char* name, int64_t& target, const char* help) {
    AddInteger<int64_t>(command, name, target, 1, kMostSide, help)->required();
  };
  side("-m", settings->shape.m, "Rows of the activations (tokens)");
  side("-k", settings->shape.k, "Length of the sums");
  side("-n", settings->shape.n, "Columns of the weights");
  AddChoice(command, "--type", settings->type, {"i8", "i4", "bf16"}, "Type of the weights")
      ->default_str("i8");
  AddChoice(command, "--activations", settings->activations, {"i8", "bf16"},
            "Type of the activations: bf16 with --type i4 is modelled only")
      ->default_str("i8; bf16 with --type bf16, and with --model-only --type i4 --out bf16");
  AddChoice(command, "--out", settings->out, {"i8", "i16", "i32", "bf16", "f32"},
            "Type of the result")
      ->default_str("i32 for i8; f32 for i4 and bf16");
  AddText(command, "--tile", settings->tile, "MxKxN",
          "What a core multiplies at a time: models designs as others published them, rather than "
          "Tandem's own");
  AddArrayOptions(command, *settings);
  AddSave(command, settings->save,
          "Write a.npy, b.npy, c.npy and the instruction stream gemm.bin there");
  AddJson(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunGemm(*settings); }; });
}

}  // namespace tandem::cli
