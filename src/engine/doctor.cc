// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "engine/doctor.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <utility>

#include "core/error.h"
#include "core/processors.h"
#include "devices/cpu/isa.h"
#include "devices/npu/built/kernel_set.h"
#include "devices/npu/probe/npu_probe.h"
#include "devices/npu/workbench/design_list.h"
#include "devices/npu/xrt/plugin_library.h"
#include "devices/vulkan/vulkan_device.h"
#include "engine/processor.h"

namespace tandem {
namespace {

GpuReport ToReport(const VulkanDeviceInfo& info) {
  GpuReport report;
  report.name = info.name;
  report.driver = info.driver;
  report.version = info.version;
  report.kind = VulkanKindName(info.kind);
  report.usable = info.usable();
  report.software = info.kind == VulkanDeviceInfo::Kind::kSoftware;
  report.unified_memory = info.unified;
  report.memory_bytes = info.memory_bytes();
  report.max_binding_bytes = info.max_storage_range;
  report.subgroup_min = info.subgroup_min;
  report.subgroup_max = info.subgroup_max;
  for (const VulkanDeviceInfo::Feature& feature : info.features) {
    report.features.push_back({feature.name, feature.present, feature.required, feature.use});
  }
  return report;
}

NpuDeviceReport DiagnoseNpu(const std::filesystem::path& root) {
  npu::NpuProbeOptions options;
  options.root = root;
  options.kernels = npu::KernelFolder();
  options.plugin = npu::FindXrtPlugin();
  options.fingerprints = [](npu::Generation generation) {
    std::map<std::string, std::string> fingerprints;
    for (const npu::NamedDesign& design : npu::AllDesigns()) {
      if (design.device.generation == generation) {
        fingerprints[design.name] = npu::DesignFingerprint(design);
      }
    }
    return fingerprints;
  };
  const npu::NpuReport found = npu::ProbeNpu(options);
  NpuDeviceReport report;
  report.part = found.part;
  if (found.generation) report.generation = npu::GenerationName(*found.generation);
  report.ready = found.usable();
  for (const npu::NpuCheck& check : found.checks) {
    report.checks.push_back({check.name, std::string(npu::CheckStateName(check.state)), check.value,
                             check.reason, check.mend});
  }
  return report;
}

}  // namespace

std::optional<Complaint> ComplaintOf(const NpuCheckReport& check) {
  if (check.state != "broken" && check.state != "limited" && check.mend.empty()) return {};
  std::string what = check.name;
  for (const std::string* part : {&check.value, &check.reason}) {
    if (!part->empty()) what += ": " + *part;
  }
  return Complaint{"npu", check.state, std::move(what), check.mend};
}

std::vector<Complaint> AllComplaints(const DoctorReport& report) {
  std::vector<Complaint> complaints = report.gpu_complaints;
  for (const NpuCheckReport& check : report.npu.checks) {
    if (auto complaint = ComplaintOf(check)) complaints.push_back(*std::move(complaint));
  }
  return complaints;
}

std::vector<Complaint> CheckRenderNodes(const std::filesystem::path& folder) {
  std::vector<Complaint> complaints;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (!entry.path().filename().string().starts_with("renderD")) continue;
    if (::access(entry.path().c_str(), R_OK | W_OK) == 0 || errno != EACCES) continue;
    complaints.push_back({"gpu", "broken",
                          fmt::format("{} may not be opened, so Vulkan hides the GPU behind it",
                                      Printable(entry.path().string(), 200)),
                          "sudo usermod -aG render,video $USER, then log in again"});
  }
  return complaints;
}

DoctorReport Diagnose(const std::filesystem::path& root) {
  DoctorReport report;
  report.processor = ProcessorName();
  report.processors = static_cast<int>(AllowedProcessors().size());
  report.isa = std::string(cpu::IsaName(cpu::ChooseIsa()));
  const VulkanProbe probe = ProbeVulkan();
  for (const VulkanDeviceInfo& device : probe.devices) report.gpus.push_back(ToReport(device));
  report.gpu_complaints = CheckRenderNodes("/dev/dri");
  if (!probe.problem.empty()) {
    report.gpu_complaints.push_back({"gpu", "broken", probe.problem, probe.mend});
  }
  report.emulated_npus = {"npu1", "npu2"};
  report.npu = DiagnoseNpu(root);
  report.auto_device = "cpu";
  const bool hardware = std::any_of(report.gpus.begin(), report.gpus.end(),
                                    [](const auto& gpu) { return gpu.usable && !gpu.software; });
  const bool software = std::any_of(report.gpus.begin(), report.gpus.end(),
                                    [](const auto& gpu) { return gpu.software; });
  report.auto_reason =
      hardware   ? "Vulkan's kernels are not yet known to be faster; --device vulkan uses the GPU"
      : software ? "the only Vulkan device is software, which auto never uses"
                 : "there is no Vulkan device";
  return report;
}

}  // namespace tandem
