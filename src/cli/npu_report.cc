// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "cli/npu_report.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <system_error>
#include <vector>

#include "cli/output.h"
#include "core/atomic_file.h"
#include "core/error.h"
#include "devices/npu/arrays/emulated_backend.h"
#include "devices/npu/xrt/xrt_backend.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

Json ToJson(const npu::GemmTime& time, bool modelled) {
  return {{"time_us", time.seconds * 1e6},
          {"tops", time.tops},
          {"share_of_peak", time.share_of_peak},
          {"bound", npu::GemmBoundName(time.bound)},
          {"modelled", modelled},
          {"cycles", time.cycles},
          {"core_us", time.core_seconds * 1e6},
          {"dram_us", time.dram_seconds * 1e6},
          {"dispatch_us", time.dispatch_seconds * 1e6},
          {"dram_bytes", time.dram_bytes}};
}

bool HasDesign(const npu::GemmConfig& config) try {
  npu::CheckGemmConfig(config);
  return true;
} catch (const Error&) {
  return false;
}

void PrintModel(const npu::GemmTime& time) {
  Print(
      fmt::format("modelled: {:.1f} us, {:.2f} TOPS, {:.1f} % of the peak, bound by {}\n"
                  "  cores {:.1f} us, DRAM {:.1f} us ({:.1f} MB), dispatch {:.1f} us\n",
                  time.seconds * 1e6, time.tops, time.share_of_peak * 100,
                  npu::GemmBoundName(time.bound), time.core_seconds * 1e6, time.dram_seconds * 1e6,
                  time.dram_bytes / 1e6, time.dispatch_seconds * 1e6));
}

}  // namespace

npu::Device ArrayOf(const std::string& generation, int columns) {
  npu::Device device;
  device.generation = generation == "npu1" ? npu::Generation::kNpu1 : npu::Generation::kNpu2;
  const int most = npu::MaxColumns(device.generation);
  if (columns > most) {
    throw Error(ErrorKind::kInvalidArgument,
                fmt::format("--columns {}: {} has {}", columns, generation, most));
  }
  device.columns = columns > 0 ? columns : most;
  return device;
}

void RequireDesign(const npu::GemmConfig& config, const std::string& instead) {
  if (HasDesign(config)) return;
  npu::GemmConfig other = config;
  other.device.columns = npu::MaxColumns(config.device.generation);
  std::vector<std::string_view> outputs;
  for (const auto output : {npu::GemmOutput::kI8, npu::GemmOutput::kI16, npu::GemmOutput::kI32,
                            npu::GemmOutput::kBf16, npu::GemmOutput::kF32}) {
    other.output = output;
    if (HasDesign(other)) outputs.push_back(npu::GemmOutputName(output));
  }
  other.output = config.output;
  if (!HasDesign(other)) {
    throw Error(ErrorKind::kInvalidArgument,
                outputs.empty()
                    ? fmt::format("Tandem has no design for {}", npu::GemmTypeName(config.type))
                    : fmt::format("--out {}: Tandem's designs for {} give {}",
                                  npu::GemmOutputName(config.output),
                                  npu::GemmTypeName(config.type), fmt::join(outputs, " or ")),
                instead);
  }
  std::vector<int> columns;
  for (int count = 1; count <= npu::MaxColumns(config.device.generation); ++count) {
    other.device.columns = count;
    if (HasDesign(other)) columns.push_back(count);
  }
  throw Error(
      ErrorKind::kInvalidArgument,
      fmt::format("--columns {}: Tandem's designs for {} take {}", config.device.columns,
                  npu::GenerationName(config.device.generation), fmt::join(columns, " or ")),
      instead);
}

std::unique_ptr<npu::BackendRunner> MakeRunner(const std::string& device,
                                               const npu::GemmConfig& config,
                                               ProgressLine& progress, double bytes) {
  const npu::Generation generation = config.device.generation;
  const auto show = [&progress, total = static_cast<uint64_t>(bytes)](uint64_t done) {
    // Headers of tiles come on top of what the model counts.
    progress.Update(std::min(done, total), total + 1);
  };
  auto runner = std::make_unique<npu::BackendRunner>(
      device == "xrt" ? npu::MakeXrtBackend({generation, 0})
                      : npu::MakeEmulatedBackend(generation, show),
      config.device);
  runner->Configure({npu::GemmDesignName(config), npu::MakeGemmDesign(config)});
  return runner;
}

void ReportRun(const OutputOptions& output, const npu::GemmTime& model, const NpuOutcome* outcome,
               const npu::BackendRunner* runner) {
  npu::GemmTime time = model;
  const bool measured = runner != nullptr && !runner->backend().emulated();
  if (measured) {
    const double faster = model.seconds / runner->seconds();
    time.seconds = runner->seconds();
    time.tops *= faster;
    time.share_of_peak *= faster;
  }
  if (output.json) {
    Json json = {{"ok", outcome == nullptr || outcome->ok}, {"max_abs_error", nullptr}};
    if (outcome != nullptr) {
      json["max_abs_error"] = outcome->max_abs_error;
      if (outcome->relative_error) json["relative_error"] = *outcome->relative_error;
      if (!outcome->difference.empty()) json["difference"] = outcome->difference;
    }
    json.update(ToJson(time, !measured));
    if (runner != nullptr) json["device"] = runner->backend().description();
    PrintJson(json);
    return;
  }
  if (outcome != nullptr) {
    const std::string together =
        outcome->relative_error
            ? fmt::format(", all together {:.2g} % off", 100 * *outcome->relative_error)
            : "";
    Print(fmt::format("{}: {}, largest error {:.3g}{}\n", runner->backend().description(),
                      outcome->ok ? "right" : "WRONG", outcome->max_abs_error, together));
    if (!outcome->difference.empty()) Print(fmt::format("wrong: {}\n", outcome->difference));
  }
  if (measured) {
    Print(fmt::format("measured: {:.1f} us, {:.2f} TOPS, {:.1f} % of the peak\n",
                      time.seconds * 1e6, time.tops, time.share_of_peak * 100));
  }
  PrintModel(model);
}

void AddArrayOptions(CLI::App& command, ArraySettings& settings) {
  AddChoice(command, "--generation", settings.generation, {"npu1", "npu2"},
            "npu1: Phoenix, Hawk Point; npu2: Strix, Krackan")
      ->default_str("npu1");
  AddInteger<int>(command, "--columns", settings.columns, 1, 8, "Columns of the array")
      ->default_str("all");
  AddReal(command, "--clock", settings.clock, 0.1, 10, "Clock of the cores in GHz")
      ->default_str("1.0 for npu1, 1.8 for npu2");
  AddChoice(command, "--kernel-class", settings.kernel, {"chess", "peano"},
            "Whose compiler made the kernel: AMD's licensed one, or the open one")
      ->default_str("peano");
  command.add_flag("--model-only", settings.model_only, "Compute nothing, only reckon the time");
  AddChoice(command, "--device", settings.device, {"emulator", "xrt"},
            "Where to compute: on the emulator, or on the NPU behind AMD's XRT")
      ->default_str("emulator");
  AddInteger<uint64_t>(command, "--seed", settings.seed, 0, UINT64_MAX, "Of the made-up values")
      ->default_str("1");
}

CLI::Option* AddSave(CLI::App& command, std::string& folder, const std::string& help) {
  return AddPath(command, "--save", folder, help)->type_name("FOLDER");
}

void ReportModelOnly(const ArraySettings& settings, const npu::GemmTime& model) {
  if (!settings.save.empty()) {
    throw Error(ErrorKind::kInvalidArgument, "--save: --model-only computes nothing");
  }
  if (settings.device != "emulator") {
    throw Error(ErrorKind::kInvalidArgument, "--device: --model-only computes nothing");
  }
  ReportRun(settings.output, model, nullptr, nullptr);
}

void MakeSaveFolder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error || !std::filesystem::is_directory(folder, error)) {
    throw Error(ErrorKind::kIo, fmt::format("--save {}: no folder can be made there{}{}",
                                            Printable(folder.string(), 400), error ? ": " : "",
                                            error ? error.message() : ""));
  }
  try {
    // Never finished, so that nothing stays of it.
    const AtomicFile trial(folder / "trial");
  } catch (const Error& problem) {
    throw Error(problem.kind(), fmt::format("--save {}: no file can be made there: {}",
                                            Printable(folder.string(), 400), problem.message()));
  }
}

void SaveStream(const std::filesystem::path& path, const npu::Stream& stream) {
  const std::vector<uint32_t> words = npu::WriteStream(stream);
  AtomicFile file(path);
  file.Write(std::as_bytes(std::span(words)));
  file.Commit();
}

void SaveStreams(const std::filesystem::path& folder, const std::vector<npu::Stream>& streams) {
  constexpr std::array kNames = {"first.bin", "second.bin", "third.bin"};
  for (size_t i = 0; i < streams.size(); ++i) SaveStream(folder / kNames.at(i), streams[i]);
}

}  // namespace tandem::cli
