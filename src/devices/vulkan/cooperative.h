// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// VK_KHR_cooperative_matrix, whose declarations are newer than the headers of Debian 12. Names and
// numbers are those of the Vulkan specification.
#pragma once

#include <cstdint>

#include "devices/vulkan/api.h"

namespace tandem::vulkan {

inline constexpr char kCooperativeExtension[] = "VK_KHR_cooperative_matrix";

/// VkPhysicalDeviceCooperativeMatrixFeaturesKHR
struct CooperativeFeatures {
  VkStructureType type = static_cast<VkStructureType>(1000506000);
  void* next = nullptr;
  VkBool32 matrix = VK_FALSE;
  VkBool32 robust_buffer_access = VK_FALSE;
};

/// Rows, columns and depth of a fragment; none: 0.
struct CooperativeShape {
  uint32_t m = 0, n = 0, k = 0;
  explicit operator bool() const { return k != 0; }
};

/// The shape of signed bytes times signed bytes into 32-bit integers, for a subgroup, that suits
/// the kernels; none where the device has none.
CooperativeShape FindInt8Shape(VkInstance instance, VkPhysicalDevice device);

}  // namespace tandem::vulkan
