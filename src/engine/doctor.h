// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What of this machine Tandem can use, and what keeps it from the rest. Reads only; plain data.
#pragma once

#include <cstdint>
#include <filesystem>
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

/// Something that does not work, and the command that mends it.
struct Complaint {
  std::string what;
  std::string mend;  ///< Empty where there is none.
};

struct DoctorReport {
  std::string processor;
  int processors = 0;
  std::string isa;  ///< Level of instructions that the CPU device uses.
  std::vector<GpuReport> gpus;
  std::vector<Complaint> gpu_complaints;
  std::vector<std::string> emulated_npus;  ///< Generations, "npu1". Hardware is not used yet.
  std::string auto_device;
  std::string auto_reason;
};

DoctorReport Diagnose();

/// Complaints about the nodes under `folder` ("/dev/dri") through which drivers reach GPUs: with
/// one that may not be opened, Vulkan offers software devices alone and says nothing.
std::vector<Complaint> CheckRenderNodes(const std::filesystem::path& folder);

}  // namespace tandem
