// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What of this machine Tandem can use, and what keeps it from the rest. Reads only; plain data.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tandem {

/// A Vulkan device.
struct GpuReport {
  struct Feature {
    std::string name;
    bool present = false;
    bool required = false;
    std::string use;
  };
  std::string name, driver, version;
  std::string kind;  ///< "integrated", "discrete", "virtual", "software", "other"
  bool usable = false;
  bool software = false;
  bool unified_memory = false;
  uint64_t memory_bytes = 0;
  uint64_t max_binding_bytes = 0;
  uint32_t subgroup_min = 0, subgroup_max = 0;
  std::vector<Feature> features;
};

/// Something that does not work, or not wholly, and the command that mends it.
struct Complaint {
  std::string about;  ///< "gpu", "npu"
  std::string state;  ///< "broken"; of an NPU also "limited", and "unknown" where that has a mend.
  std::string what;   ///< Of an NPU with the name of the check: "driver: Linux 6.1: ...".
  std::string mend;   ///< Empty where there is none.
};

/// One of the things that an NPU needs.
struct NpuCheckReport {
  std::string name;    ///< "driver"
  std::string state;   ///< "ok", "limited", "broken", "unknown", "not reached"
  std::string value;   ///< What there is.
  std::string reason;  ///< What is wrong with it.
  std::string mend;    ///< The command that mends it; empty where there is none.
};
struct NpuDeviceReport {
  std::string part;                    ///< Empty without a device.
  std::string generation;              ///< "npu1"; empty for those that Tandem has no designs for.
  bool ready = false;                  ///< Nothing is broken.
  std::vector<NpuCheckReport> checks;  ///< None where no NPU is to be expected.
};

struct DoctorReport {
  std::string processor;
  int processors = 0;
  std::string isa;  ///< Level of instructions that the CPU device uses.
  std::vector<GpuReport> gpus;
  std::vector<Complaint> gpu_complaints;
  std::vector<std::string> emulated_npus;  ///< Generations, "npu1".
  NpuDeviceReport npu;
  std::string auto_device;
  std::string auto_reason;
};

/// The complaint that a check is; nothing where there is neither fault nor mend.
std::optional<Complaint> ComplaintOf(const NpuCheckReport& check);
/// All complaints of a report, of the NPU, too.
std::vector<Complaint> AllComplaints(const DoctorReport& report);

/// `root` is where the NPU's part looks for sys, dev, proc, etc, boot, usr and opt: "/", or a tree
/// that stands for a machine.
DoctorReport Diagnose(const std::filesystem::path& root = "/");

/// Complaints about the nodes under `folder` ("/dev/dri") through which drivers reach GPUs: with
/// one that may not be opened, Vulkan offers software devices alone and says nothing.
std::vector<Complaint> CheckRenderNodes(const std::filesystem::path& folder);

}  // namespace tandem
