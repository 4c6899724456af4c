// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// What can be said of Vulkan devices without Vulkan.
#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "devices/vulkan/vulkan_device.h"

namespace tandem {
namespace {

using Kind = VulkanDeviceInfo::Kind;

int Rank(Kind kind) {
  switch (kind) {
    case Kind::kDiscrete: return 0;
    case Kind::kIntegrated: return 1;
    case Kind::kVirtual: return 2;
    case Kind::kOther: return 3;
    case Kind::kSoftware: return 4;
  }
  return 5;
}

}  // namespace

uint64_t VulkanDeviceInfo::memory_bytes() const {
  uint64_t most = 0;
  for (const Heap& heap : heaps) {
    if (heap.device_local) most = std::max(most, heap.bytes);
  }
  return most;
}

std::vector<std::string> VulkanDeviceInfo::missing() const {
  std::vector<std::string> names;
  for (const Feature& feature : features) {
    if (feature.required && !feature.present) names.push_back(feature.name);
  }
  return names;
}

std::string_view VulkanKindName(Kind kind) {
  switch (kind) {
    case Kind::kIntegrated: return "integrated";
    case Kind::kDiscrete: return "discrete";
    case Kind::kVirtual: return "virtual";
    case Kind::kSoftware: return "software";
    case Kind::kOther: return "other";
  }
  return "other";
}

size_t ChooseVulkanDevice(const VulkanProbe& probe, int gpu) {
  const auto& devices = probe.devices;
  if (devices.empty()) throw Error(ErrorKind::kNotFound, probe.problem, probe.mend);
  if (gpu >= 0) {
    const auto index = static_cast<size_t>(gpu);
    if (index >= devices.size()) {
      throw Error(
          ErrorKind::kNotFound,
          fmt::format("there is no Vulkan device {}: this machine has {}", gpu, devices.size()),
          "tandem doctor lists them");
    }
    if (!devices[index].usable()) {
      throw Error(ErrorKind::kUnsupported,
                  fmt::format("Vulkan device {} ({}) lacks {}", gpu, Printable(devices[index].name),
                              fmt::join(devices[index].missing(), ", ")),
                  "a newer driver may have it; tandem doctor says more");
    }
    return index;
  }
  size_t best = devices.size();
  for (size_t i = 0; i < devices.size(); ++i) {
    if (!devices[i].usable()) continue;
    if (best == devices.size() || Rank(devices[i].kind) < Rank(devices[best].kind)) best = i;
  }
  if (best == devices.size()) throw Error(ErrorKind::kUnsupported, probe.problem, probe.mend);
  return best;
}

}  // namespace tandem
