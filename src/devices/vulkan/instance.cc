// Copyright 2026 The Tandem Authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <mutex>

#include "core/error.h"
#include "devices/vulkan/context.h"

namespace tandem::vulkan {
namespace {

constexpr const char* kValidation = "VK_LAYER_KHRONOS_validation";

// Volk's pointers are the process's. Those of the first instance lead into the loader, which takes
// any instance's objects, so that they are set once and never written again.
std::mutex volk_mutex;
bool volk_has_instance = false;

bool LoadLoader() {
  const std::lock_guard lock(volk_mutex);
  return vkGetInstanceProcAddr != nullptr || volkInitialize() == VK_SUCCESS;
}

void LoadInstanceFunctions(VkInstance instance) {
  const std::lock_guard lock(volk_mutex);
  if (!volk_has_instance) volkLoadInstanceOnly(instance);
  volk_has_instance = true;
}

bool HasLayer(const char* name) {
  uint32_t count = 0;
  vkEnumerateInstanceLayerProperties(&count, nullptr);
  std::vector<VkLayerProperties> layers(count);
  vkEnumerateInstanceLayerProperties(&count, layers.data());
  return std::any_of(layers.begin(), layers.end(), [name](const VkLayerProperties& layer) {
    return std::strcmp(layer.layerName, name) == 0;
  });
}

VKAPI_ATTR VkBool32 VKAPI_CALL Complain(VkDebugUtilsMessageSeverityFlagBitsEXT,
                                        VkDebugUtilsMessageTypeFlagsEXT,
                                        const VkDebugUtilsMessengerCallbackDataEXT* data,
                                        void* complaints) {
  static_cast<std::vector<std::string>*>(complaints)->push_back(Printable(data->pMessage, 2000));
  return VK_FALSE;
}

}  // namespace

void Fail(VkResult result, std::string_view what) {
  switch (result) {
    case VK_ERROR_DEVICE_LOST:
      throw Error(ErrorKind::kDeviceLost, fmt::format("the Vulkan device was lost: {}", what),
                  "the kernel's log says why (dmesg | grep -i -e amdgpu -e nvrm); --device cpu "
                  "works meanwhile");
    case VK_ERROR_OUT_OF_DEVICE_MEMORY:
      throw Error(
          ErrorKind::kResource, fmt::format("the Vulkan device has no memory left: {}", what),
          "a shorter --ctx or a smaller weight type needs less; tandem doctor says how much "
          "there is");
    case VK_ERROR_OUT_OF_HOST_MEMORY:
    case VK_ERROR_TOO_MANY_OBJECTS:
    case VK_ERROR_OUT_OF_POOL_MEMORY:
    case VK_ERROR_FRAGMENTATION:
      throw Error(ErrorKind::kResource, fmt::format("Vulkan has no memory left: {}", what));
    default:
      throw Error(ErrorKind::kInternal,
                  fmt::format("Vulkan: {}: result {}", what, static_cast<int>(result)));
  }
}

namespace {

// Some drivers are unloaded with their last instance and can be loaded some twenty times only
// (NVIDIA's 580): one instance stays for as long as the program runs.
void KeepDrivers() {
  static const VkInstance kept = [] {
    VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
    application.apiVersion = VK_API_VERSION_1_3;
    VkInstanceCreateInfo create{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
    create.pApplicationInfo = &application;
    VkInstance instance = VK_NULL_HANDLE;
    return vkCreateInstance(&create, nullptr, &instance) == VK_SUCCESS ? instance : VK_NULL_HANDLE;
  }();
  (void)kept;
}

}  // namespace

Instance::Instance(bool validate) {
  if (!LoadLoader()) {
    throw Error(ErrorKind::kNotFound, "Vulkan's loader (libvulkan.so.1) is not installed",
                "sudo apt install libvulkan1 mesa-vulkan-drivers");
  }
  // A loader of Vulkan 1.0 has no function to ask.
  uint32_t version = VK_API_VERSION_1_0;
  if (vkEnumerateInstanceVersion != nullptr) vkEnumerateInstanceVersion(&version);
  if (version < VK_API_VERSION_1_3) {
    throw Error(ErrorKind::kUnsupported, "Vulkan's loader is older than 1.3",
                "sudo apt install --only-upgrade libvulkan1");
  }
  if (validate && !HasLayer(kValidation)) {
    throw Error(ErrorKind::kNotFound, "the Vulkan validation layer is not installed",
                "sudo apt install vulkan-validationlayers");
  }
  VkApplicationInfo application{VK_STRUCTURE_TYPE_APPLICATION_INFO};
  application.pApplicationName = "tandem";
  application.apiVersion = VK_API_VERSION_1_3;
  VkInstanceCreateInfo create{VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO};
  create.pApplicationInfo = &application;
  const char* extension = VK_EXT_DEBUG_UTILS_EXTENSION_NAME;
  VkDebugUtilsMessengerCreateInfoEXT messages{
      VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT};
  messages.messageSeverity = VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT |
                             VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT;
  messages.messageType = VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT;
  messages.pfnUserCallback = Complain;
  messages.pUserData = &complaints_;
  if (validate) {
    create.enabledLayerCount = 1;
    create.ppEnabledLayerNames = &kValidation;
    create.enabledExtensionCount = 1;
    create.ppEnabledExtensionNames = &extension;
  }
  KeepDrivers();
  const VkResult made = vkCreateInstance(&create, nullptr, &handle_);
  if (made == VK_ERROR_INCOMPATIBLE_DRIVER) {
    throw Error(ErrorKind::kNotFound, "there is no Vulkan driver",
                "sudo apt install mesa-vulkan-drivers");
  }
  Check(made, "creating the instance");
  LoadInstanceFunctions(handle_);
  if (validate) {
    const auto create_messenger = reinterpret_cast<PFN_vkCreateDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(handle_, "vkCreateDebugUtilsMessengerEXT"));
    if (create_messenger != nullptr) {
      create_messenger(handle_, &messages, nullptr, &messenger_);
    }
  }
  uint32_t count = 0;
  vkEnumeratePhysicalDevices(handle_, &count, nullptr);
  devices_.resize(count);
  if (vkEnumeratePhysicalDevices(handle_, &count, devices_.data()) < 0) count = 0;
  devices_.resize(count);
}

Instance::~Instance() {
  if (messenger_ != VK_NULL_HANDLE) {
    const auto destroy = reinterpret_cast<PFN_vkDestroyDebugUtilsMessengerEXT>(
        vkGetInstanceProcAddr(handle_, "vkDestroyDebugUtilsMessengerEXT"));
    if (destroy != nullptr) destroy(handle_, messenger_, nullptr);
  }
  if (handle_ != VK_NULL_HANDLE) vkDestroyInstance(handle_, nullptr);
}

VulkanProbe Probe(const Instance& instance) {
  VulkanProbe probe;
  for (const VkPhysicalDevice device : instance.devices()) {
    probe.devices.push_back(DescribeDevice(device));
  }
  const auto usable = std::find_if(probe.devices.begin(), probe.devices.end(),
                                   [](const VulkanDeviceInfo& device) { return device.usable(); });
  if (usable != probe.devices.end()) return probe;
  if (probe.devices.empty()) {
    probe.problem = "no Vulkan driver offers a device";
    probe.mend = "sudo apt install mesa-vulkan-drivers";
  } else {
    const VulkanDeviceInfo& device = probe.devices.front();
    probe.problem =
        fmt::format("{} lacks {}", Printable(device.name), fmt::join(device.missing(), ", "));
    probe.mend = "sudo apt install --only-upgrade mesa-vulkan-drivers";
  }
  return probe;
}

}  // namespace tandem::vulkan

namespace tandem {

VulkanProbe ProbeVulkan() {
  try {
    return vulkan::Probe(vulkan::Instance(/*validate=*/false));
  } catch (const Error& error) {
    return {{}, error.message(), error.hint()};
  }
}

}  // namespace tandem
