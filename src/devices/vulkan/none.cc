// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// In the place of everything else here where Tandem was built without Vulkan's headers or a shader
// compiler.
#include "core/error.h"
#include "devices/vulkan/vulkan_device.h"

namespace tandem {

VulkanProbe ProbeVulkan() {
  return {{},
          "this build has no Vulkan: its headers or the shader compiler were missing",
          "sudo apt install libvulkan-dev libvulkan-volk-dev glslc, then build again"};
}

std::unique_ptr<Device> MakeVulkanDevice(const VulkanOptions&) {
  const VulkanProbe probe = ProbeVulkan();
  throw Error(ErrorKind::kUnsupported, probe.problem, probe.mend);
}

}  // namespace tandem
