// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// tandem doctor: what of this machine can be used, what cannot, and the command that mends it.
#include "engine/doctor.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "core/error.h"

namespace tandem::cli {
namespace {

using Json = nlohmann::ordered_json;

void PrintRow(std::string_view name, std::string_view text) {
  Print(fmt::format("{:<10} {}\n", name, Printable(text, 400)));
}

std::string Verdict(const GpuReport& gpu) {
  if (gpu.usable) return gpu.software ? "works, but it is software" : "works";
  std::string missing;
  for (const GpuReport::Feature& feature : gpu.features) {
    if (!feature.required || feature.present) continue;
    missing += (missing.empty() ? "" : ", ") + feature.name;
  }
  return "lacks " + missing;
}

void PrintGpu(size_t index, const GpuReport& gpu) {
  PrintRow(fmt::format("gpu {}", index), fmt::format("{}: {}", gpu.name, Verdict(gpu)));
  PrintRow("", fmt::format("{}, {}, Vulkan {}, {}{}", gpu.kind, gpu.driver, gpu.version,
                           HumanBytes(gpu.memory_bytes),
                           gpu.unified_memory ? " shared with the CPU" : " of its own"));
  if (gpu.subgroup_max > 0) {
    PrintRow("", fmt::format("subgroups of {} to {} lanes, bindings of {}", gpu.subgroup_min,
                             gpu.subgroup_max, HumanBytes(gpu.max_binding_bytes)));
  }
  for (const GpuReport::Feature& feature : gpu.features) {
    if (feature.present) continue;
    PrintRow("", fmt::format("without {} ({}{})", feature.name, feature.required ? "needed: " : "",
                             feature.use));
  }
}

void PrintComplaint(std::string_view name, const std::string& what, const std::string& mend) {
  PrintRow(name, what);
  if (!mend.empty()) PrintRow("", "mend it with: " + mend);
}

void PrintNpu(const DoctorReport& report) {
  const NpuDeviceReport& npu = report.npu;
  if (!npu.checks.empty()) {
    PrintRow("npu", npu.part.empty()
                        ? "none to be seen"
                        : fmt::format("{}: {}", npu.part,
                                      npu.ready ? "all that it needs is there" : "cannot be used"));
  }
  for (const NpuCheckReport& check : npu.checks) {
    if (const auto complaint = ComplaintOf(check)) {
      PrintComplaint("", fmt::format("{} {}", complaint->state, complaint->what), complaint->mend);
    } else {
      const std::string reason = check.reason.empty() ? "" : ": " + check.reason;
      PrintRow("", fmt::format("{} {}{}{}", check.state, check.name,
                               check.value.empty() ? "" : ": " + check.value, reason));
    }
  }
  if (npu.checks.empty()) {
    PrintRow("npu", "none: no PCI device 1022:1502 or 1022:17f0, nor a processor that has one");
  }
  PrintRow("",
           fmt::format("emulated ({}): prompts with --prefill npu, slower than the CPU; hardware "
                       "with --npu-device xrt, which nobody has tried",
                       fmt::join(report.emulated_npus, ", ")));
}

Json ToJson(const NpuDeviceReport& npu, const std::vector<std::string>& emulated) {
  Json checks = Json::array();
  for (const NpuCheckReport& check : npu.checks) {
    checks.push_back({{"check", check.name},
                      {"state", check.state},
                      {"value", check.value},
                      {"reason", check.reason},
                      {"mend", check.mend}});
  }
  return {{"emulated", emulated},
          {"part", npu.part},
          {"generation", npu.generation},
          {"ready", npu.ready},
          {"checks", std::move(checks)}};
}

void PrintReport(const DoctorReport& report) {
  PrintRow("cpu", fmt::format("{}, {} processor{}, {}: works", report.processor, report.processors,
                              report.processors == 1 ? "" : "s", report.isa));
  for (size_t i = 0; i < report.gpus.size(); ++i) PrintGpu(i, report.gpus[i]);
  for (const Complaint& complaint : report.gpu_complaints) {
    PrintComplaint("gpu", fmt::format("{}: {}", complaint.state, complaint.what), complaint.mend);
  }
  PrintNpu(report);
  PrintRow("auto", fmt::format("{}: {}", report.auto_device, report.auto_reason));
}

Json ToJson(const DoctorReport& report) {
  Json gpus = Json::array();
  for (size_t i = 0; i < report.gpus.size(); ++i) {
    const GpuReport& gpu = report.gpus[i];
    Json features = Json::array();
    for (const GpuReport::Feature& feature : gpu.features) {
      features.push_back({{"name", feature.name},
                          {"present", feature.present},
                          {"required", feature.required},
                          {"use", feature.use}});
    }
    gpus.push_back({{"index", i},
                    {"name", gpu.name},
                    {"kind", gpu.kind},
                    {"software", gpu.software},
                    {"usable", gpu.usable},
                    {"driver", gpu.driver},
                    {"vulkan", gpu.version},
                    {"memory_bytes", gpu.memory_bytes},
                    {"unified_memory", gpu.unified_memory},
                    {"max_binding_bytes", gpu.max_binding_bytes},
                    {"subgroup_min", gpu.subgroup_min},
                    {"subgroup_max", gpu.subgroup_max},
                    {"features", std::move(features)}});
  }
  Json complaints = Json::array();
  for (const Complaint& complaint : AllComplaints(report)) {
    complaints.push_back({{"about", complaint.about},
                          {"state", complaint.state},
                          {"what", complaint.what},
                          {"mend", complaint.mend}});
  }
  return {{"cpu",
           {{"name", report.processor},
            {"processors", report.processors},
            {"isa", report.isa},
            {"usable", true}}},
          {"gpus", std::move(gpus)},
          {"npu", ToJson(report.npu, report.emulated_npus)},
          {"complaints", std::move(complaints)},
          {"auto", {{"device", report.auto_device}, {"reason", report.auto_reason}}}};
}

int RunDoctor(const OutputOptions& output) {
  // A tree that stands for a machine, for tests.
  const char* root = std::getenv("TANDEM_SYSTEM_ROOT");
  const DoctorReport report = Diagnose(root == nullptr || *root == 0 ? "/" : root);
  if (output.json) {
    PrintJson(ToJson(report));
  } else {
    PrintReport(report);
  }
  return kExitOk;
}

}  // namespace

void AddDoctorCommand(CLI::App& app, Action& action) {
  auto output = std::make_shared<OutputOptions>();
  CLI::App& command = *app.add_subcommand("doctor", "What of this machine can be used, and why not")
                           ->group("Look closer");
  AddJson(command, *output);
  command.final_callback([output, &action] { action = [output] { return RunDoctor(*output); }; });
}

}  // namespace tandem::cli
