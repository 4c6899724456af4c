// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/cooperative.h"

#include <vector>

namespace tandem::vulkan {
namespace {

// VkComponentTypeKHR and VkScopeKHR
constexpr int kSint8 = 3;
constexpr int kSint32 = 5;
constexpr int kSubgroupScope = 3;

// VkCooperativeMatrixPropertiesKHR
struct Properties {
  VkStructureType type = static_cast<VkStructureType>(1000506001);
  void* next = nullptr;
  uint32_t m = 0, n = 0, k = 0;
  int a = 0, b = 0, c = 0, result = 0;
  VkBool32 saturating = VK_FALSE;
  int scope = 0;
};
using GetProperties = VkResult(VKAPI_PTR*)(VkPhysicalDevice, uint32_t*, Properties*);

}  // namespace

CooperativeShape FindInt8Shape(VkInstance instance, VkPhysicalDevice device) {
  const auto get = reinterpret_cast<GetProperties>(
      vkGetInstanceProcAddr(instance, "vkGetPhysicalDeviceCooperativeMatrixPropertiesKHR"));
  uint32_t count = 0;
  if (get == nullptr || get(device, &count, nullptr) < 0) return {};
  std::vector<Properties> list(count);
  if (get(device, &count, list.data()) < 0) return {};
  CooperativeShape best;
  for (const Properties& shape : list) {
    if (shape.a != kSint8 || shape.b != kSint8 || shape.c != kSint32 || shape.result != kSint32 ||
        shape.saturating != VK_FALSE || shape.scope != kSubgroupScope) {
      continue;
    }
    // A fragment's columns are in one block of 32; its rows and tokens divide the tiles.
    const auto fits = [](uint32_t size, uint32_t most) {
      return size == 8 || size == 16 || (size == 32 && most == 32);
    };
    if (!fits(shape.m, 16) || !fits(shape.n, 16) || !fits(shape.k, 32)) continue;
    if (shape.m * shape.n * shape.k > best.m * best.n * best.k) best = {shape.m, shape.n, shape.k};
  }
  return best;
}

}  // namespace tandem::vulkan
