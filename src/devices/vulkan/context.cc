// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include "devices/vulkan/context.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "core/error.h"
#include "devices/vulkan/pipelines.h"

namespace tandem::vulkan {
namespace {

using Kind = VulkanDeviceInfo::Kind;

// What a device offers and can be asked for, in one chain.
struct Features {
  VkPhysicalDeviceVulkan13Features v13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_FEATURES};
  VkPhysicalDeviceVulkan12Features v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES, &v13};
  VkPhysicalDeviceVulkan11Features v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_FEATURES, &v12};
  VkPhysicalDeviceFeatures2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &v11};
  Features() = default;
  Features(const Features&) = delete;
  Features& operator=(const Features&) = delete;
};

struct Properties {
  VkPhysicalDeviceVulkan13Properties v13{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_3_PROPERTIES};
  VkPhysicalDeviceVulkan12Properties v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_PROPERTIES,
                                         &v13};
  VkPhysicalDeviceVulkan11Properties v11{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_1_PROPERTIES,
                                         &v12};
  VkPhysicalDeviceProperties2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2, &v11};
  Properties() = default;
  Properties(const Properties&) = delete;
  Properties& operator=(const Properties&) = delete;
};

std::string VersionText(uint32_t version) {
  return fmt::format("{}.{}.{}", VK_API_VERSION_MAJOR(version), VK_API_VERSION_MINOR(version),
                     VK_API_VERSION_PATCH(version));
}

Kind KindOf(VkPhysicalDeviceType type) {
  switch (type) {
    case VK_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU: return Kind::kIntegrated;
    case VK_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU: return Kind::kDiscrete;
    case VK_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU: return Kind::kVirtual;
    case VK_PHYSICAL_DEVICE_TYPE_CPU: return Kind::kSoftware;
    default: return Kind::kOther;
  }
}

std::vector<std::string> ExtensionsOf(VkPhysicalDevice device) {
  uint32_t count = 0;
  vkEnumerateDeviceExtensionProperties(device, nullptr, &count, nullptr);
  std::vector<VkExtensionProperties> list(count);
  if (vkEnumerateDeviceExtensionProperties(device, nullptr, &count, list.data()) < 0) count = 0;
  std::vector<std::string> names;
  for (uint32_t i = 0; i < count; ++i) names.emplace_back(list[i].extensionName);
  return names;
}

// Subgroups of a workgroup that kernels have room for (shaders/common.glsl).
constexpr uint32_t kMaxSubgroups = 64;

// A queue family that computes; one that does nothing else where there is one.
std::optional<uint32_t> ComputeFamily(VkPhysicalDevice device, uint32_t* timestamp_bits) {
  uint32_t count = 0;
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, nullptr);
  std::vector<VkQueueFamilyProperties> families(count);
  vkGetPhysicalDeviceQueueFamilyProperties(device, &count, families.data());
  std::optional<uint32_t> found;
  for (uint32_t i = 0; i < count; ++i) {
    const VkQueueFlags flags = families[i].queueFlags;
    if ((flags & VK_QUEUE_COMPUTE_BIT) == 0 || families[i].queueCount == 0) continue;
    const bool alone = (flags & VK_QUEUE_GRAPHICS_BIT) == 0;
    if (!found || alone) {
      found = i;
      if (timestamp_bits != nullptr) *timestamp_bits = families[i].timestampValidBits;
    }
    if (alone) break;
  }
  return found;
}

bool IsUnified(const VkPhysicalDeviceMemoryProperties& memory, Kind kind) {
  if (kind != Kind::kIntegrated && kind != Kind::kSoftware) return false;
  constexpr VkMemoryPropertyFlags kMapped = VK_MEMORY_PROPERTY_DEVICE_LOCAL_BIT |
                                            VK_MEMORY_PROPERTY_HOST_VISIBLE_BIT |
                                            VK_MEMORY_PROPERTY_HOST_COHERENT_BIT;
  for (uint32_t i = 0; i < memory.memoryTypeCount; ++i) {
    if ((memory.memoryTypes[i].propertyFlags & kMapped) == kMapped) return true;
  }
  return false;
}

// What runs workgroups: extensions of AMD's and NVIDIA's drivers say how many there are.
uint32_t CoresOf(VkPhysicalDevice device, const std::vector<std::string>& extensions) {
  const auto has = [&](const char* name) {
    return std::find(extensions.begin(), extensions.end(), name) != extensions.end();
  };
  VkPhysicalDeviceShaderCorePropertiesAMD amd{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_CORE_PROPERTIES_AMD};
  VkPhysicalDeviceShaderSMBuiltinsPropertiesNV nvidia{
      VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_SM_BUILTINS_PROPERTIES_NV};
  VkPhysicalDeviceProperties2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2};
  if (has(VK_AMD_SHADER_CORE_PROPERTIES_EXTENSION_NAME)) {
    all.pNext = &amd;
  } else if (has(VK_NV_SHADER_SM_BUILTINS_EXTENSION_NAME)) {
    all.pNext = &nvidia;
  } else {
    return 0;
  }
  vkGetPhysicalDeviceProperties2(device, &all);
  return nvidia.shaderSMCount +
         amd.shaderEngineCount * amd.shaderArraysPerEngineCount * amd.computeUnitsPerShaderArray;
}

}  // namespace

VulkanDeviceInfo DescribeDevice(VkPhysicalDevice device) {
  VulkanDeviceInfo info;
  VkPhysicalDeviceProperties basic;
  vkGetPhysicalDeviceProperties(device, &basic);
  info.name = Printable(basic.deviceName, 256);
  info.version = VersionText(basic.apiVersion);
  info.kind = KindOf(basic.deviceType);
  info.vendor = basic.vendorID;
  info.max_storage_range = basic.limits.maxStorageBufferRange;
  const auto add = [&](std::string name, bool present, bool required, std::string use) {
    info.features.push_back({std::move(name), present, required, std::move(use)});
  };
  VkPhysicalDeviceMemoryProperties memory;
  vkGetPhysicalDeviceMemoryProperties(device, &memory);
  for (uint32_t i = 0; i < memory.memoryHeapCount; ++i) {
    const VkMemoryHeap& heap = memory.memoryHeaps[i];
    info.heaps.push_back({heap.size, (heap.flags & VK_MEMORY_HEAP_DEVICE_LOCAL_BIT) != 0});
  }
  info.unified = IsUnified(memory, info.kind);
  const bool new_enough = basic.apiVersion >= VK_API_VERSION_1_3;
  add("Vulkan 1.3", new_enough, true, "everything");
  if (!new_enough) return info;  // The structures below are of 1.3.

  Features has;
  vkGetPhysicalDeviceFeatures2(device, &has.all);
  Properties is;
  vkGetPhysicalDeviceProperties2(device, &is.all);
  info.driver = fmt::format("{}, {}", Printable(is.v12.driverName), Printable(is.v12.driverInfo));
  info.subgroup_min = is.v13.minSubgroupSize;
  info.subgroup_max = is.v13.maxSubgroupSize;
  uint32_t timestamp_bits = 0;
  const bool computes = ComputeFamily(device, &timestamp_bits).has_value();
  const std::vector<std::string> extensions = ExtensionsOf(device);
  const auto has_extension = [&](const char* name) {
    return std::find(extensions.begin(), extensions.end(), name) != extensions.end();
  };
  info.cores = CoresOf(device, extensions);
  constexpr VkSubgroupFeatureFlags kSubgroup =
      VK_SUBGROUP_FEATURE_BASIC_BIT | VK_SUBGROUP_FEATURE_ARITHMETIC_BIT;
  const bool arithmetic = (is.v11.subgroupSupportedOperations & kSubgroup) == kSubgroup &&
                          (is.v11.subgroupSupportedStages & VK_SHADER_STAGE_COMPUTE_BIT) != 0;
  add("compute queue", computes, true, "everything");
  add("subgroupSizeControl", has.v13.subgroupSizeControl != 0, true, "products");
  add("computeFullSubgroups", has.v13.computeFullSubgroups != 0, true, "products");
  add("subgroups of 8 to 64 lanes", is.v13.maxSubgroupSize >= 8 && is.v13.minSubgroupSize <= 64,
      true, "activations in 8 bits");
  add("subgroup arithmetic", arithmetic, true, "sums");
  constexpr VkSubgroupFeatureFlags kExchange =
      VK_SUBGROUP_FEATURE_SHUFFLE_BIT | VK_SUBGROUP_FEATURE_VOTE_BIT;
  add("subgroup shuffle and vote", (is.v11.subgroupSupportedOperations & kExchange) == kExchange,
      true, "products");
  add("bufferDeviceAddress", has.v12.bufferDeviceAddress != 0, true, "keys and values");
  add("synchronization2", has.v13.synchronization2 != 0, true, "order of kernels");
  add("maintenance4", has.v13.maintenance4 != 0, true, "sizes of workgroups");
  add("shaderIntegerDotProduct", has.v13.shaderIntegerDotProduct != 0, false,
      is.v13.integerDotProduct4x8BitPackedSignedAccelerated != 0
          ? "products of 8 bits, accelerated"
          : "products of 8 bits, not accelerated");
  add("timestamps", timestamp_bits != 0 && basic.limits.timestampPeriod > 0, false,
      "bench --profile");
  add(kCooperativeExtension, has_extension(kCooperativeExtension), false, "prompts");
  add("timelineSemaphore", has.v12.timelineSemaphore != 0, false,
      "several tokens ahead, not used yet");
  add("VK_EXT_memory_budget", has_extension("VK_EXT_memory_budget"), false,
      "free memory, not used yet");
  add("VK_EXT_external_memory_dma_buf", has_extension("VK_EXT_external_memory_dma_buf"), false,
      "buffers shared with the NPU, not used yet");
  return info;
}

Context::Context(const VulkanOptions& options) : instance_(options.validate) {
  const VulkanProbe probe = Probe(instance_);
  const size_t index = ChooseVulkanDevice(probe, options.gpu);
  info_ = probe.devices[index];
  if (options.staged) info_.unified = false;
  physical_ = instance_.devices()[index];
  uint32_t timestamp_bits = 0;
  family_ = ComputeFamily(physical_, &timestamp_bits).value();
  VkPhysicalDeviceProperties basic;
  vkGetPhysicalDeviceProperties(physical_, &basic);
  limits_ = basic.limits;
  vkGetPhysicalDeviceMemoryProperties(physical_, &memory_);
  timestamp_ns_ = timestamp_bits != 0 ? limits_.timestampPeriod : 0;

  Features has;
  vkGetPhysicalDeviceFeatures2(physical_, &has.all);
  integer_dot_ = options.integer_dot && has.v13.shaderIntegerDotProduct != 0;
  Features wanted;
  wanted.v12.bufferDeviceAddress = VK_TRUE;
  wanted.v13.subgroupSizeControl = VK_TRUE;
  wanted.v13.computeFullSubgroups = VK_TRUE;
  wanted.v13.synchronization2 = VK_TRUE;
  wanted.v13.maintenance4 = VK_TRUE;
  wanted.v13.shaderIntegerDotProduct = integer_dot_ ? VK_TRUE : VK_FALSE;
  CooperativeFeatures matrices;
  matrices.next = &wanted.all;
  std::vector<const char*> enabled;
  cooperative_ = UsableCooperative(options);
  if (cooperative_) {
    matrices.matrix = VK_TRUE;
    wanted.v12.vulkanMemoryModel = VK_TRUE;
    wanted.v12.shaderInt8 = VK_TRUE;
    enabled.push_back(kCooperativeExtension);
  }
  subgroup_ = std::clamp(options.subgroup, info_.subgroup_min, info_.subgroup_max);
  // Most threads bring a vector through its norms fastest; all of them hold parts of it.
  Properties is;
  vkGetPhysicalDeviceProperties2(physical_, &is.all);
  const uint32_t most =
      std::min(limits_.maxComputeWorkGroupInvocations,
               subgroup_ * std::min(is.v13.maxComputeWorkgroupSubgroups, kMaxSubgroups));
  fused_threads_ = most >= 512 ? 512 : most >= 256 ? 256 : 0;

  const float priority = 1;
  VkDeviceQueueCreateInfo queue{VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO};
  queue.queueFamilyIndex = family_;
  queue.queueCount = 1;
  queue.pQueuePriorities = &priority;
  VkDeviceCreateInfo create{VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO, &wanted.all};
  if (cooperative_) create.pNext = &matrices;
  create.enabledExtensionCount = static_cast<uint32_t>(enabled.size());
  create.ppEnabledExtensionNames = enabled.data();
  create.queueCreateInfoCount = 1;
  create.pQueueCreateInfos = &queue;
  vulkan::Check(vkCreateDevice(physical_, &create, nullptr, &device_), "creating the device");
  volkLoadDeviceTable(&vk_, device_);
  vk_.vkGetDeviceQueue(device_, family_, 0, &queue_);
}

// A device in software has them without gaining by them.
CooperativeShape Context::UsableCooperative(const VulkanOptions& options) const {
  using Use = VulkanOptions::Cooperative;
  if (options.cooperative == Use::kNever || KernelCode(Kernel::kGemmCoop).empty()) return {};
  if (options.cooperative == Use::kHardware && info_.kind == Kind::kSoftware) return {};
  const auto& features = info_.features;
  const bool there = std::any_of(features.begin(), features.end(), [](const auto& feature) {
    return feature.name == kCooperativeExtension && feature.present;
  });
  if (!there) return {};
  CooperativeFeatures matrices;
  VkPhysicalDeviceVulkan12Features v12{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_1_2_FEATURES,
                                       &matrices};
  VkPhysicalDeviceFeatures2 all{VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2, &v12};
  vkGetPhysicalDeviceFeatures2(physical_, &all);
  if (matrices.matrix == VK_FALSE || v12.vulkanMemoryModel == VK_FALSE ||
      v12.shaderInt8 == VK_FALSE) {
    return {};
  }
  return FindInt8Shape(instance_.handle(), physical_);
}

Context::~Context() {
  if (device_ != VK_NULL_HANDLE) vk_.vkDestroyDevice(device_, nullptr);
}

void Context::RequireAlive() const {
  if (lost_) vulkan::Fail(VK_ERROR_DEVICE_LOST, "it was retired");
}

void Context::Submit(VkCommandBuffer commands, VkFence fence, std::string_view what) {
  VkCommandBufferSubmitInfo command{VK_STRUCTURE_TYPE_COMMAND_BUFFER_SUBMIT_INFO};
  command.commandBuffer = commands;
  VkSubmitInfo2 submit{VK_STRUCTURE_TYPE_SUBMIT_INFO_2};
  submit.commandBufferInfoCount = 1;
  submit.pCommandBufferInfos = &command;
  Check(vk_.vkQueueSubmit2(queue_, 1, &submit, fence), what);
}

void Context::WaitIdle() { Check(vk_.vkQueueWaitIdle(queue_), "waiting for the device"); }

void Context::Check(VkResult result, std::string_view what) {
  if (result >= 0) return;
  if (result == VK_ERROR_DEVICE_LOST) lost_ = true;
  vulkan::Fail(result, what);
}

void Context::RequireValid() const {
  if (instance_.complaints().empty()) return;
  throw Error(ErrorKind::kInternal,
              fmt::format("Vulkan's validation layer: {}", instance_.complaints().front()));
}

}  // namespace tandem::vulkan
