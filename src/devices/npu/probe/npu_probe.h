// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What stands between this process and an NPU: device, driver, node, permission, memory lock, XRT,
// Tandem's plug-in for it, xclbins. Reads only, loads nothing, reads no sensor.
//
// Sources: amdxdna in Linux (amdxdna_pci_drv.c, aie2_pci.c, uapi/drm/amdxdna_accel.h), XRT's shim
// for what it maps locked.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "devices/npu/isa/tile.h"

namespace tandem::npu {

enum class CheckState : uint8_t {
  kOk,
  kLimited,     ///< Works, but not for everything.
  kBroken,      ///< Nothing runs until it is mended.
  kUnknown,     ///< Could not be read.
  kNotReached,  ///< Something before it is broken.
};
/// "ok", "limited", "broken", "unknown", "not reached".
std::string_view CheckStateName(CheckState state);

struct NpuCheck {
  std::string name;  ///< "driver"
  CheckState state = CheckState::kUnknown;
  std::string value;   ///< What there is.
  std::string reason;  ///< What is wrong with it; empty where nothing is.
  std::string mend;    ///< The command that mends it, empty where there is none.
};

struct NpuReport {
  std::optional<Generation> generation;  ///< Of the device; nothing without one that we support.
  std::string part;                      ///< "Phoenix or Hawk Point"; empty without a device.
  std::string address;                   ///< "0000:c6:00.1"
  std::string node;                      ///< "/dev/accel/accel0"; empty where there is none.
  std::vector<NpuCheck> checks;          ///< None where no NPU is to be expected.
  /// Whether all that must be is in order.
  bool usable() const;
};

/// What opening the device's node gave.
struct NodeAnswer {
  int error = 0;  ///< errno of open(), or 0.
  std::string driver;
  std::optional<int> level;  ///< Minor version of the driver's interface.
  std::optional<int> power_mode;
};

/// What is looked at. Tests have trees of their own.
struct NpuProbeOptions {
  std::filesystem::path root = "/";  ///< Of sys, dev, proc, etc, boot, usr, opt.
  std::filesystem::path kernels;     ///< Folder of xclbins.
  std::string plugin;  ///< Tandem's plug-in for XRT, a file; empty where there is none.
  /// Fingerprints of the designs of a generation, by name, that xclbins must have.
  std::function<std::map<std::string, std::string>(Generation)> fingerprints;
  std::function<NodeAnswer(const std::filesystem::path&)> open_node;  ///< OpenNode without.
  std::optional<uint64_t> memlock;  ///< Bytes; without, this process's limit.
};

NpuReport ProbeNpu(const NpuProbeOptions& options);
/// The first of that: device, driver, node and permission.
NpuReport ProbeNode(const NpuProbeOptions& options);

/// Bytes that this process may lock in memory; UINT64_MAX for no limit.
uint64_t LockableBytes();

/// Opens a node and asks its driver for its name, level and power mode, once.
NodeAnswer OpenNode(const std::filesystem::path& node);

}  // namespace tandem::npu
