// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
//
// An instance, one physical device with what was found out about it, a logical device and a queue.
// Owns them all: everything made from a Context must go before it. One thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "devices/vulkan/api.h"
#include "devices/vulkan/cooperative.h"
#include "devices/vulkan/vulkan_device.h"

namespace tandem::vulkan {

/// A loaded Vulkan, its instance and its physical devices.
class Instance {
 public:
  /// Throws Error kNotFound without a loader or a driver.
  explicit Instance(bool validate);
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;
  ~Instance();

  VkInstance handle() const { return handle_; }
  const std::vector<VkPhysicalDevice>& devices() const { return devices_; }
  bool validates() const { return messenger_ != VK_NULL_HANDLE; }
  /// What the validation layer complained about so far.
  const std::vector<std::string>& complaints() const { return complaints_; }

 private:
  VkInstance handle_ = VK_NULL_HANDLE;
  VkDebugUtilsMessengerEXT messenger_ = VK_NULL_HANDLE;
  std::vector<VkPhysicalDevice> devices_;
  std::vector<std::string> complaints_;
};

VulkanDeviceInfo DescribeDevice(VkPhysicalDevice device);
/// Devices, and what is wrong where none can be used.
VulkanProbe Probe(const Instance& instance);

class Context {
 public:
  /// Throws Error as MakeVulkanDevice.
  explicit Context(const VulkanOptions& options);
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;
  ~Context();

  const VulkanDeviceInfo& info() const { return info_; }
  VkDevice device() const { return device_; }
  VkPhysicalDevice physical() const { return physical_; }
  VkQueue queue() const { return queue_; }
  uint32_t queue_family() const { return family_; }
  /// The device's functions. Tests replace some.
  VolkDeviceTable& vk() { return vk_; }
  const VkPhysicalDeviceLimits& limits() const { return limits_; }
  const VkPhysicalDeviceMemoryProperties& memory() const { return memory_; }
  /// Lanes of the subgroups that kernels are compiled for.
  uint32_t subgroup() const { return subgroup_; }
  /// Threads of the fused kernels' workgroups (fused_lowering.h); 0 where they do not fit.
  uint32_t fused_threads() const { return fused_threads_; }
  bool integer_dot() const { return integer_dot_; }
  /// Of 8-bit cooperative matrices, where the device has them and they are to be used.
  const CooperativeShape& cooperative() const { return cooperative_; }
  /// Nanoseconds per tick of a timestamp; 0 where the queue has none.
  float timestamp_ns() const { return timestamp_ns_; }

  /// Throws Error kDeviceLost for a device that was lost before.
  void RequireAlive() const;
  /// Check(), which retires the device when it is lost.
  void Check(VkResult result, std::string_view what);
  /// Hands a command buffer to the queue; `fence`, if any, tells when it is done. Throws as
  /// Check().
  void Submit(VkCommandBuffer commands, VkFence fence, std::string_view what);
  /// Waits for all that was handed to the queue. Throws as Check().
  void WaitIdle();
  /// Throws what the validation layer has said, if anything.
  void RequireValid() const;

 private:
  CooperativeShape UsableCooperative(const VulkanOptions& options) const;

  Instance instance_;
  VulkanDeviceInfo info_;
  VkPhysicalDevice physical_ = VK_NULL_HANDLE;
  VkDevice device_ = VK_NULL_HANDLE;
  VkQueue queue_ = VK_NULL_HANDLE;
  uint32_t family_ = 0;
  VolkDeviceTable vk_ = {};
  VkPhysicalDeviceLimits limits_ = {};
  VkPhysicalDeviceMemoryProperties memory_ = {};
  uint32_t subgroup_ = 0;
  uint32_t fused_threads_ = 0;
  bool integer_dot_ = false;
  CooperativeShape cooperative_;
  float timestamp_ns_ = 0;
  bool lost_ = false;
};

}  // namespace tandem::vulkan
