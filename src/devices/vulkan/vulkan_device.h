// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// GPUs through Vulkan 1.3. The loader is opened at run time, so the program starts where there is
// none; where the build found no headers or shader compiler, none.cc stands in for all of it and
// says so. No Vulkan header is needed to use this one.
//
// A device keeps weights in its own layout and works on copies of a session's keys and values (see
// KvHistory in devices/device.h); a lost device therefore loses no session. It is retired then:
// whatever is asked of it fails with Error kDeviceLost.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "devices/device.h"

namespace tandem {

/// A Vulkan device of this machine, as `tandem doctor` shows it.
struct VulkanDeviceInfo {
  enum class Kind {
    kIntegrated,
    kDiscrete,
    kVirtual,
    kSoftware,
    kOther
  };
  /// Of memory that the driver tells apart.
  struct Heap {
    uint64_t bytes = 0;
    bool device_local = false;
  };
  struct Feature {
    std::string name;
    bool present = false;
    bool required = false;
    std::string use;  ///< What it is for.
  };

  std::string name;     ///< "AMD Radeon 780M (RADV PHOENIX)"
  std::string driver;   ///< "radv, Mesa 25.0.7"
  std::string version;  ///< Of Vulkan, "1.3.230".
  Kind kind = Kind::kOther;
  uint32_t vendor = 0;
  uint32_t subgroup_min = 0;
  uint32_t subgroup_max = 0;
  uint64_t max_storage_range = 0;  ///< Bytes that one binding reaches.
  bool unified = false;            ///< Whether its memory can be mapped, as an iGPU's can.
  uint32_t cores = 0;  ///< Compute units, or multiprocessors; 0 where the driver does not say.
  std::vector<Heap> heaps;
  std::vector<Feature> features;

  /// Bytes of the largest heap of its own.
  uint64_t memory_bytes() const;
  /// Names of what it lacks and needs, "Vulkan 1.3" among them; empty for a usable device.
  std::vector<std::string> missing() const;
  bool usable() const { return missing().empty(); }
};

/// "integrated", "discrete", "virtual", "software", "other".
std::string_view VulkanKindName(VulkanDeviceInfo::Kind kind);

struct VulkanProbe {
  std::vector<VulkanDeviceInfo> devices;  ///< In the loader's order: their index is --gpu N.
  std::string problem;                    ///< Why there are none, or none is usable; else empty.
  std::string mend;                       ///< The command that mends it, where one does.
};

/// Looks at every Vulkan device. Never throws for what the system lacks: that is the problem.
VulkanProbe ProbeVulkan();

/// Index of the device to use: number `gpu`, or the best usable one for -1 (discrete before
/// integrated before software). Throws Error kNotFound, kUnsupported, with the probe's mend.
size_t ChooseVulkanDevice(const VulkanProbe& probe, int gpu);

struct VulkanOptions {
  int gpu = -1;     ///< Index into VulkanProbe::devices; -1 = the best.
  int threads = 0;  ///< That repack weights; 0 = one per available processor.
  /// Told while weights are brought to the device, in bytes of the model.
  std::function<void(uint64_t done, uint64_t total)> progress;
  bool fused = true;  ///< Use fused kernels for single tokens where they fit (vulkan/fusion.h).
  bool integer_dot = true;  ///< Use integer dot products where the device has them.
  uint32_t subgroup = 32;   ///< Lanes of subgroups, or what the device has next to that.
  /// Whether products of many rows use cooperative matrices where the device has them.
  enum class Cooperative {
    kNever,
    kHardware,  ///< Not on a device in software.
    kAlways,
    kUntried  ///< Always, and without trying them first: on drivers that run nothing.
  };
  Cooperative cooperative = Cooperative::kHardware;
  /// Whether the per-layer table, from which a token's rows are looked up, is brought to the device
  /// too, which may then go ahead of the host (Segment::StepsAhead).
  enum class Tables {
    kAuto,    ///< Where it leaves room: all weights in half of a card's memory, in a quarter of
              ///< memory that others share, and never on a device in software.
    kDevice,  ///< Where there is memory for it.
    kHost,
  };
  Tables tables = Tables::kAuto;
  int steps_ahead = -1;  ///< Most steps that may be on their way; 0: none draws; -1: as it pays.
  bool staged = false;   ///< Reach device memory through copies even where it could be mapped.
  uint64_t max_binding = 0;  ///< Bytes that a binding may reach, if less than the device says.
  bool validate = false;  ///< Run under the validation layer; what it says is an Error kInternal.
};

/// Throws Error kNotFound without a device, kUnsupported for one that lacks something, kResource.
std::unique_ptr<Device> MakeVulkanDevice(const VulkanOptions& options = {});

}  // namespace tandem
