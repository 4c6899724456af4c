// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem npu selftest: from a run that does nothing up to the products of a layer.
#include "cli/npu_selftest.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cli/exit_code.h"
#include "cli/npu_report.h"
#include "cli/output.h"
#include "core/atomic_file.h"
#include "devices/npu/arrays/backend_runner.h"
#include "devices/npu/runner/emulator_runner.h"
#include "devices/npu/workbench/self_test.h"
#include "devices/npu/xrt/npu_node.h"
#include "devices/npu/xrt/xrt_backend.h"
#include "tandem/tandem.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

/// In the order of npu::Fault.
const std::vector<std::string> kFaults = {"none",        "hang",       "spin",  "lost-token",
                                          "false-token", "wrong-data", "vanish"};

struct SelfTestSettings {
  OutputOptions output;
  std::string device = "emulator";
  std::string generation = "npu1";
  uint64_t seed = 1;
  double timeout = 10;
  bool full = false;
  std::string save;
  std::string fault = "none";
  std::optional<int> fault_step;
};

/// Breaks one step of the test, as an array would.
class BrokenRunner : public npu::EmulatorRunner {
 public:
  BrokenRunner(const npu::Device& device, npu::Fault fault)
      : EmulatorRunner(device), left_(fault) {}

  void BreakNext() { breaks_ = true; }
  void Run(const npu::Stream& stream, std::span<const std::span<std::byte>> arguments,
           std::chrono::milliseconds timeout) override {
    if (breaks_) Inject(std::exchange(left_, npu::Fault::kNone));
    EmulatorRunner::Run(stream, arguments, timeout);
  }

 private:
  npu::Fault left_;
  bool breaks_ = false;
};

Json ToJson(const npu::SelfTestStep& step) {
  return {{"name", step.name},       {"what", step.what}, {"design", step.design},  {"ok", step.ok},
          {"problem", step.problem}, {"runs", step.runs}, {"seconds", step.seconds}};
}

void WriteBytes(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.Write(bytes);
  file.Commit();
}

Json ReportOf(const SelfTestSettings& settings, const npu::SelfTestReport& report, bool emulated) {
  Json steps = Json::array();
  for (const npu::SelfTestStep& step : report.steps) steps.push_back(ToJson(step));
  return {{"ok", report.ok()},    {"device", settings.device}, {"generation", settings.generation},
          {"emulated", emulated}, {"planned", report.planned}, {"steps", std::move(steps)}};
}

void SaveReport(const std::filesystem::path& folder, Json report) {
  report["version"] = Version();
  const std::string text = report.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  WriteBytes(folder / "report.json", std::as_bytes(std::span(text)));
}

/// Stream and memory of the run that failed.
void SaveEvidence(const std::filesystem::path& folder, const npu::SelfTestReport& report) {
  const std::vector<uint32_t> words = npu::WriteStream(report.evidence.stream);
  WriteBytes(folder / "stream.bin", std::as_bytes(std::span(words)));
  for (size_t i = 0; i < report.evidence.arguments.size(); ++i) {
    WriteBytes(folder / fmt::format("argument{}.dat", i), report.evidence.arguments[i]);
  }
}

void PrintProblem(const std::string& problem) {
  std::istringstream lines(problem);
  for (std::string line; std::getline(lines, line);) {
    Print(fmt::format("   {}\n", Printable(line, 400)));
  }
}

void PrintStep(int number, const npu::SelfTestStep& step) {
  Print(fmt::format("{:>2} {:<7} {:<18} {} ({} run{}, {:.3f} s)\n", number,
                    step.ok ? "ok" : "FAILED", step.name, step.what, step.runs,
                    step.runs == 1 ? "" : "s", step.seconds));
  PrintProblem(step.problem);
  FlushOutput();
}

void TellWhatToSend(const SelfTestSettings& settings, const npu::SelfTestReport& report) {
  Print(fmt::format("{} of {} steps passed. What came after rests on this and was not tried.\n",
                    report.steps.size() - 1, report.planned));
  if (settings.device == "emulator") {
    Print("The array is emulated: this is a bug of Tandem, or a fault that --inject asked for.\n");
  }
  if (settings.save.empty()) {
    Print("To report it, run again with --save FOLDER");
  } else {
    Print(fmt::format("To report it, send {}", Printable(settings.save, 400)));
  }
  Print(
      " (see docs/npu-first-run.md), with\n  tandem doctor --json\n  sudo dmesg | grep -iE "
      "'amdxdna|AMD-Vi'\n");
}

int RunSelfTest(const SelfTestSettings& settings) {
  const auto generation =
      settings.generation == "npu1" ? npu::Generation::kNpu1 : npu::Generation::kNpu2;
  const auto fault = std::find(kFaults.begin(), kFaults.end(), settings.fault) - kFaults.begin();
  if (settings.fault_step && fault == 0) {
    throw Error(ErrorKind::kInvalidArgument, "--inject-step: in which step what --inject says");
  }
  const int fault_step = settings.fault_step.value_or(4);
  const npu::Device device{generation, npu::MaxColumns(generation)};
  BrokenRunner emulator(device, static_cast<npu::Fault>(fault));
  std::unique_ptr<npu::ArrayRunner> xrt;
  if (settings.device == "xrt") {
    if (fault != 0) {
      throw Error(ErrorKind::kInvalidArgument, "--inject: faults are the emulator's");
    }
    xrt = std::make_unique<npu::BackendRunner>(npu::MakeXrtBackend({generation, 0}), device);
  }
  // Before anything runs: what a failed run has left cannot be had again.
  if (!settings.save.empty()) MakeSaveFolder(settings.save);
  npu::ArrayRunner& runner = xrt != nullptr ? *xrt : emulator;
  const bool emulated = xrt == nullptr || npu::NpuIsEmulated();
  npu::SelfTestOptions options;
  options.seed = settings.seed;
  options.full_size = settings.full;
  options.timeout = std::chrono::milliseconds(static_cast<int64_t>(settings.timeout * 1000));
  ProgressLine progress("testing", ProgressLine::Elsewhere::kSilent, settings.output.json);
  options.on_start = [&](int done, int planned, const std::string& name) {
    progress.Update(static_cast<uint64_t>(done), static_cast<uint64_t>(planned), name);
  };
  int number = 0;
  if (fault_step == 1) emulator.BreakNext();
  options.on_step = [&](const npu::SelfTestStep& step) {
    if (++number + 1 == fault_step) emulator.BreakNext();
    if (settings.output.json) return;
    progress.Clear();
    PrintStep(number, step);
  };
  const npu::SelfTestReport report = npu::RunSelfTest(runner, options);
  if (fault != 0 && report.ok()) {
    throw Error(
        ErrorKind::kInvalidArgument,
        fmt::format("--inject {}: nothing came of it in step {}", settings.fault, fault_step),
        fmt::format("there are {} steps; not every fault can show in each of them",
                    report.planned));
  }
  const Json json = ReportOf(settings, report, emulated);
  if (!settings.save.empty()) {
    if (!report.ok()) SaveEvidence(settings.save, report);
    SaveReport(settings.save, json);
  }
  if (settings.output.json) {
    PrintJson(json);
  } else if (report.ok()) {
    Print(fmt::format("all {} steps passed, on the {}\n", report.planned,
                      emulated ? "emulated array" : "NPU"));
  } else {
    TellWhatToSend(settings, report);
  }
  return report.ok() ? kExitOk : kExitFailure;
}

}  // namespace

void AddNpuSelfTest(CLI::App& npu, Action& action) {
  auto settings = std::make_shared<SelfTestSettings>();
  CLI::App& command =
      *npu.add_subcommand("selftest", "From a run that does nothing up to a layer's products")
           ->group("Commands");
  AddChoice(command, "--device", settings->device, {"emulator", "xrt"}, "What to test")
      ->default_str("emulator");
  AddChoice(command, "--generation", settings->generation, {"npu1", "npu2"},
            "npu1: Phoenix, Hawk Point; npu2: Strix, Krackan")
      ->default_str("npu1");
  AddInteger<uint64_t>(command, "--seed", settings->seed, 0, UINT64_MAX, "Of the made-up data")
      ->default_str("1");
  AddReal(command, "--timeout", settings->timeout, 0.001, 86400, "Seconds that a run may take")
      ->default_str("10");
  command.add_flag("--full", settings->full,
                   "The layer as large as one of Gemma 3n E2B: emulated, half a minute");
  AddSave(command, settings->save, "Where to write stream and memory of the run that failed");
  AddChoice(command, "--inject", settings->fault, kFaults,
            "Break a run on purpose, to see what comes of it (emulator)")
      ->default_str("none");
  AddInteger<int>(command, "--inject-step", settings->fault_step, 1, 100, "In which step")
      ->default_str("4");
  AddJson(command, settings->output);
  command.final_callback(
      [settings, &action] { action = [settings] { return RunSelfTest(*settings); }; });
}

}  // namespace tandem::cli
